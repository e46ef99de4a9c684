"""A small generator that keeps the contract, and on demand breaks one clause of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, ClassVar

import numpy as np

from molaug.structures import Structure, Structures
from molaug.structures.hashing import derived_seed, stream

_CALLS: list[int] = []


@dataclass(frozen=True, kw_only=True)
class Shaker:
    """Displaces atoms at random by 0.01 Å."""

    name: ClassVar[str] = "shaker"
    kind: ClassVar[str] = "geometries"
    needs_parents: ClassVar[bool] = True

    fault: str | None = None

    def propose(self, parents: Structures, n: int, seed: int, *, start: int = 0) -> Any:
        if self.fault == "backwards":
            parents = parents.take(np.arange(len(parents))[::-1])
        rows = self._stream(parents, n, seed, start)
        if self.fault == "list":
            return list(rows)
        if self.fault == "one batch":
            return iter([Structures.concat(rows)])
        return rows

    def _stream(self, parents: Structures, n: int, seed: int, start: int) -> Iterator[Structures]:
        fault = self.fault
        if fault == "needs parents" and not len(parents):
            yield self._row(Structures.from_arrays([[2]], [[[0, 0, 0]]])[0], 0, seed)
        if fault == "leaves a file":
            (Path(mkdtemp()) / "left").touch()
        if fault == "leaves a thread":
            threading.Thread(target=threading.Event().wait, args=(5,), daemon=True).start()
        rank = 0
        for number, parent in enumerate(parents):
            if n == 0 and fault != "n = 0":
                continue
            if parent.reason is not None and fault != "dead parents":
                continue
            if parent.positions is None:
                if fault == "raises":
                    raise ValueError("no geometry")
                if fault != "silent" and start == 0:
                    yield self._rejected(parent, seed)
                continue
            for k in range(start, start + max(n, 1) + (fault == "too many")):
                key = {
                    "other parents": f"{len(parents)}",
                    "order": f"{number}",
                    "earlier rows": f"{rank}",
                    "count": f"{n}",
                    "start": f"{k - start}",
                    "sets": str(sorted({"a", "b", "c", "d"}, key=hash)),
                }.get(fault or "", "")
                yield self._row(parent, k, seed, key)
                rank += 1

    def _row(self, parent: Structure, k: int, seed: int, key: str = "") -> Structures:
        fault = self.fault
        rng = stream(seed, self.name, parent.id, k if fault != "start" else 0, key)
        if fault == "not deterministic":
            rng = np.random.default_rng()
        _CALLS.append(k)
        if fault == "state":
            rng = stream(len(_CALLS))
        assert parent.positions is not None
        x = parent.positions + 0.01 * rng.normal(size=parent.positions.shape)
        if fault == "global random state":
            np.random.random()  # noqa: NPY002
        row = self._built(parent, x, k, seed)
        if fault == "nan":
            row = row.with_columns({"positions": [np.full_like(x, np.nan)]})
        return row.with_columns({"id": ["0" * 32]}) if fault == "id" else row

    def _built(self, parent: Structure, x: np.ndarray, k: int, seed: int) -> Structures:
        fault = self.fault
        return Structures.from_arrays(
            [parent.numbers if fault != "atoms" else parent.numbers * 0 + 2],
            [x],
            charge=[parent.charge],
            multiplicity=[parent.multiplicity + (fault == "spin")],
            smiles=[parent.smiles if fault != "smiles" else "C"],
            origin=self.name if fault != "origin" else "other",
            parent=parent.id if fault != "parent" else "other",
            seed=derived_seed(seed, self.name, parent.id, k) if fault != "seed" else None,
            reason=["  "] if fault == "empty reason" else None,
        )

    def _rejected(self, parent: Structure, seed: int) -> Structures:
        return Structures.from_arrays(
            [parent.numbers],
            None,
            charge=[parent.charge],
            multiplicity=[parent.multiplicity],
            smiles=[parent.smiles],
            origin=self.name,
            parent=parent.id,
            seed=seed,
            reason=["shaker: no geometry"],
        )


@dataclass(kw_only=True)
class Thawed:
    """Not frozen."""

    name: ClassVar[str] = "shaker"
    kind: ClassVar[str] = "geometries"
    needs_parents: ClassVar[bool] = True
    amplitude: float = 0.01

    def propose(self, parents: Structures, n: int, seed: int, *, start: int = 0) -> Iterator[Structures]:
        return Shaker().propose(parents, n, seed, start=start)


@dataclass(frozen=True, kw_only=True)
class Slow:
    """A shaker that takes its time, and when eager makes everything first."""

    name: ClassVar[str] = "shaker"
    kind: ClassVar[str] = "geometries"
    needs_parents: ClassVar[bool] = True

    eager: bool

    def propose(self, parents: Structures, n: int, seed: int, *, start: int = 0) -> Iterator[Structures]:
        rows = self._stream(parents, n, seed, start)
        return iter(list(rows)) if self.eager else rows

    def _stream(self, parents: Structures, n: int, seed: int, start: int) -> Iterator[Structures]:
        for batch in Shaker().propose(parents, n, seed, start=start):
            time.sleep(0.002)
            yield batch
