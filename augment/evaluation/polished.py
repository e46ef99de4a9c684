"""What a brief polish in a force field makes of geometries: whether only their precision was lacking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from molaug.evaluation.geometries import Geometries
from molaug.evaluation.geometry_validity import GeometryJudgement, judge_geometries
from molaug.structures.chemistry.polish import STEPS, Polished, polish


@dataclass(frozen=True, kw_only=True, eq=False)
class PolishJudgement:
    """What is said of each geometry after its polish; all of length n.

    Parameters
    ----------
    polished
        None for geometries that are no sound molecule and so were left alone.
    reasons
        Why it is not strictly valid afterwards, None where it is; that of the raw geometry where it was left alone.
    mols
        Those that are strictly valid afterwards, with their conformer.
    stable
        Stable by the table of EDM; of the raw geometry where it was left alone.
    """

    polished: tuple[Polished | None, ...]
    reasons: tuple[str | None, ...]
    mols: tuple[Chem.Mol | None, ...]
    stable: NDArray[np.bool_]

    @property
    def done(self) -> list[Polished]:
        """Those that could be polished."""
        return [found for found in self.polished if found is not None and found.mol is not None]


def judge_polished(judged: GeometryJudgement, steps: int = STEPS) -> PolishJudgement:
    """Polish the geometries of sound molecules and judge them again.

    Afterwards a geometry is valid if it is strictly valid and still shows the same molecule.

    Parameters
    ----------
    judged
        The raw geometries.
    steps
        Of the minimiser at most.

    Returns
    -------
    PolishJudgement
        In their order.
    """
    sound = judged.sound
    polished = tuple(polish(mol, steps) if sound[k] and mol is not None else None for k, mol in enumerate(judged.mols))
    places = [k for k, found in enumerate(polished) if found is not None and found.mol is not None]
    after = judge_geometries(Geometries.of([_arrays(polished[k]) for k in places]))
    reasons = [_reason(raw, found) for raw, found in zip(judged.reasons, polished, strict=True)]
    mols: list[Chem.Mol | None] = [None] * len(polished)
    stable = judged.bonds.stable.copy()
    for place, reason, name, mol, steady in zip(
        places, after.reasons, after.names, after.mols, after.bonds.stable.tolist(), strict=True
    ):
        same = name == judged.names[place]
        reasons[place] = reason if reason is not None or same else f"another molecule: {name}"
        mols[place] = mol if reasons[place] is None else None
        stable[place] = steady
    return PolishJudgement(polished=polished, reasons=tuple(reasons), mols=tuple(mols), stable=stable)


def medians(done: Sequence[Polished]) -> dict[str, float | None]:
    """Return how far and how deep geometries moved.

    Parameters
    ----------
    done
        Polished ones.

    Returns
    -------
    dict
        Medians of the RMSD in Å and of the energy drop in meV per atom; None of nothing.
    """
    moved = [found.rmsd for found in done if found.rmsd is not None]
    drops = [
        1000 * found.energy_drop / found.mol.GetNumAtoms()
        for found in done
        if found.energy_drop is not None and found.mol is not None
    ]
    return {
        "polish moves (median RMSD, Å)": float(np.median(moved)) if moved else None,
        "polish lowers (median, meV/atom)": float(np.median(drops)) if drops else None,
    }


def _reason(raw: str | None, found: Polished | None) -> str | None:
    return raw if found is None else found.reason and f"unpolished: {found.reason}"


def _arrays(found: Polished | None) -> tuple[list[int], NDArray[np.float64]]:
    mol = found.mol if found is not None and found.mol is not None else Chem.Mol()
    return [mol.GetAtomWithIdx(k).GetAtomicNum() for k in range(mol.GetNumAtoms())], mol.GetConformer().GetPositions()
