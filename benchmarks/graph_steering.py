"""Does the graph generator do what it is asked? ``python benchmarks/graph_steering.py --table qm9_graphs.csv.gz``.

Properties: molecules are drawn with a value asked for; those that stand in the table (as ``examples/qm9_graphs.py``
writes it) have a true value of B3LYP/6-31G(2df,p), which is compared with what was asked. Those of the train part are
left out: the network has seen their values. Fragments and compositions: how many samples have them, how many are valid
as drawn and how many differ.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from rdkit import Chem

from molaug.generators.graph import GraphPipeline, GraphSamples, load_pipeline
from molaug.generators.graph.molecules import Molecules

TARGETS = {"gap": (4.5, 5.5, 7.0, 8.5, 9.5), "dipole": (0.5, 2.5, 4.5)}
SCALES = (1.0, 2.0, 4.0)
FRAGMENTS = ("c1ccoc1", "*C(=O)O", "C1CC1", "*c1ccncc1", "N#CC")
COMPOSITIONS = ("C6NO2", "C5N4", "C9")


def table_header(*names: str) -> None:
    """Print the head of a Markdown table."""
    print(f"\n| {' | '.join(names)} |\n|{'---|' * len(names)}")


def properties(draw: GraphPipeline, molecules: Molecules, samples: int, steps: int) -> None:
    """Print what was asked for and what it became."""
    train = molecules.parts == "train"
    places = {name: k for k, name in enumerate(molecules.smiles)}
    table_header(
        "property", "asked", "guidance", "valid, raw / %", "held-out with a value", "their mean ± sd", "mean |error|"
    )
    for name, targets in TARGETS.items():
        column = molecules.columns[name]
        held = column[~train & np.isfinite(column)]
        print(f"| {name} | nothing | – | – | {len(held):,} (all) | {held.mean():.2f} ± {held.std():.2f} | – |")
        for target in targets:
            for scale in SCALES:
                found = draw(
                    samples, seed=7, num_inference_steps=steps, properties={name: target}, guidance_scale=scale
                )
                rows = [places[s] for s in set(found.smiles) if s in places]
                values = np.array([column[k] for k in rows if not train[k] and np.isfinite(column[k])])
                print(
                    f"| {name} | {target} | {scale:g} | {100 * found.raw_valid.mean():.1f} | {len(values)} | "
                    f"{values.mean():.2f} ± {values.std():.2f} | {np.abs(values - target).mean():.2f} |",
                    flush=True,
                )


def structures(draw: GraphPipeline, samples: int, steps: int) -> None:
    """Print whether fragments and compositions are there."""
    table_header("asked", "in samples / %", "valid, raw / %", "unique / %")
    for text in FRAGMENTS:
        query = Chem.MolFromSmiles(text.replace("*", "")) if "*" not in text else Chem.MolFromSmarts(text)
        found = draw(samples, seed=7, num_inference_steps=steps, fragment=text)
        _line(f"fragment `{text}`", found, [Chem.MolFromSmiles(s).HasSubstructMatch(query) for s in found.smiles if s])
    for text in COMPOSITIONS:
        found = draw(samples, seed=7, num_inference_steps=steps, composition=text)
        _line(f"composition {text}", found, [_heavy(s) == _heavy_of_formula(text) for s in found.smiles if s])


def _line(name: str, found: GraphSamples, there: list[bool]) -> None:
    unique = len({s for s in found.smiles if s}) / len(found)
    shares = (sum(there) / len(found), found.raw_valid.mean(), unique)
    print(f"| {name} | {' | '.join(f'{100 * share:.1f}' for share in shares)} |", flush=True)


def _heavy(smiles: str) -> str:
    return "".join(sorted(atom.GetSymbol() for atom in Chem.MolFromSmiles(smiles).GetAtoms()))


def _heavy_of_formula(text: str) -> str:
    found = ""
    for k, c in enumerate(text):
        if c.isalpha():
            number = text[k + 1] if k + 1 < len(text) and text[k + 1].isdigit() else "1"
            found += c * int(number)
    return "".join(sorted(found))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", required=True, help="smiles, gap and dipole of QM9")
    parser.add_argument("--cache", help="folder of prepared molecules, such as that of a training")
    parser.add_argument("--checkpoint", default="graph-qm9")
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    draw = load_pipeline(options.checkpoint)
    print(f"{options.samples} samples a row, {options.steps} steps, seed 7")
    structures(draw, options.samples, options.steps)
    molecules = Molecules.read([options.table], columns=tuple(TARGETS), cache=options.cache)
    properties(draw, molecules, options.samples, options.steps)


if __name__ == "__main__":
    main()
