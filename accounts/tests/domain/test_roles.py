import pytest

from accounts.domain.roles import Role, is_allowed

LOOKING = ("portfolio.view_order", "accounts.view_user", "bots.view_bot")
RISK = (
    "portfolio.add_risklimit",
    "portfolio.change_risklimit",
    "portfolio.change_killswitch",
)
REST = (
    "portfolio.delete_risklimit",
    "portfolio.add_killswitch",
    "accounts.change_user",
    "market.change_instrument",
    "portfolio.review_order",
    "",
)


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.USER, ()),
        (Role.SUPPORT, LOOKING),
        (Role.RISK_OFFICER, LOOKING + RISK),
        (Role.ADMINISTRATOR, LOOKING + RISK + REST),
    ],
)
def test_each_role_has_exactly_its_rights(role, allowed):
    found = tuple(each for each in LOOKING + RISK + REST if is_allowed(role, each))
    assert found == allowed
