"""A potential that knows how uncertain it is, by its head or the rigidity of its last layer, both calibrated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from molaug.filters.information import Information
from molaug.filters.uncertainty import ErrorRegression, Rigidity, Scale
from molaug.generators.learned.checkpoints import check_checkpoint, seal_checkpoint
from molaug.potentials.checkpoint import look_for
from molaug.potentials.derivatives import force_uncertainty
from molaug.potentials.potential import Potential
from molaug.potentials.prediction import EnergyModel, Predicted, predict, visible_positions
from molaug.structures import Structures

#: The file of the rigidity, beside the weights of the potential.
RIGIDITY = "rigidity.safetensors"

#: Powers of the number of atoms by which features of training structures are divided; the likelihood decides.
EXPONENTS = (0.0, 0.5, 1.0)

#: Where uncertainties of energies come from: what the last layer gives, its prediction rigidity, or a regression on
#: held-out errors by the first of these that there is and the features.
Source = Literal["head", "rigidity", "errors"]

#: Held-out structures from which on their errors are regressed on features.
ENOUGH = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class UncertainPotential:
    """A potential with the uncertainties of its energies.

    Parameters
    ----------
    potential
        The potential, or another model behind the same face.
    rigidity
        Of the sums over atoms of the inputs of its last layer, the number of atoms among them.
    head
        Calibrates what the head of the potential says; None of a plain head.
    errors
        Tells the size of errors from what the head says, or the rigidity where it is plain, and the features; None
        where too few structures were held out.

    References
    ----------
    F. Bigi et al., arXiv:2403.02251.
    """

    potential: EnergyModel
    rigidity: Rigidity
    head: Scale | None = None
    errors: ErrorRegression | None = None

    @classmethod
    def fitted(
        cls,
        potential: EnergyModel,
        train: NDArray[np.float64],
        held_out: NDArray[np.float64],
        errors: NDArray[np.float64],
        variance: NDArray[np.float64] | None = None,
    ) -> UncertainPotential:
        """Read uncertainties off a trained potential.

        Parameters
        ----------
        potential
            Trained.
        train
            Features of the structures that it was trained on, as :func:`predict` gives them, shape (n, d).
        held_out
            Features of structures that it was not trained on, shape (n_held_out, d).
        errors
            Its errors there in eV, shape (n_held_out,).
        variance
            What its head says of them in eV², shape (n_held_out,); None of a plain head.

        Returns
        -------
        UncertainPotential
            Calibrated on the held-out structures.
        """
        found = []
        for exponent in EXPONENTS:
            known = Information.of(train / train[:, -1:] ** exponent)
            rigidity = Rigidity.fitted(known, held_out, errors)
            sigma = rigidity.uncertainty(held_out)
            found.append((float(np.mean(np.log(sigma) + 0.5 * (errors / sigma) ** 2)), rigidity))
        head = None if variance is None else Scale.fitted(np.sqrt(variance), errors)
        rigidity = min(found, key=lambda entry: entry[0])[1]
        regression = None
        if len(errors) >= ENOUGH:
            told = rigidity.uncertainty(held_out) if head is None or variance is None else head(np.sqrt(variance))
            regression = ErrorRegression.fitted(told, per_atom(held_out), errors)
        return cls(potential=potential, rigidity=rigidity, head=head, errors=regression)

    @property
    def name(self) -> str:
        """What it is called in reports."""
        return "potential"

    def __call__(self, rows: Structures) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict energies and their uncertainties, as filters and selectors ask for them.

        Parameters
        ----------
        rows
            Any; what cannot be predicted gives NaN.

        Returns
        -------
        energy : NDArray[np.float64]
            In eV, shape (n,).
        sigma : NDArray[np.float64]
            In eV, shape (n,).
        """
        found = self.predict(rows)
        return found.predicted.energy, found.sigma

    def predict(
        self,
        structures: Structures,
        *,
        forces: bool = False,
        atoms: bool = False,
        force_sigma: bool = False,
        draws: int | None = None,
        by: Source | None = None,
    ) -> Uncertain:
        """Predict energies and their uncertainties.

        Parameters
        ----------
        structures
            Any; what cannot be predicted gives NaN.
        forces
            Return forces.
        atoms
            Return the uncertainty of each atom's energy, by rigidity.
        force_sigma
            Return the uncertainty of each force, by rigidity, exactly.
        draws
            Estimate these from so many last layers, see :func:`~molaug.potentials.derivatives.force_uncertainty`.
        by
            Whence the uncertainties of energies: by default from the head where it gives any, else from the rigidity,
            which knows best what is unlike the training data. ``errors`` are of the better size, and rank better, where
            structures are like those that were held out.

        Returns
        -------
        Uncertain
            In the order of the structures.

        Raises
        ------
        ValueError
            If that which shall tell is not there.
        """
        found = predict(self.potential, structures, forces=forces or force_sigma, atoms=atoms)
        of_forces = None
        if force_sigma:
            positions = visible_positions(structures)
            of_forces = force_uncertainty(
                self.potential, self.rigidity, structures.numbers, positions, structures.offsets, draws=draws
            )
        return Uncertain(
            predicted=found,
            sigma=self.sigma(found, by),
            local=None if found.atoms is None else self._rigid(found.atoms),
            forces=of_forces,
        )

    def sigma(self, found: Predicted, by: Source | None = None) -> NDArray[np.float64]:
        """Return the calibrated uncertainties of energies that were predicted already.

        Parameters
        ----------
        found
            Predictions of the potential.
        by
            See :meth:`predict`.

        Returns
        -------
        NDArray[np.float64]
            In eV, shape (n,).

        Raises
        ------
        ValueError
            If that which shall tell is not there.
        """
        if by is None:
            by = "rigidity" if self.head is None else "head"
        if by == "rigidity":
            return self._rigid(found.features)
        if by == "errors":
            if self.errors is None:
                raise ValueError(f"too few structures were held out, less than {ENOUGH}; expected by='rigidity'")
            return self.errors(self.sigma(found), per_atom(found.features))
        if self.head is None:
            raise ValueError("the head is plain and gives no uncertainties; expected by='rigidity', or another head")
        # no structure could be predicted: then no batch told a variance either
        return self.head(np.full(len(found.energy), np.nan) if found.variance is None else np.sqrt(found.variance))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write both as one checkpoint.

        Parameters
        ----------
        folder
            Made if it is not there; ``rigidity.safetensors`` stands beside the files of the potential.

        Raises
        ------
        TypeError
            If the model is not one of ours.
        """
        if not isinstance(self.potential, Potential):
            raise TypeError(f"a {type(self.potential).__name__} has no format here; save it as its own package does")
        self.potential.save_pretrained(folder)
        information = self.rigidity.information
        arrays = {
            "gram": information.gram,
            "numbers": np.array([information.n, information.ridge, self.rigidity.alpha]),
        }
        if self.head is not None:
            arrays["head"] = np.array([self.head.factor])
        if self.errors is not None:
            told = self.errors
            arrays["errors"] = np.stack([told.weights, told.centre, told.spread, told.low, told.high])
            arrays["errors_factor"] = np.array([told.factor])
        save_file(arrays, str(Path(folder) / RIGIDITY))
        seal_checkpoint(folder)

    @classmethod
    def from_pretrained(cls, name: str | Path, *, device: str | torch.device = "cpu") -> UncertainPotential:
        """Load a checkpoint.

        Parameters
        ----------
        name
            A shipped checkpoint, one in ``$MOLAUG_CHECKPOINTS``, or a folder.
        device
            Where the potential shall run.

        Returns
        -------
        UncertainPotential
            Ready to predict.

        Raises
        ------
        FileNotFoundError
            If the checkpoint has no rigidity.
        """
        folder = look_for(name)
        if not (folder / RIGIDITY).is_file():
            raise FileNotFoundError(
                f"{folder} holds a potential without {RIGIDITY}; molaug fit potential writes it where there is a "
                "validation part"
            )
        check_checkpoint(folder)
        arrays = load_file(folder / RIGIDITY)
        n, ridge, alpha = arrays["numbers"].tolist()
        information = Information(gram=arrays["gram"], n=int(n), ridge=ridge)
        return cls(
            potential=Potential.from_pretrained(folder, device=device),
            rigidity=Rigidity(information=information, alpha=alpha),
            head=Scale(factor=float(arrays["head"][0])) if "head" in arrays else None,
            errors=_regression(arrays),
        )

    def _rigid(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        there = np.isfinite(features).all(1)
        sigma = np.full(len(features), np.nan)
        sigma[there] = self.rigidity.uncertainty(features[there])
        return sigma


def per_atom(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what errors are regressed on: averages over the atoms, and the logarithm of their number.

    Parameters
    ----------
    features
        Sums over the atoms, their number among them as the last, shape (n, d).

    Returns
    -------
    NDArray[np.float64]
        Shape (n, d).
    """
    n = features[:, -1:]
    return np.hstack([features[:, :-1] / n, np.log(n)])


def _regression(arrays: dict[str, NDArray[np.float64]]) -> ErrorRegression | None:
    if "errors" not in arrays:
        return None
    weights, centre, spread, low, high = arrays["errors"]
    factor = float(arrays["errors_factor"][0])
    return ErrorRegression(weights=weights, centre=centre, spread=spread, low=low, high=high, factor=factor)


@dataclass(frozen=True, kw_only=True, eq=False)
class Uncertain:
    """Predictions with uncertainties.

    Parameters
    ----------
    predicted
        Energies, forces, features.
    sigma
        Standard deviations of the energies in eV, shape (n,); NaN where the energy is.
    local
        Of the energy of each atom in eV, shape (n_atoms,): high where its surroundings are unknown; None unless asked
        for.
    forces
        Of all forces in eV/Å, shape (n_atoms, 3); None unless asked for.
    """

    predicted: Predicted
    sigma: NDArray[np.float64]
    local: NDArray[np.float64] | None
    forces: NDArray[np.float64] | None = None
