"""A dataset as every reader gives it: a card, a stream of batches and an audit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from molaug.structures.datasets.audit import Audit
from molaug.structures.datasets.card import Card
from molaug.structures.table import Structures

#: Rows that readers hold at once.
CHUNK = 2048


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """A dataset that streams in bounded memory.

    Parameters
    ----------
    card
        What it holds.
    stream
        Called for each pass with an empty audit; yields batches of any size and accounts for every row.
    audit
        The account of the latest pass, filled while :meth:`batches` runs.

    Examples
    --------
    >>> from molaug.structures.datasets import open_dataset
    >>> g2 = open_dataset("g2")
    >>> sum(len(batch) for batch in g2.batches(size=50)), g2.audit.rows_kept
    (162, 162)
    """

    card: Card
    stream: Callable[[Audit], Iterator[Structures]]
    audit: Audit = field(default_factory=Audit)

    def batches(self, size: int = CHUNK) -> Iterator[Structures]:
        """Stream the rows from the beginning; the audit is begun anew.

        Parameters
        ----------
        size
            Rows a batch; only the last one is smaller.

        Yields
        ------
        Structures
            Consecutive rows.

        Raises
        ------
        ValueError
            If the size is below 1.
        """
        self.audit.clear()
        yield from rebatch(self.stream(self.audit), size)

    def read(self) -> Structures:
        """Return all rows at once.

        Returns
        -------
        Structures
            Every row that is kept.
        """
        return Structures.concat(self.batches())

    def __repr__(self) -> str:
        counts = self.card.counts
        size = f", {counts.structures:,} structures" if counts else ""
        return f"Dataset({self.card.name}, {', '.join(self.card.levels) or 'no labels known'}{size})"


def rebatch(batches: Iterable[Structures], size: int) -> Iterator[Structures]:
    """Cut a stream of batches into batches of one size.

    Parameters
    ----------
    batches
        Of any sizes.
    size
        Rows a batch, at least 1.

    Yields
    ------
    Structures
        The same rows in the same order; all batches but the last have the size asked for.

    Raises
    ------
    ValueError
        If the size is below 1.
    """
    if size < 1:
        raise ValueError(f"batch size {size}; expected at least 1")
    waiting: list[Structures] = []
    count = 0
    for batch in batches:
        if not len(batch):
            continue
        waiting.append(batch)
        count += len(batch)
        if count < size:
            continue
        joined = Structures.concat(waiting) if len(waiting) > 1 else batch
        whole = count - count % size
        for start in range(0, whole, size):
            yield joined.slice(start, start + size)
        waiting = [joined.slice(whole)] if whole < count else []
        count -= whole
    if waiting:
        yield Structures.concat(waiting)
