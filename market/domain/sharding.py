"""Split instruments evenly over feed workers."""

from collections.abc import Iterable


def share_of(tokens: Iterable[int], *, worker: int, workers: int) -> list[int]:
    """Return the tokens of worker `worker` of `workers` (counted from 1), in ascending order.

    Shares differ by at most one instrument, and every instrument is in exactly one.
    """
    if not 1 <= worker <= workers:
        raise ValueError(f"worker {worker} of {workers} does not exist")
    return sorted(tokens)[worker - 1 :: workers]
