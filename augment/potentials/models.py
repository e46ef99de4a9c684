"""Models that know how uncertain they are: a trained potential, and a committee of potentials and calculators."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from molaug.filters.uncertainty import Scale, ensemble_prediction
from molaug.isolation import isolated
from molaug.labels.labeller import Labeller
from molaug.potentials.checkpoint import installed, look_for, placed
from molaug.structures import Structures
from molaug.structures.calculators import CALCULATORS, FORCE_FIELDS, Method, level_name
from molaug.structures.datasets import open_dataset

if TYPE_CHECKING:
    from molaug.potentials.potential import Potential
    from molaug.potentials.uncertain import UncertainPotential

#: Rows of a reference by which levels of theory are compared: only a number for each element is fitted to them.
REFERENCE_ROWS = 200

#: Options by which calculators of one class are told their method.
_METHODS = ("method", "hamiltonian", "theory", "functional", "xc", "basis", "dispersion", "head")


@dataclass(frozen=True, kw_only=True)
class PotentialModel:
    """A trained potential with its calibrated uncertainties.

    Parameters
    ----------
    checkpoint
        A shipped checkpoint, one in ``$MOLAUG_CHECKPOINTS``, or a folder that ``molaug fit potential`` wrote; its path
        becomes absolute.
    by
        Whence the uncertainties: ``head``, ``rigidity``, or a regression on held-out ``errors`` by these and the
        features; by default from the head where it gives any, else from the rigidity.

    Examples
    --------
    >>> PotentialModel(by="rigidity").name
    'potential'
    """

    checkpoint: str = "potential-qm9"
    by: Literal["head", "rigidity", "errors"] | None = None

    def __post_init__(self) -> None:
        if self.by not in (None, "head", "rigidity", "errors"):
            raise ValueError(f"by is {self.by!r}; expected 'head', 'rigidity', 'errors' or None")
        object.__setattr__(self, "checkpoint", placed(self.checkpoint))

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "potential"

    @property
    def level(self) -> str | None:
        """The level of theory of the labels that it learned."""
        level: str | None = json.loads((look_for(self.checkpoint) / "config.json").read_text(encoding="utf-8"))["level"]
        return level

    def check(self) -> None:
        """Look for the checkpoint, without loading it.

        Raises
        ------
        FileNotFoundError
            If there is none.
        """
        look_for(self.checkpoint)

    def __call__(self, rows: Structures) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict.

        Parameters
        ----------
        rows
            Any.

        Returns
        -------
        energy : NDArray[np.float64]
            In eV, shape (n,); NaN for rows without a geometry, with elements that the potential does not know, or with
            a charge or an open shell, which it is not told.
        sigma : NDArray[np.float64]
            In eV, shape (n,).

        Raises
        ------
        FileNotFoundError
            If there is no such checkpoint, or it has no uncertainties.
        ImportError
            If a package is missing.
        ValueError
            If that which shall tell is not there.
        """
        found = self._loaded.predict(rows, by=self.by)
        return found.predicted.energy, found.sigma

    @cached_property
    def _loaded(self) -> UncertainPotential:
        look_for(self.checkpoint)
        with installed():
            from molaug.potentials.uncertain import UncertainPotential

            return UncertainPotential.from_pretrained(self.checkpoint)


