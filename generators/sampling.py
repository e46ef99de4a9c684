"""The stream of a sampler: each parent is sampled, or gives one row that says why it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from molaug.generators.parents import check_range, rejected
from molaug.generators.surface import SamplingError
from molaug.structures import Structure, Structures
from molaug.structures.hashing import derived_seed


def sampled(
    name: str,
    rows: Callable[[Structure, int], Iterator[Structures]],
    parents: Structures,
    n: int,
    seed: int,
    start: int,
) -> Iterator[Structures]:
    """Return the rows of all parents that are alive, in their order.

    Parameters
    ----------
    name
        Of the sampler.
    rows
        Gives the wanted rows of a parent, from the seed of its first row on; it raises
        :class:`molaug.generators.surface.SamplingError`, before any rows, where there can be none.
    parents
        Geometries or bare graphs.
    n
        Rows of each parent.
    seed
        The one seed of the run.
    start
        First row. The rejected row of a parent that cannot be sampled is its row 0.

    Returns
    -------
    Iterator[Structures]
        Batches.

    Raises
    ------
    ValueError
        If ``n``, ``seed`` or ``start`` is negative.
    """
    check_range(n, seed, start)

    def stream() -> Iterator[Structures]:
        for parent in parents:
            if parent.reason is not None or n == 0:
                continue
            base = derived_seed(seed, name, parent.id)
            try:
                yield from rows(parent, base)
            except SamplingError as error:
                if start == 0:
                    yield rejected(parent, name, str(error), base)

    return stream()
