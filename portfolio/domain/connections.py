"""The venues that an account can be connected to, in words for people."""

from dataclasses import dataclass

from market.domain.enums import AccountMode
from portfolio.domain.compliance import ComplianceProfile, profiles_of


@dataclass(frozen=True, slots=True)
class Connection:
    """One venue: what it needs of a user, and what FinByte does with it so far.

    `makes_key` and `rights` tell where to make a key and what it must not be allowed.
    """

    venue: str
    name: str
    mode: AccountMode
    settlement_asset: str
    summary: str
    key_label: str
    secret_label: str
    makes_key: str
    rights: str
    waiting: str

    @property
    def is_live(self) -> bool:
        """Say whether real money is at stake."""
        return self.mode is AccountMode.LIVE

    @property
    def profiles(self) -> list[ComplianceProfile]:
        """Return the profiles to choose from."""
        return profiles_of(self.mode)


_ALL = (
    Connection(
        venue="BINANCE_TESTNET",
        name="Binance spot testnet",
        mode=AccountMode.TESTNET,
        settlement_asset="USDT",
        summary="The exchange's own practice ground for buying and selling coins. No real money.",
        key_label="API key",
        secret_label="Secret key",  # noqa: S106 - a label
        makes_key=(
            "Log in at testnet.binance.vision with your GitHub account and choose Generate "
            "HMAC-SHA-256 key. Keys of the real exchange do not work here; never type one."
        ),
        rights="Allow trading (TRADE) and reading (USER_DATA), nothing else.",
        waiting="Orders to Binance spot testnet come with a later release of FinByte.",
    ),
    Connection(
        venue="BINANCEFUT_TESTNET",
        name="Binance futures testnet",
        mode=AccountMode.TESTNET,
        settlement_asset="USDT",
        summary="The exchange's own practice ground for perpetual futures. No real money.",
        key_label="API key",
        secret_label="Secret key",  # noqa: S106 - a label
        makes_key=(
            "Log in at testnet.binancefuture.com and open the tab API Key below the chart. Keys "
            "of the real exchange do not work here; never type one."
        ),
        rights="Allow trading and reading, nothing else.",
        waiting="Orders to Binance futures testnet come with a later release of FinByte.",
    ),
    Connection(
        venue="KITE",
        name="Zerodha Kite, India",
        mode=AccountMode.LIVE,
        settlement_asset="INR",
        summary="Your own account at the broker. Real money; the rules of SEBI and NSE apply.",
        key_label="API key",
        secret_label="API secret",  # noqa: S106 - a label
        makes_key=(
            "Make an app at developers.kite.trade (Kite Connect). Key and secret stand on the "
            "app's page."
        ),
        rights=(
            "A Kite app cannot move money out of your account. Register your static IP address on "
            "the same site: the broker takes orders from it only."
        ),
        waiting="Orders to Zerodha come with a later release of FinByte.",
    ),
)
CONNECTIONS: dict[str, Connection] = {each.venue: each for each in _ALL}


def connection_of(venue: str) -> Connection | None:
    """Return the venue of this name; None for paper and for what there is not."""
    return CONNECTIONS.get(venue)
