"""Options that the generators of this room share: what is refused, and the columns that a polish adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa

from molaug.generators.diffusion.reading import Polish, Settled
from molaug.structures.calculators import Method


def absolute(checkpoint: str) -> str:
    """Return the full path of a folder, and a name as it is: workers may have another current folder.

    Parameters
    ----------
    checkpoint
        A name or a path.

    Returns
    -------
    str
        Absolute where it is a folder.
    """
    return str(Path(checkpoint).resolve()) if Path(checkpoint).is_dir() else checkpoint


def check_ranges(options: Mapping[str, Any]) -> None:
    """Refuse numbers that cannot be.

    Parameters
    ----------
    options
        Fields of a generator.

    Raises
    ------
    ValueError
        If a number is out of its range, the polish is unknown, or off-equilibrium geometries are to be polished.
    """
    for name, value in options.items():
        least = {"steps": 2, "polish_steps": 1}.get(name)
        if least is not None and not value >= least:
            raise ValueError(f"{name} is {value}; expected at least {least}")
        if name == "temperature" and not 0 < value < float("inf"):
            raise ValueError(f"{name} is {value}; expected more than 0")
        if name in ("spread", "guidance_scale") and not 0 <= value < float("inf"):
            raise ValueError(f"{name} is {value}; expected at least 0")
        if name == "noise" and not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}; expected a share from 0 to 1")
    if options["polish"] not in get_args(Polish):
        raise ValueError(f"polish is {options['polish']!r}; expected one of {get_args(Polish)}")
    if options["spread"] > 0 and options["polish"] != "none":
        raise ValueError(
            f"spread is {options['spread']} and polish is {options['polish']!r}, which would bring geometries back to "
            "equilibrium; set polish to 'none', or spread to 0"
        )


def check_method(polish: Polish) -> None:
    """Check that what geometries shall settle in is installed.

    Parameters
    ----------
    polish
        As in the options.

    Raises
    ------
    ImportError
        If a package is missing.
    """
    if polish == "gfn2-xtb":
        Method(calculator=polish).check()


def polish_columns(settled: Sequence[Settled]) -> dict[str, pa.Array]:
    """Return the columns that tell what a polish did.

    Parameters
    ----------
    settled
        One for each row.

    Returns
    -------
    dict
        ``polished_by``, ``polish_rmsd`` in Å and ``polish_energy_drop`` in eV.
    """
    return {
        "polished_by": pa.array([s.by for s in settled], pa.string()),
        "polish_rmsd": pa.array([s.rmsd for s in settled], pa.float64()),
        "polish_energy_drop": pa.array([s.energy_drop for s in settled], pa.float64()),
    }
