"""Transfer learning: a potential that goes on from another one's weights, with other labels or another head."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from molaug.potentials.data import Labelled, composition
from molaug.potentials.heads import Head
from molaug.potentials.potential import Potential
from molaug.potentials.prediction import predict_arrays

#: Structures that energies of free atoms are fitted to, evenly spread over those that are given.
REFERENCE_ROWS = 2000


def start_of(name: str, *, network: str | None = None, options: Mapping[str, Any] | None = None) -> Potential:
    """Load the potential that a training starts from.

    Parameters
    ----------
    name
        A shipped checkpoint, one in ``$MOLAUG_CHECKPOINTS``, or a folder.
    network
        That is asked for; None for that of the checkpoint.
    options
        Of the network, likewise.

    Returns
    -------
    Potential
        Trained.

    Raises
    ------
    FileNotFoundError
        If there is no such checkpoint.
    ValueError
        If another network is asked for, or other options.

    Examples
    --------
    >>> start_of("potential-qm9").level
    'b3lyp/6-31g(2df,p)'
    """
    start = Potential.from_pretrained(name)
    for what, given in (("network", network), ("options", options)):
        if given not in (None, start.config[what]):
            raise ValueError(f"{what} is {given!r}; expected that of {name}, {start.config[what]!r}, or none")
    return start


def begun_from(start: Potential, *, head: Head, references: dict[int, float], level: str | None) -> Potential:
    """Return a new potential with the weights of another one.

    It predicts what the other one does, but for the energies of free atoms. Of an ``ensemble`` the members scatter
    about the last layer of the other one, by as much as its weights do, and their mean is the same; what an
    ``evidential`` head says besides the energy is new.

    Parameters
    ----------
    start
        Trained.
    head
        Of the new potential.
    references
        Energies of free atoms in eV by atomic number, see :func:`references_for`.
    level
        Level of theory of the labels that it shall learn.

    Returns
    -------
    Potential
        Of the network, its options and the scale of the other one; no weights are shared.

    Examples
    --------
    >>> start = Potential("painn", {"width": 16, "heads": 4}, references={1: -13.6})
    >>> ensemble = begun_from(start, head=Head(kind="ensemble", members=4), references={1: -13.0}, level="b3lyp")
    >>> bool(torch.allclose(ensemble.weights, start.weights)), ensemble.level
    (True, 'b3lyp')
    """
    config = start.config
    new = Potential(
        config["network"], config["options"], references=references, scale=config["scale"], level=level, head=head
    )
    new.network.load_state_dict(start.network.state_dict())
    rows = torch.cat([start.last.weight, start.last.bias[:, None]], 1).detach()  # (n_outputs, n_features + 1)
    energy = start.head.mean(rows.T)  # (n_features + 1,)
    with torch.no_grad():
        if head.kind == "ensemble":
            scatter = torch.randn(head.members, len(energy)) * energy.std()
            told = energy + scatter - scatter.mean(0)
            new.last.weight.copy_(told[:, :-1])
            new.last.bias.copy_(told[:, -1])
        else:
            new.last.weight[0] = energy[:-1]
            new.last.bias[0] = energy[-1]
    return new


def references_for(start: Potential, labelled: Labelled, rows: NDArray[np.intp]) -> dict[int, float]:
    """Fit energies of free atoms with which a potential is as near as may be to labels, of another level of theory say.

    Parameters
    ----------
    start
        Trained.
    labelled
        Structures with labels.
    rows
        Those to fit to; at most 2,000 of them are, evenly spread.

    Returns
    -------
    dict
        eV by atomic number; of elements that always come in the same ratios, the smallest that do it.

    Examples
    --------
    >>> from molaug.potentials import predict
    >>> from molaug.structures import Structures
    >>> start = Potential("painn", {"width": 16, "heads": 4}, references={2: -79.0}).eval()
    >>> far = Structures.from_arrays([[2], [2, 2]], [[[0, 0, 0]], [[0, 0, 0], [0, 0, 9.0]]])
    >>> deeper = far.with_columns({"energy": predict(start, far).energy - 3.0 * far.n_atoms, "level": ["other"] * 2})
    >>> {z: round(energy, 3) for z, energy in references_for(start, Labelled.read(deeper), np.arange(2)).items()}
    {2: -82.0}
    """
    some = labelled.taken(rows[np.unique(np.linspace(0, len(rows) - 1, REFERENCE_ROWS).round().astype(np.intp))])
    elements, counts = composition(some)
    bare = copy.deepcopy(start).eval()
    bare.references[torch.from_numpy(elements.astype(np.int64))] = 0.0  # what is left is the network's share
    told = predict_arrays(bare, some.numbers, some.positions, some.offsets).energy
    found = np.linalg.lstsq(counts, some.energy - told, rcond=None)[0]
    return {int(z): float(energy) for z, energy in zip(elements, found, strict=True)}
