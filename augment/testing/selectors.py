"""The contract of selectors."""

from __future__ import annotations

from functools import partial

import numpy as np

from molaug.filters.filter import Selector
from molaug.filters.pool import Pool
from molaug.structures import Structures
from molaug.testing.clauses import configuration, pickled, require


def check_selector(selector: Selector, candidates: Structures, base: Structures, *, seed: int = 0) -> None:
    """Check that a selector keeps the contract of :class:`molaug.filters.filter.Selector`.

    An AssertionError names the clause that does not hold.

    Parameters
    ----------
    selector
        What to check.
    candidates
        At least three typical rows, alive.
    base
        What is known already.
    seed
        Seed to ask with.

    Raises
    ------
    ValueError
        If there are too few candidates to tell, or some are rejected already.
    """
    n = len(candidates)
    if n < 3 or not candidates.alive.all():
        raise ValueError(f"{candidates}; expected at least three rows, all alive")
    configuration(selector, Selector)
    whole = _ranked(selector, candidates, n + 2, base, seed)
    require(sorted(whole) == list(range(n)), "ranking", f"{n + 2} of {n} rows gave {whole}; expected each row once")
    for budget in sorted({0, 1, n // 2, n - 1, n}):
        few = _ranked(selector, candidates, budget, base, seed)
        require(few == whole[:budget], "prefix", f"a budget of {budget} gave {few}, one of {n} began with others")
    copy = _ranked(pickled(selector), candidates, n, base, seed)
    require(copy == whole, "determinism", "a pickled copy ranked otherwise")
    for text, order in (("in reverse order", np.arange(n)[::-1]), ("in another order", np.roll(np.arange(n), 1))):
        turned = candidates.take(order)
        found = turned.take(_ranked(selector, turned, n, base, seed)).ids  # ids, as there may be copies
        require(found == candidates.take(whole).ids, "independence", f"candidates {text} were ranked otherwise")
    backwards = base.take(np.arange(len(base))[::-1])
    require(_ranked(selector, candidates, n, backwards, seed) == whole, "independence", "a base in reverse order told")
    pool, known = (Pool(read=partial(rows.batches, 2)) for rows in (candidates, base))
    batched = np.asarray(selector.select(pool, n, base=known, seed=seed)).tolist()
    require(batched == whole, "pools", "rows that are read batch by batch were ranked otherwise")
    nothing = Structures.empty()
    require(_ranked(selector, nothing, 3, base, seed) == [], "edges", "no candidates gave rows")
    without = _ranked(selector, candidates, n, nothing, seed)
    require(sorted(without) == list(range(n)), "edges", f"without a base {without} came; expected each row once")
    bare = Structures.from_arrays([[6, 1, 1, 1, 1], [8, 1, 1]], None, smiles=["C", "O"])
    mixed = _ranked(selector, Structures.concat([candidates, bare]), n + 2, base, seed)
    require(sorted(mixed) == list(range(n + 2)), "edges", f"with bare graphs {mixed} came; expected each row once")
    try:
        selector.select(candidates, -1, base=base, seed=seed)
    except ValueError:
        return
    raise AssertionError("edges: a budget of -1 was accepted; expected a ValueError")


def _ranked(selector: Selector, candidates: Structures, budget: int, base: Structures, seed: int) -> list[int]:
    found = np.asarray(selector.select(candidates, budget, base=base, seed=seed))
    require(found.ndim == 1 and found.dtype.kind == "i", "ranking", f"{found!r:.60}; expected row numbers")
    rows: list[int] = found.tolist()
    return rows
