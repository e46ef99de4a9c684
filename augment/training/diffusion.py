"""``molaug fit diffusion``: from geometries to the checkpoint of a 3D generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from molaug.generators.diffusion.data import GeometryData
from molaug.generators.diffusion.training import MoleculeFlow
from molaug.training.card import card
from molaug.training.fitting import Fitting, Result

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
    fitting = Fitting.parse("diffusion", options, data=GeometryData, model=MoleculeFlow)
    data = fitting.data()
    molecules = data.molecules
    counts = {part: len(molecules.part(part)) for part in ("train", "validation", "test")}
    if fitting.leads:
        listed = ", ".join(f"{n:,} {part}" for part, n in counts.items())
        left_out = "; ".join(f"{n:,} × {reason}" for reason, n in molecules.rejected.items()) or "nothing"
        print(f"{len(molecules):,} geometries: {listed}; left out: {left_out}", flush=True)
        print(f"atoms: {', '.join(molecules.types.names)}; at most {molecules.n_max} a molecule", flush=True)
    complete = fitting.prepare({"geometries": counts, "types": list(molecules.types.names)})
    if complete is not None:
        print(f"{fitting.out} is complete: {complete.steps:,} steps; --fresh trains anew", flush=True)
        return fitting.out
    model = fitting.model(domain=data.domain)
    result = fitting.run(model, data)
    if fitting.leads:
        model.pipeline().save(fitting.out)
        (fitting.out / "README.md").write_text(_card(fitting, data, result))
        fitting.finish(result)
        print(f"written: {fitting.out}", flush=True)
    return fitting.out


def _card(fitting: Fitting, data: GeometryData, result: Result) -> str:
    molecules, scales = data.molecules, data.domain["conditions"]
    facts = {
        "atoms": f"{', '.join(molecules.types.names)}; at most {molecules.n_max} a molecule, hydrogens counted",
        "conditions": ", ".join(f"{k}: mean {m:.4g}, standard deviation {s:.4g}" for k, (m, s) in scales.items())
        or "none",
    }
    return card(
        fitting.out.resolve().name,
        _WHAT,
        sources=[str(source) for source in fitting.options.data],
        counts={part: len(molecules.part(part)) for part in ("train", "validation", "test")},
        rejected=molecules.rejected,
        facts=facts,
        result=result,
        use=_USE.format(folder=fitting.out),
    )
