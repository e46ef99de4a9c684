"""Rows of displaced geometries: judged by bonds, stereo and energy, with what is known of their making."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from molaug.generators.start import Start
from molaug.structures import Structures


def displaced(
    start: Start,
    origin: str,
    seeds: Sequence[int],
    positions: ArrayLike,
    *,
    method: str | None = None,
    energies: ArrayLike | None = None,
    energy_window: float | None = None,
    bond_breaking: bool = False,
    reasons: Sequence[str | None] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Structures:
    """Return geometries of one molecule as rows.

    A geometry is rejected that lies too high, has other bonds, or another stereo. All rows have the columns

    - ``displaced``: true, for they are off equilibrium on purpose;
    - ``intact``: whether bonds and stereo are those of the parent;
    - ``sampling_method``: the calculator of the sampler;
    - ``sampling_energy``: energy in eV above the minimum of the parent by this calculator, if it is known.

    Parameters
    ----------
    start
        The molecule.
    origin
        Name of the generator, which also precedes the reasons.
    seeds
        Random stream of each row.
    positions
        In Å, shape (n, n_atoms, 3). What is not finite gives a rejected row without a geometry.
    method
        Name of what moved the molecule.
    energies
        In eV above the minimum, shape (n,).
    energy_window
        Highest energy in eV for each atom; None for no limit.
    bond_breaking
        Keep what has other bonds or another stereo. Such rows have no SMILES and ``intact`` is false.
    reasons
        What speaks against rows already, without the name of the generator.
    extra
        Further columns by name.

    Returns
    -------
    Structures
        As many rows.
    """
    x = np.asarray(positions, dtype=np.float64)
    n, parent = len(x), start.structure
    above = np.full(n, np.nan) if energies is None else np.asarray(energies, dtype=np.float64)
    known = [None] * n if reasons is None else list(reasons)
    changed = start.integrity.reasons(x)
    finite = np.asarray(np.isfinite(x).reshape(n, -1).all(axis=1))
    per_atom = above / max(len(parent.numbers), 1)
    final: list[str | None] = []
    for k in range(n):
        reason = known[k] or (None if bond_breaking and finite[k] else changed[k])
        if reason is None and energy_window is not None and per_atom[k] > energy_window:
            reason = f"{per_atom[k]:.3f} eV per atom above its minimum; the window is {energy_window:g} eV"
        final.append(None if reason is None else f"{origin}: {reason}")
    return Structures.from_arrays(
        [parent.numbers] * n,
        [geometry if whole else None for geometry, whole in zip(x, finite, strict=True)],
        charge=[parent.charge] * n,
        multiplicity=[parent.multiplicity] * n,
        smiles=[None if bond_breaking and reason is not None else parent.smiles for reason in changed],
        origin=origin,
        parent=parent.id,
        seed=list(seeds),
        reason=final,
        extra={
            "displaced": pa.array([True] * n, pa.bool_()),
            "intact": pa.array([reason is None for reason in changed], pa.bool_()),
            "sampling_method": pa.array([method] * n, pa.string()),
            "sampling_energy": pa.array(above, pa.float64(), from_pandas=True),
            **(extra or {}),
        },
    )


def check_window(energy_window: float | None) -> None:
    """Refuse a window that nothing passes.

    Parameters
    ----------
    energy_window
        In eV for each atom, or None.

    Raises
    ------
    ValueError
        If it is not above 0.
    """
    if energy_window is not None and not energy_window > 0:
        raise ValueError(f"energy_window is {energy_window} eV per atom; expected more than 0, or None")
