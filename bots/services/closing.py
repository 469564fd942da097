"""The end of a bot: everything that its book holds goes back to Manual, dust included."""

from datetime import datetime

from bots.exceptions import BotNotReady
from portfolio.models import LedgerAccount, LedgerEntry
from portfolio.services.books import close_book
from portfolio.services.ledger import transfer
from portfolio.services.locking import lock_books


def return_everything(bot_id: int, book_id: int, manual_book_id: int, *, now: datetime) -> None:
    """Move every balance of a bot's book to Manual and close the book (decisions 28).

    Needs an open transaction. Money or units still held for an order are a reason to stop here:
    an order may still trade, and nothing may be left behind.
    """
    lock_books([book_id, manual_book_id], now=now)
    pots = list(LedgerAccount.objects.filter(book=book_id).exclude(balance=0).order_by("asset"))
    held = [pot for pot in pots if pot.kind == LedgerAccount.Kind.HELD]
    if held:
        raise BotNotReady(f"{held[0].balance} {held[0].asset} is still held for an order")
    for pot in pots:
        if pot.balance is not None:
            newest = LedgerEntry.objects.filter(account=pot).order_by("-pk")
            # The pot's newest entry tells one return from another, should a late trade bring more.
            ref = f"bot:{bot_id}:return:{pot.asset}:{newest.values_list('pk', flat=True)[0]}"
            transfer(book_id, manual_book_id, asset=pot.asset, amount=pot.balance, ref=ref, now=now)
    close_book(book_id, now=now)
