"""What an API app may trade in: Kite's products, as people read them (decisions 30)."""

from collections.abc import Iterable
from enum import StrEnum


class ApiProduct(StrEnum):
    """One product that an app is let in to."""

    CNC = "CNC"
    MIS = "MIS"
    NRML = "NRML"


PRODUCT_WORDS = {
    ApiProduct.CNC: "CNC: buy with full cash and hold",
    ApiProduct.MIS: "MIS: within the day, short selling too",
    ApiProduct.NRML: "NRML: futures and perpetuals",
}


def normal_products(values: Iterable[str]) -> list[str]:
    """Return the products once each, in our order; raises ValueError for an unknown one."""
    wanted = {ApiProduct(value) for value in values}
    return [product.value for product in ApiProduct if product in wanted]
