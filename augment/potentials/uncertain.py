"""A potential that knows how uncertain it is: last-layer prediction rigidity, calibrated on the validation part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from molaug.filters.information import Information
from molaug.filters.uncertainty import Rigidity
from molaug.generators.learned.checkpoints import checkpoint_folder
from molaug.potentials.potential import CONFIG, Potential
from molaug.potentials.prediction import Predicted, predict
from molaug.structures import Structures

#: The file of the rigidity, beside the weights of the potential.
RIGIDITY = "rigidity.safetensors"

#: Powers of the number of atoms by which features of training structures are divided; the likelihood decides.
EXPONENTS = (0.0, 0.5, 1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class UncertainPotential:
    """A potential with the uncertainties of its energies.

    Parameters
    ----------
    potential
        The potential.
    rigidity
        Of the sums over atoms of the inputs of its last layer, the number of atoms among them.

    References
    ----------
    F. Bigi et al., arXiv:2403.02251.
    """

    potential: Potential
    rigidity: Rigidity

    @classmethod
    def fitted(
        cls,
        potential: Potential,
        train: NDArray[np.float64],
        held_out: NDArray[np.float64],
        errors: NDArray[np.float64],
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
        return cls(potential=potential, rigidity=min(found, key=lambda entry: entry[0])[1])

    def predict(self, structures: Structures, *, forces: bool = False, atoms: bool = False) -> Uncertain:
        """Predict energies and their uncertainties.

        Parameters
        ----------
        structures
            Any; what cannot be predicted gives NaN.
        forces
            Return forces.
        atoms
            Return the uncertainty of each atom's energy.

        Returns
        -------
        Uncertain
            In the order of the structures.
        """
        found = predict(self.potential, structures, forces=forces, atoms=atoms)
        return Uncertain(
            predicted=found,
            sigma=self._sigma(found.features),
            local=None if found.atoms is None else self._sigma(found.atoms),
        )

    def save_pretrained(self, folder: str | Path) -> None:
        """Write both as one checkpoint.

        Parameters
        ----------
        folder
            Made if it is not there; ``rigidity.safetensors`` stands beside the files of the potential.
        """
        self.potential.save_pretrained(folder)
        information = self.rigidity.information
        arrays = {
            "gram": information.gram,
            "numbers": np.array([information.n, information.ridge, self.rigidity.alpha]),
        }
        save_file(arrays, str(Path(folder) / RIGIDITY))

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
        folder = checkpoint_folder(name, CONFIG, '"molaug": "potential"')
        if not (folder / RIGIDITY).is_file():
            raise FileNotFoundError(
                f"{folder} holds a potential without {RIGIDITY}; molaug fit potential writes it where there is a "
                "validation part"
            )
        arrays = load_file(folder / RIGIDITY)
        n, ridge, alpha = arrays["numbers"].tolist()
        information = Information(gram=arrays["gram"], n=int(n), ridge=ridge)
        return cls(
            potential=Potential.from_pretrained(folder, device=device),
            rigidity=Rigidity(information=information, alpha=alpha),
        )

    def _sigma(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        there = np.isfinite(features).all(1)
        sigma = np.full(len(features), np.nan)
        sigma[there] = self.rigidity.uncertainty(features[there])
        return sigma


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
    """

    predicted: Predicted
    sigma: NDArray[np.float64]
    local: NDArray[np.float64] | None
