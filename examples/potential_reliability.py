"""How far the uncertainties of a potential can be believed on the test part of its data.

    python examples/potential_reliability.py DATA [--checkpoint potential-qm9] [--split molecule]

``DATA`` is what the potential was trained on, with the same split. Its rigidity and, where there are, what its head
says and the regression on held-out errors are compared, each as the checkpoint has it and after isotonic calibration on
the validation part. For that the regression is fitted anew to the other folds of the validation part, as it must not
have seen what calibrates it.
"""

from __future__ import annotations

import argparse

import numpy as np

from molaug.filters.uncertainty import Conformal, ErrorRegression, Isotonic, reliability
from molaug.potentials import Labelled, Predicted, UncertainPotential
from molaug.potentials.prediction import predict_arrays
from molaug.potentials.uncertain import per_atom

#: Share of intervals for the conformal coverage.
COVERAGE = 0.9


def predicted(model: UncertainPotential, labelled: Labelled, rows: np.ndarray) -> tuple[Predicted, np.ndarray]:
    """Predict some structures; return errors too, in eV."""
    atoms = np.concatenate([np.arange(labelled.offsets[k], labelled.offsets[k + 1]) for k in rows])
    offsets = np.r_[0, np.cumsum(labelled.sizes[rows])].astype(np.int64)
    found = predict_arrays(model.potential, labelled.numbers[atoms], labelled.positions[atoms], offsets)
    return found, found.energy - labelled.energy[rows]


def table(labelled: Labelled, checkpoint: str) -> str:
    """Measure and return a table in Markdown, energies in meV."""
    model = UncertainPotential.from_pretrained(checkpoint)
    held, off = predicted(model, labelled, labelled.part("validation"))
    test, error = predicted(model, labelled, labelled.part("test"))
    ways = {"rigidity": (model.sigma(held, "rigidity"), model.sigma(test, "rigidity"))}
    if model.head is not None:
        ways["head"] = (model.sigma(held, "head"), model.sigma(test, "head"))
    if model.errors is not None:
        told = ErrorRegression.cross_validated(model.sigma(held), per_atom(held.features), off)
        ways["regression on held-out errors"] = (told, model.sigma(test, "errors"))
    mean, square = 1000 * np.abs(error).mean(), 1000 * np.sqrt(np.mean(error**2))
    head = "uncertainty,misc. area,ENCE,ZMS,NLL,ρ (ceiling),AUROC 5 %,hit 5 %,cov 68 / 95,conformal 90 %"
    lines = [
        f"{len(off):,} validation, {len(error):,} test structures",
        f"mean absolute error {mean:.1f} meV, root mean square {square:.1f} meV",
        "",
        f"| {head.replace(',', ' | ')} |",
        "|" + "---|" * len(head.split(",")),
    ]
    for way, (before, sigma) in ways.items():
        conformal = Conformal.fitted(before, off, coverage=COVERAGE)
        covered = np.mean(np.abs(error) <= conformal.radius(sigma))
        for name, calibrated in ((way, sigma), (f"{way}, isotonic", Isotonic.fitted(before, off)(sigma))):
            m = reliability(1000 * calibrated, 1000 * error)
            cells = [name, f"{m.miscalibration_area:.3f}", f"{m.ence:.3f}", f"{m.zms:.2f}", f"{m.nll:.2f}"]
            cells += [f"{m.spearman:.2f} ({m.spearman_ceiling:.2f})", f"{m.auroc:.3f}", f"{m.hit_rate:.2f}"]
            cells += [f"{m.coverage68:.2f} / {m.coverage95:.2f}", f"{covered:.3f}"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Read the data and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+")
    parser.add_argument("--checkpoint", default="potential-qm9")
    parser.add_argument("--split", default="molecule", choices=("molecule", "structure"))
    arguments = parser.parse_args()
    print(table(Labelled.read(arguments.data, split=arguments.split), arguments.checkpoint))


if __name__ == "__main__":
    main()
