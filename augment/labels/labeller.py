"""Labels from any ASE calculator: energy and forces of one structure, or the reason why there are none."""

from __future__ import annotations

import math
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from molaug.registry import ConfigurationError
from molaug.structures import Structure
from molaug.structures.calculators import FORCE_FIELDS, Method, level_name
from molaug.structures.hashing import key64


class LabelError(RuntimeError):
    """A structure that could not be labelled; the message is the reason."""


@dataclass(frozen=True, kw_only=True)
class Labeller:
    """Energies and forces at one level of theory.

    Parameters
    ----------
    calculator
        A known name (:data:`molaug.structures.calculators.CALCULATORS`), ``module:Class`` of any ASE calculator, or
        such a calculator itself.
    options
        Arguments of the calculator.
    level
        Name of the level of theory in the dataset; by default the name of the calculator with the options that
        change its results (:func:`molaug.structures.calculators.level_name`). It must be given for a calculator
        object.
    forces
        Whether forces are computed.
    max_force
        Largest force on an atom in eV/Å that is believed; a semi-empirical method happily returns numbers for
        absurd geometries. None for no limit.
    charge_key
        How a calculator that is not known by name takes the total charge: its argument, parameter or attribute,
        ``info:NAME`` or ``initial_charges``, see :class:`~molaug.structures.calculators.Method`. Without it charged
        structures are rejected.
    multiplicity_key
        Likewise for 2S+1; without it open shells are rejected.
    keep_failed
        Folder in which the files of structures that could not be labelled are kept, each in a folder named by the id;
        the reasons name it. Its path becomes absolute. By default all files of a calculator are removed.
    fail_fast
        A run stops if so many structures, the first that the calculator is asked about, all fail for the same reason.
        0 never stops it. Structures that are refused before the calculator is asked do not count.
    allow_force_field
        Whether ``mmff94s`` and ``uff`` may label; their energies compare geometries of one molecule only.

    Examples
    --------
    >>> from molaug.structures import Structures
    >>> lj = Labeller(calculator="ase.calculators.lj:LennardJones", options={"rc": 10.0, "sigma": 3.0})
    >>> pair = Structures.from_arrays([[18, 18]], [[[0, 0, 0], [0, 0, 3.3672]]])
    >>> round(lj.label(pair[0])[0], 3)
    -0.997
    """

    calculator: Any = "gfn2-xtb"
    options: Mapping[str, Any] = field(default_factory=dict)
    level: str | None = None
    forces: bool = True
    max_force: float | None = 50.0
    charge_key: str | None = None
    multiplicity_key: str | None = None
    keep_failed: str | None = None
    fail_fast: int = 8
    allow_force_field: bool = False

    def __post_init__(self) -> None:
        if type(self.fail_fast) is not int or self.fail_fast < 0:
            raise ValueError(f"fail_fast is {self.fail_fast!r}; expected a number of structures, or 0 to go on always")
        if self.keep_failed is not None:
            if not isinstance(self.keep_failed, str | Path) or not str(self.keep_failed):
                raise ValueError(f"keep_failed is {self.keep_failed!r}; expected a folder")
            object.__setattr__(self, "keep_failed", str(Path(self.keep_failed).expanduser().absolute()))
        if self.level is None:
            if not isinstance(self.calculator, str):
                raise ValueError(
                    f"calculator {type(self.calculator).__name__} is an object; expected level='...' beside it, the "
                    "level of theory that its labels are of"
                )
            object.__setattr__(self, "level", level_name(self.calculator, self.options))

    @property
    def name(self) -> str:
        """Author of the reasons."""
        return "label"

    @property
    def method(self) -> Method:
        """Where energies and forces come from."""
        return Method(
            calculator=self.calculator,
            options=self.options,
            charge_key=self.charge_key,
            multiplicity_key=self.multiplicity_key,
        )

    def check(self, *, labels: bool = True) -> None:
        """Make a calculator once, so that a missing package or a wrong option stops here and not once for each row.

        Parameters
        ----------
        labels
            Whether its energies become labels; otherwise they move atoms only.

        Raises
        ------
        ConfigurationError
            If the calculator is unknown, does not take its options, or is a force field that is not allowed to label.
        ImportError
            If a package is missing.
        """
        if labels and self.calculator in FORCE_FIELDS and not self.allow_force_field:
            raise ConfigurationError(
                f"{self.calculator} was given to label; its energies compare geometries of one molecule only, not "
                "molecules with each other. Expected for instance gfn2-xtb; a force field moves atoms well (the "
                "calculator of a sampler). To label geometries of one molecule all the same: allow_force_field"
            )
        try:
            self.method.check()
        except ValueError as error:
            raise ConfigurationError(str(error)) from error

    def atoms_of(self, structure: Structure) -> Atoms:
        """Return the structure as ``ase.Atoms`` with a fresh calculator attached.

        Parameters
        ----------
        structure
            With positions.

        Returns
        -------
        ase.Atoms
            Charge and multiplicity are in ``info`` under the names that calculators look for.

        Raises
        ------
        LabelError
            If the structure has no positions, or a force field cannot describe it.
        """
        return self._atoms_of(structure, None)

    @contextmanager
    def attached(self, structure: Structure) -> Iterator[Atoms]:
        """Provide the structure with a fresh calculator, whose files are kept if an error is raised and so asked for.

        Parameters
        ----------
        structure
            With positions.

        Yields
        ------
        ase.Atoms
            See :meth:`atoms_of`.
        """
        folder: Path | None = None
        if self.keep_failed is not None:
            Path(self.keep_failed).mkdir(parents=True, exist_ok=True)
            # of this attempt alone: ids may repeat
            folder = Path(tempfile.mkdtemp(prefix=_folder_name(structure), dir=self.keep_failed))
        try:
            yield self._atoms_of(structure, folder)
        except BaseException:
            with suppress(OSError):
                if folder is not None:
                    folder.rmdir()  # only if there is nothing in it
            raise
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def kept(self, structure: Structure, since: float) -> Path | None:
        """Return where the files of a structure that failed are.

        Parameters
        ----------
        structure
            That failed.
        since
            Time before which it cannot have been, in seconds since the epoch.

        Returns
        -------
        Path or None
            None if there are none, or none are kept.
        """
        if self.keep_failed is None or not Path(self.keep_failed).is_dir():
            return None
        name = _folder_name(structure)
        found = [path for path in Path(self.keep_failed).iterdir() if path.name.startswith(name)]
        recent = [(path.stat().st_mtime, path) for path in found if path.stat().st_mtime >= since - 1.0]
        return max(recent)[1] if recent else None

    def _atoms_of(self, structure: Structure, folder: Path | None) -> Atoms:
        try:
            return self.method.atoms_of(structure, folder=folder)
        except ValueError as error:
            raise LabelError(str(error)) from error

    def label(self, structure: Structure) -> tuple[float, NDArray[np.float64] | None]:
        """Compute one structure.

        Parameters
        ----------
        structure
            With positions.

        Returns
        -------
        energy : float
            In eV.
        forces : NDArray[np.float64] or None
            In eV/Å, shape (n_atoms, 3).

        Raises
        ------
        LabelError
            If the result is not believable.
        """
        with self.attached(structure) as atoms:
            energy = float(atoms.get_potential_energy())
            forces = np.array(atoms.get_forces(), dtype=np.float64) if self.forces else None
            if not math.isfinite(energy) or (forces is not None and not np.isfinite(forces).all()):
                raise LabelError(f"energy {energy} or a force is not finite")
            if forces is not None and self.max_force is not None and len(forces):
                largest = float(np.linalg.norm(forces, axis=1).max())
                if largest > self.max_force:
                    raise LabelError(f"largest force {largest:.1f} eV/Å is above {self.max_force:g}")
        return energy, forces


def _folder_name(structure: Structure) -> str:
    """Return the beginning of the name of a structure's folder: ids may hold anything."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", structure.id).strip("-")[:60]
    return f"{plain}-{key64(structure.id):016x}-"
