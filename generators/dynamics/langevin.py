"""Langevin dynamics of one molecule, on arrays: the middle scheme, which samples geometries best for its timestep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import units
from numpy.typing import NDArray

from molaug.generators.surface import SamplingError

#: Energy in eV and forces in eV/Å of positions in Å, as a :class:`molaug.generators.surface.Surface` gives them; it
#: raises a SamplingError where it cannot.
Potential = Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]

#: A trajectory has run away whose atoms are that many times hotter than the bath, and than room temperature.
RUNAWAY, _COOL_BATH = 10.0, 300.0


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Successive steps of a trajectory.

    Parameters
    ----------
    positions
        In Å, shape (m, n_atoms, 3).
    potential
        Potential energy in eV, shape (m,).
    kinetic
        Kinetic energy in eV, shape (m,).
    reason
        Why there are fewer steps than were asked for, or None.
    """

    positions: NDArray[np.float64]
    potential: NDArray[np.float64]
    kinetic: NDArray[np.float64]
    reason: str | None = None


class Langevin:
    r"""A molecule in a bath of one temperature.

    Each step is kick, drift, bath, drift:

    .. math::

        p \leftarrow p + F \Delta t, \quad
        x \leftarrow x + \frac{p \Delta t}{2m}, \quad
        p \leftarrow e^{-\gamma \Delta t} p + \sqrt{(1 - e^{-2\gamma \Delta t})\, m k T}\, \xi, \quad
        x \leftarrow x + \frac{p \Delta t}{2m}.

    For harmonic forces the positions after a step and the momenta after the bath have the exact Boltzmann
    distribution at any stable timestep (ωΔt < 2); the trajectory is that of BAOAB. All 3N degrees of freedom are in
    the bath: the molecule may drift and turn, which its internal geometry does not feel, and so the distribution of
    geometries is exp(-V/kT) without the corrections that a fixed centre or fixed angular momentum needs.

    Parameters
    ----------
    potential
        Where forces come from, for instance a surface.
    masses
        In u, shape (n_atoms,).
    positions
        Where the trajectory starts, in Å, shape (n_atoms, 3).
    temperature
        Of the bath, in K.
    timestep
        In fs.
    friction
        Rate γ in 1/ps.
    rng
        The random stream of the trajectory.
    heat
        Temperature of the first momenta, in units of that of the bath. A molecule that starts in a minimum gives half
        of its kinetic energy to the potential within a few vibrations: with 2 it is warm then.

    References
    ----------
    B. Leimkuhler, C. Matthews, J. Chem. Phys. 138, 174102 (2013), doi:10.1063/1.4802990 (BAOAB);
    Z. Zhang et al., J. Phys. Chem. A 123, 6056 (2019), doi:10.1021/acs.jpca.9b02771 (the middle scheme).

    Examples
    --------
    >>> from molaug.generators.surface import Surface
    >>> from molaug.structures import Structures
    >>> from molaug.structures.calculators import Method
    >>> x = np.array([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
    >>> water = Structures.from_arrays([[8, 1, 1]], [x])[0]
    >>> with Surface(Method(calculator="mmff94s"), water) as surface:
    ...     dynamics = Langevin(
    ...         surface, np.array([16.0, 1.0, 1.0]), x, temperature=300, timestep=1, friction=10,
    ...         rng=np.random.default_rng(0),
    ...     )
    ...     segment = dynamics.run(20)
    >>> segment.positions.shape, segment.reason
    ((20, 3, 3), None)
    """

    def __init__(
        self,
        potential: Potential,
        masses: NDArray[np.float64],
        positions: NDArray[np.float64],
        *,
        temperature: float,
        timestep: float,
        friction: float,
        rng: np.random.Generator,
        heat: float = 1.0,
    ) -> None:
        self._potential = potential
        self._rng = rng
        self._dt = timestep * units.fs
        self._mass = np.asarray(masses, dtype=np.float64)[:, None]  # (n_atoms, 1)
        self._kt = units.kB * temperature
        self._keep = float(np.exp(-friction / 1000 * timestep))
        self._noise = np.sqrt((1 - self._keep**2) * self._kt / self._mass)  # (n_atoms, 1)
        self._limit = RUNAWAY * max(temperature, _COOL_BATH)
        self.positions = np.array(positions, dtype=np.float64)  # (n_atoms, 3)
        self.velocities = still(
            self.positions, self._mass, np.sqrt(heat * self._kt / self._mass) * self._normal()
        )  # (n_atoms, 3)
        self._forces: NDArray[np.float64] | None = None

    def run(self, steps: int) -> Segment:
        """Go on for some steps; the trajectory ends where the calculator fails or the molecule becomes too hot.

        Parameters
        ----------
        steps
            How many.

        Returns
        -------
        Segment
            What was reached.
        """
        n_atoms, dt, mass = len(self.positions), self._dt, self._mass
        positions = np.empty((steps, n_atoms, 3))
        potential, kinetic = np.empty(steps), np.empty(steps)
        x, v = self.positions.copy(), self.velocities.copy()  # (n_atoms, 3)
        done, reason = 0, None
        try:
            forces = self._potential(x)[1] if self._forces is None else self._forces
            for done in range(steps):
                v += (dt / mass) * forces
                x += (0.5 * dt) * v
                v = self._keep * v + self._noise * self._normal()
                kinetic[done] = 0.5 * float((mass * v * v).sum())
                hot = 2 * kinetic[done] / (3 * n_atoms * units.kB)
                if not hot < self._limit:
                    reason = f"the trajectory ran away to {hot:.0f} K"
                    break
                x += (0.5 * dt) * v
                potential[done], forces = self._potential(x)
                positions[done] = x
            else:
                done = steps
            self._forces = forces
        except SamplingError as error:
            reason = str(error)
        self.positions, self.velocities = x, v
        return Segment(positions=positions[:done], potential=potential[:done], kinetic=kinetic[:done], reason=reason)

    def _normal(self) -> NDArray[np.float64]:
        return self._rng.standard_normal(self.positions.shape)


def still(
    positions: NDArray[np.float64], masses: NDArray[np.float64], velocities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Take the momentum and the angular momentum of the whole out of velocities.

    Parameters
    ----------
    positions
        Shape (n_atoms, 3).
    masses
        Shape (n_atoms, 1).
    velocities
        Shape (n_atoms, 3).

    Returns
    -------
    NDArray[np.float64]
        Shape (n_atoms, 3).

    Examples
    --------
    >>> x = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    >>> still(x, np.ones((2, 1)), np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])).round(12).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    x = positions - (masses * positions).sum(axis=0) / masses.sum()
    v: NDArray[np.float64] = velocities - (masses * velocities).sum(axis=0) / masses.sum()
    momentum = (masses * np.cross(x, v)).sum(axis=0)  # (3,)
    weighted = masses * x
    inertia = np.eye(3) * (weighted * x).sum() - weighted.T @ x  # (3, 3)
    # linear molecules have no inertia about their axis
    turn = np.linalg.pinv(inertia, rcond=1e-8, hermitian=True) @ momentum
    return v - np.cross(turn, x)
