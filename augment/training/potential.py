"""``molaug fit potential``: from labelled structures to the checkpoint of a potential."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from molaug.potentials.data import Labelled, LabelledData
from molaug.potentials.potential import Potential
from molaug.potentials.training import PotentialTraining
from molaug.training.card import card
from molaug.training.fitting import Fitting

_WHAT = """A potential: energies of structures as sums over atoms, forces as their derivatives, trained by
`molaug fit potential`.

Metrics starting with `val_` are mean absolute errors of the validation part, those with `test_` of the test part, which
nothing was chosen by: `energy` in eV, `energy_per_atom` in eV, `forces` in eV/Å."""

_USE = """
import torch

from molaug.potentials import Potential

potential = Potential.from_pretrained("{folder}")
water = torch.tensor([[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48]])
print(potential(torch.tensor([8, 1, 1]), water, torch.zeros(3, dtype=torch.long), forces=True).energy)
"""

#: Structures that are predicted together.
_AT_ONCE = 256


def fit_potential(options: Sequence[str]) -> Path:
    """Train a potential and write its checkpoint and card.

    Parameters
    ----------
    options
        As on the command line: ``--data FILE``, ``--out FOLDER``, those of
        :class:`~molaug.potentials.LabelledData`, ``--model.…`` of :class:`~molaug.potentials.PotentialTraining` and
        ``--trainer.…`` of Lightning's trainer.

    Returns
    -------
    pathlib.Path
        The checkpoint, which :meth:`molaug.potentials.Potential.from_pretrained` reads.
    """
    fitting = Fitting.parse("potential", options, data=LabelledData, model=PotentialTraining)
    data = fitting.data()
    labelled = data.labelled
    counts = {part: len(labelled.part(part)) for part in ("train", "validation", "test")}
    if fitting.leads:
        listed = ", ".join(f"{n:,} {part}" for part, n in counts.items())
        left_out = "; ".join(f"{n:,} × {reason}" for reason, n in labelled.rejected.items()) or "nothing"
        forces = "energies and forces" if labelled.forces is not None else "energies"
        print(f"{len(labelled):,} structures: {listed}; left out: {left_out}", flush=True)
        if not counts["validation"]:
            print("no molecule is in the validation part; --split structure splits geometries instead", flush=True)
        print(f"labels: {forces}, {labelled.level or 'level of theory unknown'}", flush=True)
    complete = fitting.prepare({"structures": counts, "level": labelled.level})
    if complete is not None:
        print(f"{fitting.out} is complete: {complete.steps:,} steps; --fresh trains anew", flush=True)
        return fitting.out
    model = fitting.model(domain=data.domain)
    result = fitting.run(model, data)
    if fitting.leads:
        model.potential().save_pretrained(fitting.out)
        potential = Potential.from_pretrained(fitting.out)
        result.metrics.update(errors_of(potential, labelled, labelled.part("test")))
        text = card(
            fitting.out.resolve().name,
            _WHAT,
            sources=[str(source) for source in fitting.options.data],
            counts=counts,
            rejected=labelled.rejected,
            facts={
                "level of theory": labelled.level or "unknown",
                "energies of free atoms / eV": ", ".join(
                    f"{z}: {float(potential.references[z]):.4f}" for z in potential.elements
                ),
                "left to be explained / eV an atom": f"{potential.config['scale']:.4f}",
            },
            result=result,
            use=_USE.format(folder=fitting.out),
        )
        (fitting.out / "README.md").write_text(text)
        fitting.finish(result)
        print(f"written: {fitting.out}", flush=True)
    return fitting.out


def errors_of(potential: Potential, labelled: Labelled, rows: np.ndarray) -> dict[str, float]:
    """Measure mean absolute errors.

    Parameters
    ----------
    potential
        As it was written, weights of half precision.
    labelled
        Structures.
    rows
        Which.

    Returns
    -------
    dict
        ``test_energy_mae``, ``test_energy_per_atom_mae`` and, where there are labels, ``test_forces_mae``; empty
        without rows.
    """
    if not len(rows):
        return {}
    ordered = rows[np.argsort(labelled.sizes[rows], kind="stable")]
    energy, forces = [], []
    for start in range(0, len(ordered), _AT_ONCE):
        batch = labelled.batch(ordered[start : start + _AT_ONCE])
        forced = "forces" in batch
        with torch.no_grad():
            found = potential(batch["numbers"], batch["positions"], batch["batch"], forces=forced)
        energy.append((found.energy - batch["energy"]).numpy())
        if forced and found.forces is not None:
            forces.append((found.forces - batch["forces"]).detach().numpy())
    off = np.abs(np.concatenate(energy))
    found_errors = {
        "test_energy_mae": float(off.mean()),
        "test_energy_per_atom_mae": float((off / labelled.sizes[ordered]).mean()),
    }
    if forces:
        found_errors["test_forces_mae"] = float(np.abs(np.concatenate(forces)).mean())
    return found_errors
