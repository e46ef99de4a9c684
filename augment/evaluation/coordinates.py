"""Bond lengths, bond angles and torsions of molecules, and how far samples are from a reference in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from molaug.distributions.layouts import Layout
from molaug.distributions.measures import wasserstein
from molaug.distributions.quantities import UNITS, internal_coordinates
from molaug.evaluation.geometries import Geometries
from molaug.evaluation.geometry_validity import judge_geometries
from molaug.evaluation.protocol import FEWEST_VALUES

#: What is compared, with its name among :data:`molaug.distributions.quantities.UNITS`.
COORDINATES: Final[Mapping[str, str]] = {
    "bond lengths": "bond length",
    "bond angles": "bond angle",
    "torsions": "torsion",
}

#: Values by quantity and type.
Coordinates = dict[str, dict[str, NDArray[np.float64]]]


def coordinates(mols: Sequence[Chem.Mol]) -> Coordinates:
    """Measure molecules.

    Parameters
    ----------
    mols
        Sanitised, with all hydrogens and a conformer.

    Returns
    -------
    dict
        Of ``bond lengths`` in Å by the type of the bond (``C-H``, ``C=O``, ``C:C`` where aromatic), of ``bond angles``
        in degrees by the central element, of ``torsions`` in degrees from 0 to 180 by the elements of the central bond.

    Examples
    --------
    >>> from molaug.structures.chemistry import perceive
    >>> water = perceive([8, 1, 1], [[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]).mol
    >>> found = coordinates([water])
    >>> found["bond lengths"]["O-H"].round(2).tolist(), found["bond angles"]["O"].round(1).tolist()
    ([0.97, 0.97], [103.4])
    """
    layouts = [Layout.of_mol(mol) for mol in mols]
    held = Geometries.of(
        [(layout.numbers, mol.GetConformer().GetPositions()) for layout, mol in zip(layouts, mols, strict=True)]
    )
    names = {value: key for key, value in COORDINATES.items()}
    parts: dict[str, defaultdict[str, list[NDArray[np.float64]]]] = {key: defaultdict(list) for key in COORDINATES}
    for (quantity, kind), values in internal_coordinates(held.numbers, held.positions, held.offsets, layouts):
        parts[names[quantity]][_class(quantity, kind)].append(values)
    return {
        quantity: {kind: np.concatenate(found) for kind, found in sorted(kinds.items())}
        for quantity, kinds in parts.items()
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceCoordinates:
    """What samples are compared with.

    Parameters
    ----------
    drawn
        Held-out geometries of the reference that were looked at.
    mols
        Those that are strictly valid, by the rules that samples are judged by: the first half is what samples are
        compared with, the second tells what distance is due to chance.
    half
        Coordinates of the first half.
    """

    drawn: int
    mols: tuple[Chem.Mol, ...]
    half: Coordinates

    @classmethod
    def measure(cls, geometries: Geometries) -> ReferenceCoordinates:
        """Perceive and measure geometries.

        Parameters
        ----------
        geometries
            In random order.

        Returns
        -------
        ReferenceCoordinates
            Of those that are strictly valid.
        """
        judged = judge_geometries(geometries)
        mols = tuple(
            mol for mol, reason in zip(judged.mols, judged.reasons, strict=True) if mol is not None and reason is None
        )
        return cls(drawn=len(geometries), mols=mols, half=coordinates(mols[: (len(mols) + 1) // 2]))

    def by_chance(self, n: int) -> Coordinates:
        """Measure other molecules of the reference.

        Parameters
        ----------
        n
            How many; at most all of the second half.

        Returns
        -------
        dict
            Their coordinates.
        """
        return coordinates(self.mols[(len(self.mols) + 1) // 2 :][:n])


@dataclass(frozen=True, kw_only=True)
class Wasserstein:
    """How far the values of samples are from those of the reference, averaged over types as frequent as there.

    Parameters
    ----------
    distance
        Wasserstein-1 distance; None where there is nothing to compare.
    unit
        Å or °.
    compared
        Values of the reference whose type is compared.
    values
        All values of the reference.
    types
        The distance of each type, the most frequent of the reference first.
    """

    distance: float | None
    unit: str
    compared: int
    values: int
    types: dict[str, float]


def wasserstein_distances(samples: Coordinates, reference: Coordinates) -> dict[str, Wasserstein]:
    r"""Compare samples with a reference: W = Σ_t p_t W₁(t), with p_t the share of type t in the reference.

    Types of fewer than :data:`molaug.evaluation.protocol.FEWEST_VALUES` values on either side are left out, and the
    shares are those among the others.

    Parameters
    ----------
    samples
        Of :func:`coordinates`.
    reference
        Likewise.

    Returns
    -------
    dict
        By quantity.
    """
    found = {}
    for quantity, singular in COORDINATES.items():
        known, ours = reference[quantity], samples[quantity]
        shared = [
            kind
            for kind in sorted(known, key=lambda kind: (-len(known[kind]), kind))
            if min(len(known[kind]), len(ours.get(kind, ()))) >= FEWEST_VALUES
        ]
        types = {kind: wasserstein(known[kind], ours[kind]) for kind in shared}
        counts = [len(known[kind]) for kind in shared]
        found[quantity] = Wasserstein(
            distance=float(np.average(list(types.values()), weights=counts)) if shared else None,
            unit=UNITS[singular],
            compared=sum(counts),
            values=sum(map(len, known.values())),
            types=types,
        )
    return found


def _class(quantity: str, kind: str) -> str:
    symbols = kind.split("-")
    if quantity == "bond angle":
        return symbols[1]
    return "-".join(sorted(symbols[1:3])) if quantity == "torsion" else kind
