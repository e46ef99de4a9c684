"""What every generator is: something that proposes structures from parents, item by item reproducibly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol, runtime_checkable

from molaug.structures import Structures

#: What a generator adds to a database: other molecules, or other geometries of the molecules that it is given.
Kind = Literal["molecules", "geometries"]


@runtime_checkable
class Generator(Protocol):
    """Proposes structures.

    A generator is a frozen, keyword-only dataclass: its fields are its configuration, so that it can be written to a
    file, compared and sent to another process. The contract, tested for every registered generator:

    - **Streams.** Row k of a parent's stream depends on ``(seed, name, parent id, k)`` and the fields alone, not on
      the other parents of the batch, their order, the process, or what was proposed before.
    - **Rows.** Every row carries ``origin`` (the generator's name), ``parent`` (the parent's id) and ``seed``. A row
      that failed is there too, with its ``reason``; a parent that allows nothing gives one rejected row.
    - **Batches.** The iterator yields at least one batch for each parent that has rows, in the order of the parents,
      and never holds the whole result.
    """

    @property
    def name(self) -> str:
        """Name under which it is registered; it becomes ``origin``."""
        ...

    @property
    def kind(self) -> Kind:
        """Whether it proposes other molecules or other geometries of its parents."""
        ...

    @property
    def needs_parents(self) -> bool:
        """Whether rows are made from parents. A learned generator may need none; its stream is then one."""
        ...

    def propose(self, parents: Structures, n: int, seed: int, *, start: int = 0) -> Iterator[Structures]:
        """Propose rows, batch by batch.

        Parameters
        ----------
        parents
            What to start from; empty for a generator that needs no parents.
        n
            Rows at most for each parent, or in all where no parents are needed. A deterministic generator (AMONs)
            may have fewer.
        seed
            The one seed of the run.
        start
            Rows ``start`` to ``start + n`` of each stream are meant; this lets shards share one stream.

        Returns
        -------
        Iterator of Structures
            Alive and rejected rows.
        """
        ...
