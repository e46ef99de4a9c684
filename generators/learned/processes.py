"""A function applied to many items, chunk by chunk, in one process or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

#: Items that one process works on at a time.
CHUNK = 2000

#: Applies a function of a list of items to all of them, in their order.
Mapping = Callable[[Callable[[list[Any]], list[Any]], Sequence[Any]], Iterator[Any]]


@contextmanager
def mapping(workers: int) -> Iterator[Mapping]:
    """Hand out a map over chunks of items; the number of processes changes nothing but the time.

    Parameters
    ----------
    workers
        Processes; 1 for this one alone. With more, functions and items must be picklable.

    Yields
    ------
    Mapping
        Takes a function of a list and the items.

    Examples
    --------
    >>> with mapping(1) as mapped:
    ...     list(mapped(lambda chunk: [2 * item for item in chunk], [1, 2, 3]))
    [2, 4, 6]
    """

    def chunks(items: Sequence[Any]) -> Iterator[list[Any]]:
        return (list(items[start : start + CHUNK]) for start in range(0, len(items), CHUNK))

    if workers == 1:
        yield lambda function, items: (result for chunk in chunks(items) for result in function(chunk))
        return
    # not forked: torch has threads
    with get_context("spawn").Pool(workers) as pool:
        yield lambda function, items: (result for found in pool.imap(function, chunks(items)) for result in found)
