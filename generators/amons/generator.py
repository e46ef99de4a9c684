"""AMONs of the parents as rows: bare graphs, pieces of the parent's geometry, or molecules embedded anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.generators.amons.cut import cut_amons
from molaug.generators.amons.graph import amons
from molaug.generators.amons.parent import Rules, check_options
from molaug.generators.embedding import embed
from molaug.generators.ensemble import Ensemble
from molaug.generators.generator import Kind
from molaug.generators.parents import check_range, molecule, rejected
from molaug.structures import Structure, Structures
from molaug.structures.chemistry import canonical
from molaug.structures.hashing import derived_seed

#: Where the geometry of an AMON comes from.
Geometry = Literal["cut", "embed"]

#: Conformers of an AMON of which the lowest is taken, tries to embed each, seconds for each, steps to relax each.
CONFORMERS, ATTEMPTS, TIMEOUT, MAX_ITERATIONS = 5, 30, 10.0, 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class _Amon:
    """One row to be."""

    smiles: str
    numbers: NDArray[np.uint8]
    positions: NDArray[np.float64] | None
    seed: int
    force_field: str | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Amons:
    """Proposes the AMONs of every parent, smaller ones first, then by SMILES.

    Rows carry canonical SMILES without stereo; a geometry shows a configuration all the same. An AMON that is its
    parent is proposed too. The rows of a parent do not depend on the seed with ``geometry`` None or ``"cut"``. A parent
    that is charged, a radical, unreadable or without a heavy atom gives one rejected row; parents that are themselves
    rejected are passed over. The column ``force_field`` names what relaxed a row, null where nothing did.

    Parameters
    ----------
    max_heavy
        Heavy atoms of an AMON at most, 1 to 7.
    rules
        ``"molaug"`` or ``"reference"``, as for :func:`molaug.generators.amons.amons`.
    geometry
        ``"cut"``: as the AMON lies in the parent, hydrogens in place of the cut bonds, relaxed with the dihedrals held
        (:func:`molaug.generators.amons.cut_amons`); one AMON may have several conformers, and those that are crowded
        or repeated are rejected rows. A parent without geometry falls back to ``"embed"``. ``"embed"``: the lowest of
        five conformers by ETKDGv3 and MMFF94s, the same for every parent. None: bare graphs.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    References
    ----------
    B. Huang, O. A. von Lilienfeld, Nat. Chem. 12, 945 (2020), doi:10.1038/s41557-020-0527-z.

    Examples
    --------
    >>> ethanol = Structures.from_rdkit(Chem.MolFromSmiles("CCO"))
    >>> Structures.concat(Amons(geometry=None).propose(ethanol, 10, seed=0)).column("smiles")
    ['C', 'O', 'CC', 'CO', 'CCO']
    """

    name: ClassVar[str] = "amons"
    kind: ClassVar[Kind] = "molecules"
    needs_parents: ClassVar[bool] = True

    max_heavy: int = 7
    rules: Rules = "molaug"
    geometry: Geometry | None = "cut"

    def __post_init__(self) -> None:
        check_options(self.max_heavy, self.rules)
        if self.geometry is not None and self.geometry not in get_args(Geometry):
            raise ValueError(f"geometry is {self.geometry!r}; expected one of {get_args(Geometry)} or None")

    def propose(self, parents: Structures, n: int, seed: int, *, start: int = 0) -> Iterator[Structures]:
        """Yield AMONs, one batch for each parent.

        Parameters
        ----------
        parents
            Geometries or bare graphs.
        n
            Rows at most for each parent.
        seed
            The one seed of the run.
        start
            First row.

        Returns
        -------
        Iterator[Structures]
            The AMONs of each parent, or one row that says why there are none.
        """
        check_range(n, seed, start)
        return self._stream(parents, seed, start, start + n)

    def _stream(self, parents: Structures, seed: int, start: int, stop: int) -> Iterator[Structures]:
        for parent in parents:
            if parent.reason is not None or start == stop:
                continue
            try:
                found = self._amons(parent, seed, start, stop)
            except ValueError as error:
                if start == 0:
                    yield rejected(parent, self.name, str(error), derived_seed(seed, self.name, parent.id))
                continue
            if found:
                yield self._rows(parent, found)

    def _amons(self, parent: Structure, seed: int, start: int, stop: int) -> list[_Amon]:
        read = molecule(parent)
        if read.mol is None:
            raise ValueError(read.reason)
        if parent.multiplicity != 1:
            raise ValueError(f"multiplicity {parent.multiplicity}; AMONs are closed shells, expected 1")
        if self.geometry == "cut" and parent.positions is not None:
            own = derived_seed(seed, self.name, parent.id)
            return [
                _Amon(
                    smiles=amon.smiles,
                    numbers=_numbers(amon.mol),
                    positions=amon.mol.GetConformer().GetPositions(),
                    seed=own,
                    force_field=amon.force_field,
                    reason=amon.reason,
                )
                for amon in cut_amons(read.mol, self.max_heavy, self.rules)[start:stop]
            ]
        smiles = amons(canonical(read.mol), self.max_heavy, self.rules)
        make = _graph if self.geometry is None else _embedded
        return [make(one, derived_seed(seed, self.name, one)) for one in smiles[start:stop]]

    def _rows(self, parent: Structure, found: list[_Amon]) -> Structures:
        return Structures.from_arrays(
            [amon.numbers for amon in found],
            [amon.positions for amon in found],
            smiles=[amon.smiles for amon in found],
            multiplicity=[1] * len(found),
            origin=self.name,
            parent=parent.id,
            seed=[amon.seed for amon in found],
            reason=[None if amon.reason is None else f"{self.name}: {amon.reason}" for amon in found],
            extra={"force_field": pa.array([amon.force_field for amon in found], pa.string())},
        )


def _numbers(mol: Chem.Mol) -> NDArray[np.uint8]:
    return np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()], dtype=np.uint8)


def _graph(smiles: str, seed: int) -> _Amon:
    numbers = _numbers(_with_hydrogens(smiles))
    return _Amon(smiles=smiles, numbers=numbers, positions=None, seed=seed, force_field=None, reason=None)


@lru_cache(maxsize=4096)  # the same small AMONs come back with nearly every parent
def _embedded(smiles: str, seed: int) -> _Amon:
    mol = _with_hydrogens(smiles)
    embedded = embed(mol, seed, CONFORMERS, attempts=ATTEMPTS, timeout=TIMEOUT)
    ensemble = Ensemble(embedded, CONFORMERS, f"not embedded in {ATTEMPTS} attempts or {TIMEOUT:g} s")
    ensemble.relax("mmff94s", MAX_ITERATIONS)
    ensemble.check_graph(mol)
    energies = {k: energy for k in ensemble.alive if (energy := ensemble.energies[k]) is not None}
    lowest = min(energies, key=energies.__getitem__, default=None)
    return _Amon(
        smiles=smiles,
        numbers=_numbers(mol),
        positions=None if lowest is None else ensemble.positions(lowest),
        seed=seed,
        force_field=None if lowest is None else ensemble.force_field,
        reason=ensemble.reasons[0] if lowest is None else None,
    )


def _with_hydrogens(smiles: str) -> Chem.Mol:
    with BlockLogs():
        return Chem.AddHs(Chem.MolFromSmiles(smiles))
