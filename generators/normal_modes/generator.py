"""Geometries off equilibrium along the normal modes of the molecules that are given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from molaug.generators.displaced import check_window, displaced
from molaug.generators.generator import Kind
from molaug.generators.normal_modes.distributions import (
    Distribution,
    ani_amplitudes,
    ani_temperature,
    thermal_amplitudes,
    variances,
)
from molaug.generators.normal_modes.equilibrium import Equilibrium, equilibrium_of
from molaug.generators.sampling import sampled
from molaug.generators.start import Start, start_of
from molaug.generators.surface import SamplingError, Surface
from molaug.structures import Structure, Structures
from molaug.structures.calculators import FORCE_FIELDS, Method
from molaug.structures.hashing import stream

#: Rows that are drawn together from one stream.
_BLOCK = 256

#: Temperature in K where none is given.
_ROOM = 300.0


@dataclass(frozen=True, kw_only=True)
class NormalModes:
    r"""Proposes geometries displaced along normal modes at a temperature.

    A parent is relaxed, its Hessian is taken by finite differences and kept, and its 3N - 6 normal modes (3N - 5 of a
    linear molecule) are given random amplitudes. With K_i the force constant of mode i along normalised Cartesian
    displacements, the displacements R_i are

    - ``boltzmann``: normal, of variance kT/K_i, as in classical equilibrium;
    - ``quantum``: normal, of variance :math:`\frac{\hbar\omega_i}{2K_i}\coth\frac{\hbar\omega_i}{2kT}`, as in thermal
      equilibrium of quantum oscillators: with the zero-point motion, which is most of it for stretches;
    - ``ani``: :math:`\pm\sqrt{3 c_i N_a kT/K_i}` with random c_i of a total between 0 and 1, as ANI-1 was made; the
      harmonic energy is never above 3/2 N_a kT.

    Along soft modes, mostly torsions, a straight line soon leaves the valley of the energy: bonds stretch and atoms
    clash. Modes softer than ``force_constant_floor``, imaginary ones too, are therefore sampled as if they had that
    force constant; they move less than they would. Their number, and the lowest frequency, are in the rows. What
    loses its bonds or its stereo in spite of that is rejected.

    Columns beside those of all samplers: ``distribution``, ``temperature`` (K), ``lowest_frequency`` (cm^-1, negative
    if imaginary), ``floored_modes`` (how many). The ``sampling_energy`` is the harmonic one, with the floor, unless the
    calculator is asked. Row k has the k-th temperature, in turn. A single atom gives one rejected row: nothing in it
    can be displaced.

    Parameters
    ----------
    calculator
        Where forces come from: a name, ``module:Class``, a mapping with options, or an ASE calculator.
    distribution
        Of the amplitudes.
    temperature
        In K; several are taken in turn; ``"ani"`` for that of ANI-1, by the number of heavy atoms: 2000, 1500, 1000,
        600, 600, 600, 600, 450 K for 1 to 8, and 450 K beyond. None is ``"ani"`` for its distribution and 300 K for
        the others.
    relax
        Whether parents are relaxed with the calculator first. Otherwise their geometry is displaced as it is, which
        is right for minima of a level close to that of the calculator.
    energies
        What is in ``sampling_energy`` and what the window looks at: the harmonic energy, or that of the calculator
        above the minimum (a call for each row that is still the molecule; null for the others).
    energy_window
        Highest energy above the minimum, in eV for each atom; None for no limit.
    bond_breaking
        Keep what has other bonds or another stereo.
    force_constant_floor
        In eV/Å²; 0.312 is 0.05 mDyn/Å. On QM9 it holds two or three modes of a molecule. A floor of the force constant
        bounds the displacement in Å, and so leaves fewer geometries broken than a floor of the frequency that changes
        as many modes.
    saddle_frequency
        Wavenumber in cm^-1 from which an imaginary mode is that of a saddle. A relaxed saddle is left along it, and
        rejected if that fails; smaller imaginary modes fall under the floor. Geometries that are not relaxed may have
        any.
    fmax
        Largest force on an atom at the end of the relaxation, in eV/Å.
    relax_steps
        Most steps of the relaxation.
    step
        Displacement in Å of the finite differences.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or the calculator is unknown.

    References
    ----------
    J. S. Smith, O. Isayev, A. E. Roitberg, Sci. Data 4, 170193 (2017), doi:10.1038/sdata.2017.193 (ANI-1).

    Examples
    --------
    >>> from rdkit import Chem
    >>> butane = Structures.from_rdkit(Chem.MolFromSmiles("CCCC"))
    >>> rows = Structures.concat(NormalModes(calculator="mmff94s").propose(butane, 100, seed=0))
    >>> len(rows), rows.column("floored_modes")[0], bool(rows.alive.all())
    (100, 2, True)
    """

    name: ClassVar[str] = "normal-modes"
    kind: ClassVar[Kind] = "geometries"
    needs_parents: ClassVar[bool] = True

    calculator: Any = "gfn2-xtb"
    distribution: Distribution = "boltzmann"
    temperature: float | tuple[float, ...] | Literal["ani"] | None = None
    relax: bool = True
    energies: Literal["harmonic", "calculator"] = "harmonic"
    energy_window: float | None = None
    bond_breaking: bool = False
    force_constant_floor: float = 0.312
    saddle_frequency: float = 150.0
    fmax: float = 0.005
    relax_steps: int = 500
    step: float = 0.005

    def __post_init__(self) -> None:
        Method.of(self.calculator)
        check_window(self.energy_window)
        for name, known in (("distribution", get_args(Distribution)), ("energies", ("harmonic", "calculator"))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected one of {known}")
        for name in ("force_constant_floor", "saddle_frequency", "fmax", "relax_steps", "step"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected more than 0")
        self._check_temperature()

    def propose(self, parents: Structures, n: int, seed: int, *, start: int = 0) -> Iterator[Structures]:
        """Yield displaced geometries, a batch for at most 256 rows of a parent.

        Parameters
        ----------
        parents
            Geometries or bare graphs.
        n
            Rows for each parent.
        seed
            The one seed of the run.
        start
            First row.

        Returns
        -------
        Iterator[Structures]
            ``n`` rows for each parent, or one that says why there are none.
        """

        def rows(parent: Structure, base: int) -> Iterator[Structures]:
            molecule, rest = self._at_rest(parent, seed)
            for block in range(start // _BLOCK, -(-(start + n) // _BLOCK)):
                first = block * _BLOCK
                wanted = range(max(first, start), min(first + _BLOCK, start + n))
                rng = stream(seed, self.name, parent.id, block)
                yield self._rows(molecule, rest, rng, first, wanted, base)

        return sampled(self.name, rows, parents, n, seed, start)

    def _at_rest(self, parent: Structure, seed: int) -> tuple[Start, Equilibrium]:
        if len(parent.numbers) < 2:
            raise SamplingError("a single atom has no normal modes")
        molecule = start_of(parent, seed)
        rest = equilibrium_of(
            molecule,
            Method.of(self.calculator),
            relax=self.relax,
            fmax=self.fmax,
            steps=self.relax_steps,
            step=self.step,
            saddle_frequency=self.saddle_frequency,
        )
        return molecule, rest

    def _rows(
        self, molecule: Start, rest: Equilibrium, rng: np.random.Generator, first: int, wanted: range, base: int
    ) -> Structures:
        numbers, modes = molecule.structure.numbers, rest.modes
        n, places = len(wanted), slice(wanted.start - first, wanted.stop - first)
        soft = modes.force_constants < self.force_constant_floor  # (n_modes,)
        eigenvalues = np.maximum(modes.force_constants, self.force_constant_floor) / modes.reduced_masses
        cycle = self._temperatures(numbers)
        temperature = cycle[np.arange(first, first + _BLOCK) % len(cycle)]  # (_BLOCK,)
        # all of the block is made and then cut: sums over fewer rows may round otherwise
        if self.distribution == "ani":
            q = ani_amplitudes(rng, eigenvalues, temperature, len(numbers))  # (_BLOCK, n_modes)
        else:
            q = thermal_amplitudes(rng, variances(eigenvalues, temperature, self.distribution))
        x = modes.displaced(q)[places]  # (n, n_atoms, 3)
        energies = (0.5 * np.square(q) * eigenvalues).sum(axis=1)[places]  # (n,)
        reasons: list[str | None] = [None] * n
        if self.energies == "calculator":
            energies, reasons = self._energies(molecule, rest, x)
        return displaced(
            molecule,
            self.name,
            [base + k for k in wanted],
            x,
            method=Method.of(self.calculator).level,
            energies=energies,
            energy_window=self.energy_window,
            bond_breaking=self.bond_breaking,
            reasons=reasons,
            extra={
                "distribution": pa.array([self.distribution] * n, pa.string()),
                "temperature": pa.array(temperature[places], pa.float64()),
                "lowest_frequency": pa.array([float(modes.frequencies[0])] * n, pa.float64()),
                "floored_modes": pa.array([int(soft.sum())] * n, pa.int64()),
            },
        )

    def _check_temperature(self) -> None:
        given: Any = self.temperature
        if isinstance(given, list):  # as it comes from a file
            given = tuple(given)
            object.__setattr__(self, "temperature", given)
        if given is None or given == "ani":
            return
        cold = self.distribution == "quantum"  # which has a ground state
        for value in given if isinstance(given, tuple) and given else (given,):
            number = isinstance(value, int | float) and np.isfinite(value)
            if not number or value < 0 or (value == 0 and not cold):
                least = "at least 0 K" if cold else "more than 0 K"
                raise ValueError(f"temperature is {given!r}; expected {least}, several of such, or 'ani'")

    def _temperatures(self, numbers: NDArray[np.uint8]) -> NDArray[np.float64]:
        given = self.temperature
        if given == "ani" or (given is None and self.distribution == "ani"):
            return np.array([ani_temperature(numbers)])
        if given is None:
            return np.array([_ROOM])
        return np.array(given if isinstance(given, Sequence) else [given], dtype=np.float64)

    def _energies(
        self, molecule: Start, rest: Equilibrium, x: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], list[str | None]]:
        """Return energies above the minimum, and what failed; NaN for what is another molecule, unless that is kept."""
        method = Method.of(self.calculator)
        energies = np.full(len(x), np.nan)
        reasons: list[str | None] = [None] * len(x)
        changed = [None] * len(x) if self.bond_breaking else molecule.integrity.reasons(x)
        with Surface(method, molecule.structure) as held:  # holds all to one thread
            for k in (k for k in range(len(x)) if changed[k] is None):
                # no energy may depend on the rows before; but force fields remember nothing
                surface = held if method.calculator in FORCE_FIELDS else Surface(method, molecule.structure)
                try:
                    energies[k] = surface(x[k])[0] - rest.minimum.energy
                except SamplingError as error:
                    reasons[k] = str(error)
        return energies, reasons
