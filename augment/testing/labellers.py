"""The contract of labellers."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from molaug.labels import Labeller, label
from molaug.structures import Structures
from molaug.structures.hashing import stream
from molaug.testing.clauses import pickled, require, with_atoms


def check_labeller(
    labeller: Labeller, structures: Structures, *, tolerance: float = 1e-4, step: float = 1e-3, seed: int = 0
) -> None:
    """Check that labels are functions of the structure alone, and forces the derivatives of the energy.

    An AssertionError names the clause that does not hold. Each structure is computed eight times.

    Parameters
    ----------
    labeller
        What to check; it must give forces.
    structures
        A few typical rows with geometry, away from the minimum.
    tolerance
        Largest error in eV of an energy and in eV/Å of a force. The grids of density functionals, which do not turn
        with the molecule, need more than the default.
    step
        Displacement in Å of the finite differences.
    seed
        Of the motions and displacements.

    Raises
    ------
    ValueError
        If there are no rows with geometry.
    """
    rows = structures.filter(structures.has_geometry & structures.alive)
    if not len(rows):
        raise ValueError(f"{structures}; expected rows with geometry")
    require(isinstance(labeller.level, str) and labeller.level, "configuration", f"the level is {labeller.level!r}")
    energy, forces = _labels(labeller, rows, "labels")
    again = _labels(pickled(labeller), rows.take(np.arange(len(rows))[::-1]), "determinism")
    same = np.array_equal(again[0][::-1], energy)
    same = same and all(np.array_equal(a, b) for a, b in zip(again[1][::-1], forces, strict=True))
    require(same, "determinism", "a copy gave other labels to the same rows in reverse order")
    rng = stream(seed, "molaug.testing", "labeller")
    turn = Rotation.from_quat(rng.normal(size=4)).as_matrix()
    xs = [np.array(row.positions) for row in rows]
    orders = [rng.permutation(len(x)) for x in xs]
    as_given = [np.arange(len(x)) for x in xs]
    for clause, matrix, shift, order in (
        ("invariance to motion", turn, rng.normal(size=3), as_given),
        ("invariance to permutation", np.eye(3), np.zeros(3), orders),
    ):
        copies = with_atoms(
            rows,
            [row.numbers[o] for row, o in zip(rows, order, strict=True)],
            [(x @ matrix.T + shift)[o] for x, o in zip(xs, order, strict=True)],
        )
        energies, others = _labels(labeller, copies, clause)
        for k, (there, f, o) in enumerate(zip(others, forces, order, strict=True)):
            error = max(abs(float(energies[k] - energy[k])), float(np.abs(there - (f @ matrix.T)[o]).max()))
            require(error <= tolerance, clause, f"row {k}: energy or a force is off by {error:.2g}")
    for _ in range(2):  # along two directions of all atoms together
        vs = [(v := rng.normal(size=x.shape)) / np.linalg.norm(v) for x in xs]
        numbers = [row.numbers for row in rows]
        up, down = (
            _labels(labeller, with_atoms(rows, numbers, [x + h * v for x, v in zip(xs, vs, strict=True)]), "forces")[0]
            for h in (step, -step)
        )
        for k, (slope, f, v) in enumerate(zip((up - down) / (2 * step), forces, vs, strict=True)):
            error = abs(float(slope + (f * v).sum()))
            require(error <= tolerance, "forces", f"row {k}: they are off the finite difference by {error:.2g} eV/Å")
    bad = Structures.from_arrays([[1, 1]] * 2, [None, np.zeros((2, 3))], smiles=["[H][H]"] * 2)
    for k, row in enumerate(label(bad, labeller)):
        told = row.reason is not None and row.energy is None and row.forces is None and row.level is None
        finite = k > 0 and row.energy is not None and np.isfinite(row.energy)
        what = "atoms in one place" if k else "a bare graph"
        require(told or finite, "failures", f"{what} gave energy {row.energy}, reason {row.reason!r}")


def _labels(labeller: Labeller, rows: Structures, clause: str) -> tuple[Any, list[Any]]:
    labelled = label(rows.with_columns({"energy": None, "forces": None, "level": None}), labeller)
    for k, row in enumerate(labelled):
        require(row.reason is None, clause, f"row {k} was rejected: {row.reason}")
        require(row.forces is not None, clause, f"row {k} has no forces")
    return labelled.array("energy"), [row.forces for row in labelled]