@dataclass(frozen=True, kw_only=True)
class Committee:
    """Several models: their mean, and their scatter as the uncertainty.

    Members are trained potentials (several trainings that differ by their seed are a deep ensemble) and ASE
    calculators. Total energies of two levels of theory differ by far more than the levels disagree about: each has
    another zero for each element. Members must therefore be of one level, or ``reference`` tells rows on which the
    members are compared: the part of their difference that is linear in the composition is fitted there and taken off,
    and all energies are then at the level of the first member. What the levels say of bonds goes on to differ, which is
    what is asked for. Whether the reference holds every element, in several ratios, is up to the user.

    Parameters
    ----------
    members
        At least two: checkpoints by name or folder, calculators as :meth:`molaug.structures.calculators.Method.of`
        takes them. A name that is both is the folder.
    reference
        A dataset by name or path, or ``molaug.Structures``; at most 200 of its rows, evenly spread, are computed.
    factor
        By which the scatter is multiplied, see :meth:`calibrated`.
    time_limit
        Seconds of a calculator for one structure.

    Raises
    ------
    ValueError
        If there are fewer than two members, a calculator is unknown, or the factor is not more than 0.

    References
    ----------
    B. Lakshminarayanan et al., arXiv:1612.01474; J. S. Smith et al., doi:10.1063/1.5023802 (query by committee).

    Examples
    --------
    >>> Committee(members=["gfn1-xtb", "gfn2-xtb"], reference="qm9.parquet").name
    'committee'
    """

    members: Sequence[Any]
    reference: Any = None
    factor: float = 1.0
    time_limit: float | None = 600.0

    def __post_init__(self) -> None:
        if isinstance(self.members, str | Mapping) or len(self.members) < 2:
            raise ValueError(f"members are {self.members!r}; expected a list of at least two")
        if not (self.factor > 0 and np.isfinite(self.factor)):
            raise ValueError(f"factor is {self.factor}; expected more than 0")
        given = [placed(member) if isinstance(member, str) else member for member in self.members]
        object.__setattr__(self, "members", tuple(given))
        for member in given:
            if _calculates(member):
                Method.of(member)

    @property
    def name(self) -> str:
        """Name under which it is registered."""
        return "committee"

    def check(self) -> None:
        """Look for all members, without loading potentials.

        Raises
        ------
        FileNotFoundError
            If there is no such checkpoint.
        ValueError
            If a calculator does not take its options.
        """
        for member in self.members:
            if _calculates(member):
                Method.of(member).check()
            else:
                look_for(member)

    def __call__(self, rows: Structures) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict.

        Parameters
        ----------
        rows
            Any.

        Returns
        -------
        energy : NDArray[np.float64]
            Mean in eV, shape (n,); NaN where a member cannot tell, or an element is not in the reference.
        sigma : NDArray[np.float64]
            ``factor`` times the standard deviation (with n - 1) in eV, shape (n,).

        Raises
        ------
        ValueError
            If members are of different levels of theory and there is no reference.
        """
        energies = self.energies(rows)  # (n_members, n)
        for k, offsets in enumerate(self._offsets):
            energies[k] -= _composition(rows, offsets)
        mean, sigma = ensemble_prediction(energies)
        return mean, self.factor * sigma

    def energies(self, rows: Structures) -> NDArray[np.float64]:
        """Return what each member says, at its own level.

        Parameters
        ----------
        rows
            Any.

        Returns
        -------
        NDArray[np.float64]
            In eV, shape (n_members, n); NaN where a member cannot tell.
        """
        return np.stack([self._energies(k, rows) for k in range(len(self.members))])

    def calibrated(self, rows: Structures) -> Committee:
        """Return the committee with a factor by which its uncertainties fit its errors.

        Parameters
        ----------
        rows
            Labelled, at the level of the members, and none of them used in a training of one.

        Returns
        -------
        Committee
            With another factor.
        """
        energy, sigma = self(rows)
        errors = energy - rows.array("energy")
        there = np.isfinite(errors) & (sigma > 0)
        return replace(self, factor=self.factor * Scale.fitted(sigma[there], errors[there]).factor)

    @cached_property
    def _potentials(self) -> dict[int, Potential]:
        named = {k: member for k, member in enumerate(self.members) if not _calculates(member)}
        if not named:
            return {}
        with installed():
            from molaug.potentials.potential import Potential

            return {k: Potential.from_pretrained(member) for k, member in named.items()}

    @cached_property
    def _offsets(self) -> list[dict[int, float]]:
        """What is taken off for each atom of an element, of each member."""
        levels = [
            self._potentials[k].level if k in self._potentials else _method_of(member)
            for k, member in enumerate(self.members)
        ]
        if self.reference is None:
            known = sorted({level for level in levels if level is not None})
            if len(known) > 1:
                raise ValueError(
                    f"members of {len(known)} levels of theory: {', '.join(known)}; their total energies cannot be "
                    "compared as they are: give members of one level, or reference=, rows to fit the offset of each "
                    "element on"
                )
            return []
        rows = self.reference if isinstance(self.reference, Structures) else open_dataset(self.reference).read()
        rows = rows.take(np.unique(np.linspace(0, len(rows) - 1, REFERENCE_ROWS).round().astype(np.intp)))
        energies = self.energies(rows)
        there = np.isfinite(energies).all(0)
        if not there.any():
            raise ValueError("no row of the reference can be computed by all members; expected some with geometries")
        rows, energies = rows.filter(there), energies[:, there]
        elements = np.unique(rows.numbers)
        counts = np.stack([np.bincount(row.numbers, minlength=256)[elements] for row in rows]).astype(np.float64)
        return [
            dict(zip(elements.tolist(), np.linalg.lstsq(counts, off, rcond=None)[0].tolist(), strict=True))
            for off in energies - energies[0]
        ]

    def _energies(self, k: int, rows: Structures) -> NDArray[np.float64]:
        if k in self._potentials:
            from molaug.potentials.prediction import predict

            return predict(self._potentials[k], rows).energy
        method = Method.of(self.members[k])
        labeller = Labeller(
            calculator=method.calculator,
            options=method.options,
            level=method.level,
            forces=False,
            max_force=None,
            charge_key=method.charge_key,
            multiplicity_key=method.multiplicity_key,
        )
        outcomes = isolated(labeller.label, rows, time_limit=self.time_limit)
        return np.array([np.nan if outcome.value is None else outcome.value[0] for outcome in outcomes])


def _method_of(member: Any) -> str:
    """Name the method of a calculator; parameters and models of one class make a committee, methods do not."""
    method = Method.of(member)
    named = method.calculator if isinstance(method.calculator, str) else None
    options = method.options if named else getattr(method.calculator, "parameters", {})
    told = options if named in CALCULATORS else {key: options[key] for key in _METHODS if key in options}
    return level_name(method.name, told)


def _calculates(member: Any) -> bool:
    """Tell whether a member is a calculator rather than a checkpoint."""
    if not isinstance(member, str):
        return True
    return not Path(member).is_dir() and (member in (*CALCULATORS, *FORCE_FIELDS) or ":" in member)


def _composition(rows: Structures, offsets: Mapping[int, float]) -> NDArray[np.float64]:
    table = np.full(256, np.nan)
    table[list(offsets)] = list(offsets.values())
    sums = np.zeros(len(rows))
    np.add.at(sums, np.repeat(np.arange(len(rows)), rows.n_atoms), table[rows.numbers])
    return sums
