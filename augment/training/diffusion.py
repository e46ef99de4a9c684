"""``molaug fit diffusion``: from geometries to the checkpoint of a 3D generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from molaug.generators.diffusion.data import GeometryData
from molaug.generators.diffusion.training import MoleculeFlow
from molaug.training.generators import Trained, fit_generator

_WHAT = """A generator of molecules in space, all atoms at once: a flow of atom types, charges, bonds and coordinates,
trained by `molaug fit diffusion`.

Metrics starting with `val_` are losses of the validation part: cross-entropies in nats for each atom (`val_atoms`,
`val_bonds`), and the squared error of coordinates over (1 - t)², at most 100 (`val_coordinates`). `sampled_graph` is
the share of drawn molecules whose bonds, as the network draws them, make a strictly valid molecule; `sampled_strict`
the share whose geometry alone does, bonds perceived from it."""

_USE = """
from molaug.generators.diffusion import load_pipeline

samples = load_pipeline("{folder}")(100, seed=0)
print(samples.structures())
"""


def fit_diffusion(options: Sequence[str]) -> Path:
    """Train the 3D generator and write its checkpoint and card.

    Parameters
    ----------
    options
        As on the command line: ``--data FILE``, ``--out FOLDER``, those of
        :class:`~molaug.generators.diffusion.data.GeometryData`, ``--model.…`` of
        :class:`~molaug.generators.diffusion.training.MoleculeFlow` and ``--trainer.…`` of Lightning's trainer.

    Returns
    -------
    pathlib.Path
        The checkpoint, which :func:`molaug.generators.diffusion.load_pipeline` reads.
    """
    kind = Trained(
        name="diffusion",
        data=GeometryData,
        model=MoleculeFlow,
        noun="geometries",
        largest=lambda molecules: f"{molecules.n_max} a molecule, hydrogens counted",
        what=_WHAT,
        use=_USE,
    )
    return fit_generator(kind, options)
