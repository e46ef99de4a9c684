"""Hypervalent centres with angles that no molecule has are refused; the ideal ones pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from molaug.filters import Validity
from molaug.structures import Structures


def _reason(numbers: list[int], ligands: NDArray[np.float64], smiles: str) -> str | None:
    x = np.concatenate([np.zeros((1, 3)), ligands])
    rows = Structures.from_arrays([numbers], [x], smiles=[smiles])
    return Validity().bound([]).judge(rows).reason[0]


def _at(*angles: float) -> NDArray[np.float64]:
    return np.array([[np.cos(np.radians(a)), np.sin(np.radians(a)), 0.0] for a in angles])


def test_an_octahedron_passes_and_a_squeezed_one_is_refused() -> None:
    """Two fluorines 62 degrees apart are farther from each other than a bond, but no SF6 looks so."""
    up = np.array([[0, 0, 1.0], [0, 0, -1.0]])
    sf6 = [16, 9, 9, 9, 9, 9, 9]
    sound = np.concatenate([_at(0, 90, 180, 270), up]) * 1.56
    squeezed = np.concatenate([_at(0, 62, 152, 256), up]) * 1.56
    assert _reason(sf6, sound, "FS(F)(F)(F)(F)F") is None
    assert "the angle F1-S0-F2 is 62°" in str(_reason(sf6, squeezed, "FS(F)(F)(F)(F)F"))


def test_xenon_difluoride_is_linear() -> None:
    """Embedding bends it to 104 to 113 degrees."""
    assert _reason([54, 9, 9], _at(0, 178) * 1.98, "F[Xe]F") is None
    assert "is 110°" in str(_reason([54, 9, 9], _at(0, 110) * 1.98, "F[Xe]F"))
