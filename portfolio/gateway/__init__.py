"""The gateway: the one process that talks to venues for a share of the venue accounts."""

from portfolio.gateway.core import Gateway
from portfolio.gateway.process import GatewayProcess

__all__ = ["Gateway", "GatewayProcess"]
