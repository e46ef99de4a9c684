"""``molaug fit potential``: from labelled structures to the checkpoint of a potential."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from molaug.filters.uncertainty import reliability
from molaug.potentials.data import Labelled, LabelledData
from molaug.potentials.potential import Potential
from molaug.potentials.prediction import Predicted, predict_arrays
from molaug.potentials.training import PotentialTraining
from molaug.potentials.transfer import references_for, start_of
from molaug.potentials.uncertain import UncertainPotential
from molaug.training.card import card
from molaug.training.fitting import Fitting

_WHAT = """A potential: energies of structures as sums over atoms, forces as their derivatives, trained by
`molaug fit potential`.

Metrics starting with `val_` are mean absolute errors of the validation part, those with `test_` of the test part, which
nothing was chosen by: `energy` in eV, `energy_per_atom` in eV, `forces` in eV/Å. Those with `test_sigma_` say how far
the uncertainties of energies can be believed, see `molaug.filters.uncertainty.reliability`."""

_USE = """
import torch

from molaug.potentials import Potential

potential = Potential.from_pretrained("{folder}")
water = torch.tensor([[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48]])
print(potential(torch.tensor([8, 1, 1]), water, torch.zeros(3, dtype=torch.long), forces=True).energy)
"""

#: Held-out structures with fewer of which nothing is calibrated or measured.
FEWEST = 20


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
    asked = fitting.options.model
    start = asked.start
    # before the data are read, which may take long
    begun = None if start is None else start_of(start, network=asked.network, options=asked.options)
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
    domain = data.domain
    if begun is not None:
        domain = {**domain, "references": references_for(begun, labelled, data.train_rows)}
    model = fitting.model(domain=domain)
    result = fitting.run(model, data)
    if fitting.leads:
        model.potential().save_pretrained(fitting.out)
        potential = Potential.from_pretrained(fitting.out)  # with the weights of half precision that are kept
        found = predict_arrays(
            potential, labelled.numbers, labelled.positions, labelled.offsets, forces=labelled.forces is not None
        )
        result.metrics.update(errors_of(found, labelled, labelled.part("test"), "test"))
        uncertain, measures = with_uncertainty(potential, found, labelled, data)
        result.metrics.update(measures)
        if uncertain is None:
            print(f"fewer than {FEWEST} structures to calibrate on: no uncertainties are written", flush=True)
        else:
            uncertain.save_pretrained(fitting.out)
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
                **({} if start is None else {"begun from the weights of": start}),
            },
            result=result,
            use=_USE.format(folder=fitting.out),
        )
        (fitting.out / "README.md").write_text(text)
        fitting.finish(result)
        print(f"written: {fitting.out}", flush=True)
    return fitting.out


def errors_of(found: Predicted, labelled: Labelled, rows: NDArray[np.intp], part: str) -> dict[str, float]:
    """Measure mean absolute errors.

    Parameters
    ----------
    found
        Predictions for all structures.
    labelled
        The structures.
    rows
        Which of them.
    part
        By what the measures shall begin.

    Returns
    -------
    dict
        ``…_energy_mae``, ``…_energy_per_atom_mae`` and, where there are labels, ``…_forces_mae``; empty without rows.
    """
    if not len(rows):
        return {}
    off = np.abs(found.energy - labelled.energy)[rows]
    errors = {f"{part}_energy_mae": off.mean(), f"{part}_energy_per_atom_mae": (off / labelled.sizes[rows]).mean()}
    if found.forces is not None and labelled.forces is not None:
        atoms = np.isin(np.repeat(np.arange(len(labelled)), labelled.sizes), rows)
        errors[f"{part}_forces_mae"] = np.abs(found.forces - labelled.forces)[atoms].mean()
    return {name: float(error) for name, error in errors.items()}


def with_uncertainty(
    potential: Potential, found: Predicted, labelled: Labelled, data: LabelledData
) -> tuple[UncertainPotential | None, dict[str, float]]:
    """Fit the uncertainties of a trained potential on the validation part, and measure them on the test part.

    Parameters
    ----------
    potential
        Trained.
    found
        Its predictions for all structures.
    labelled
        The structures.
    data
        Knows the training part.

    Returns
    -------
    uncertain : UncertainPotential or None
        None where there is too little held-out data to calibrate on.
    measures : dict
        Of the test part, where it is large enough.
    """
    validation, test = labelled.part("validation"), labelled.part("test")
    if len(validation) < FEWEST:
        return None, {}
    errors = found.energy - labelled.energy
    uncertain = UncertainPotential.fitted(
        potential,
        found.features[data.train_rows],
        found.features[validation],
        errors[validation],
        None if found.variance is None else found.variance[validation],
    )
    if len(test) < FEWEST:
        return uncertain, {}
    measured = reliability(uncertain.sigma(found)[test], errors[test])
    names = ("miscalibration_area", "ence", "zms", "spearman", "spearman_ceiling", "auroc", "hit_rate")
    return uncertain, {f"test_sigma_{name}": getattr(measured, name) for name in names}
