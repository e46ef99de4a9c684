"""Draw what the graph generator draws: ``python examples/graph_generator.py docs``.

Writes ``graph_trajectory.svg``: eight states of one molecule on its way from noise; and ``graph_samples.png``: the
first twenty-four molecules of the stream. A second argument names another checkpoint than ``graph-qm9``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D

mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "molaug", "svg.fonttype": "none", "font.size": 9})

from matplotlib import pyplot as plt  # noqa: E402

from molaug.generators.graph import GraphPipeline, GraphSamples, load_pipeline  # noqa: E402
from molaug.generators.graph.kekule import KekuleGraphs, drawn  # noqa: E402

TEAL, NOISE = "#0b7a75", "#d9a58c"
COLOURS = {6: "#3b4652", 7: "#2f5fb3", 8: "#c0392b", 9: "#6b8e23"}
SHOWN, GRID, SIDE = (0.0, 0.2, 0.4, 0.6, 0.75, 0.88, 0.96, 1.0), (6, 4), 180


def distinct(samples: GraphSamples, n: int) -> list[str]:
    """Return the first molecules of the stream, each once."""
    return list(dict.fromkeys(smiles for smiles in samples.smiles if smiles is not None))[:n]


def flat(pipe: GraphPipeline, samples: GraphSamples, row: int) -> np.ndarray:
    """Return where the atoms of a molecule are on paper, along its axes, shape (n_atoms, 2)."""
    (mol,) = drawn(samples.graphs.take(np.array([row])), pipe.types)
    Chem.SanitizeMol(mol)
    rdDepictor.Compute2DCoords(mol)
    x = mol.GetConformer().GetPositions()[:, :2]
    return (x - x.mean(0)) @ np.linalg.svd(x - x.mean(0))[2].T


def telling(pipe: GraphPipeline, samples: GraphSamples) -> int:
    """Return the roundest row of those valid as drawn, with a ring and as many atoms as any."""
    rings = samples.graphs.bonds.astype(bool).sum((1, 2)) // 2 >= samples.graphs.sizes
    good = samples.raw_valid & (samples.graphs.sizes == samples.graphs.sizes.max())
    rows = np.flatnonzero(good & rings) if (good & rings).any() else np.flatnonzero(good)
    return int(max(rows, key=lambda row: float(np.divide(*np.ptp(flat(pipe, samples, int(row)), axis=0)[::-1]))))


def state(axes: Any, pipe: GraphPipeline, x: np.ndarray, now: KekuleGraphs, end: KekuleGraphs) -> None:
    """Draw one state on the finished molecule's places, what is not final in the colour of noise."""
    symbol = Chem.GetPeriodicTable().GetElementSymbol
    for i, j in zip(*np.nonzero(np.triu(now.bonds[0], 1)), strict=True):
        along = (x[j] - x[i]) / max(float(np.linalg.norm(x[j] - x[i])), 1e-9)
        aside = 0.11 * np.array([-along[1], along[0]])
        order, settled = int(now.bonds[0, i, j]), now.bonds[0, i, j] == end.bonds[0, i, j]
        style = {"color": TEAL if settled else NOISE, "lw": 1.5 if settled else 0.9, "zorder": 2 if settled else 1}
        for k in range(order):
            shift = aside * (2 * k - order + 1)
            axes.plot(*np.array([x[i] + shift, x[j] + shift]).T, "-", solid_capstyle="round", **style)
    for place, kind, last in zip(x, now.atoms[0], end.atoms[0], strict=False):
        number = pipe.types.numbers[kind]
        style = {"color": COLOURS.get(number, "black") if kind == last else NOISE, "zorder": 3}
        box = {"boxstyle": "circle,pad=0.1", "fc": "white", "ec": "none"}
        axes.text(*place, symbol(number), ha="center", va="center", fontsize=9, bbox=box, **style)
    axes.set(xlim=(x[:, 0].min() - 0.6, x[:, 0].max() + 0.6), ylim=(x[:, 1].min() - 0.6, x[:, 1].max() + 0.6))
    axes.set_aspect("equal")
    axes.axis("off")


def trajectory(pipe: GraphPipeline, path: Path, steps: int) -> None:
    """Draw states of one molecule, from the prior to the end."""
    samples = pipe(64, num_inference_steps=steps, trajectory=True)
    row = telling(pipe, samples)
    x, one = flat(pipe, samples, row), np.array([row])
    times = np.array([*pipe.scheduler.timesteps.tolist(), 1.0])
    figure, axes = plt.subplots(1, len(SHOWN), figsize=(11, 1.6), layout="constrained")
    for axis, t in zip(axes, SHOWN, strict=True):
        k = int(np.argmin(np.abs(times - t)))
        state(axis, pipe, x, samples.trajectory[k].take(one), samples.graphs.take(one))
        axis.set_title(f"t = {times[k]:.2f}", fontsize=9)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def grid(pipe: GraphPipeline, path: Path, steps: int) -> None:
    """Molecules as the stream gives them, each once."""
    columns, rows = GRID
    wanted = columns * rows
    mols = [Chem.MolFromSmiles(smiles) for smiles in distinct(pipe(2 * wanted, num_inference_steps=steps), wanted)]
    canvas = rdMolDraw2D.MolDraw2DCairo(columns * SIDE, rows * SIDE * 3 // 4, SIDE, SIDE * 3 // 4)
    options = canvas.drawOptions()
    options.fixedBondLength, options.bondLineWidth, options.padding = 26, 2, 0.05
    canvas.DrawMolecules(mols)
    canvas.FinishDrawing()
    path.write_bytes(canvas.GetDrawingText())


def main(folder: Path, checkpoint: str = "graph-qm9", steps: int = 50) -> None:
    """Draw both pictures."""
    pipe = load_pipeline(checkpoint)
    trajectory(pipe, folder / "graph_trajectory.svg", steps)
    grid(pipe, folder / "graph_samples.png", steps)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"), *sys.argv[2:3])
