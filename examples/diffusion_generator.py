"""Draw what the 3D generator draws: ``python examples/diffusion_generator.py docs``.

Writes ``diffusion_trajectory.png``: eight states of one molecule on its way from noise, as the network expects it to
end; and ``diffusion_samples.png``: the first twenty molecules of the stream, as drawn, those that are not valid framed.
A second argument names another checkpoint than ``diffusion-qm9``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("agg")
mpl.rcParams.update({"font.size": 9})

from ase.data.colors import jmol_colors  # noqa: E402
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.patches import Circle  # noqa: E402

from molaug.generators.diffusion import MoleculeSamples, load_pipeline  # noqa: E402

BOND, WRONG = "#8a949e", "#d9822b"
SHOWN, STEPS, GRID = (0.15, 0.35, 0.42, 0.5, 0.6, 0.75, 0.9, 1.0), 100, (5, 4)


def view(x: np.ndarray) -> np.ndarray:
    """Return the axes along which a molecule is widest, and the third towards the reader, shape (3, 3)."""
    axes: np.ndarray = np.linalg.svd(x - x.mean(0))[2]
    return axes


def ball_and_stick(axes: Any, samples: MoleculeSamples, row: int, turn: np.ndarray | None = None) -> None:
    """Draw one molecule, what is near in front of what is far."""
    z, x, bonds = samples.numbers[row], samples.positions[row], samples.bonds[row]
    seen = (x - x.mean(0)) @ (view(x) if turn is None else turn).T  # (n_atoms, 3)
    depth = (seen[:, 2] - seen[:, 2].min()) / max(float(np.ptp(seen[:, 2])), 1e-9)
    for i, j in np.argwhere(np.triu(bonds[: len(z), : len(z)], 1)):
        along = seen[j, :2] - seen[i, :2]
        aside = 0.09 * np.array([-along[1], along[0]]) / max(float(np.linalg.norm(along)), 1e-9)
        order = int(bonds[i, j])
        for k in range(order):
            ends = seen[[i, j], :2] + (k - (order - 1) / 2) * 2 * aside
            axes.plot(*ends.T, "-", color=BOND, lw=1.6, zorder=2 * min(depth[i], depth[j]), solid_capstyle="round")
    for k in np.argsort(depth):
        radius = 0.17 if z[k] == 1 else 0.3
        axes.add_patch(
            Circle(
                seen[k, :2], radius, facecolor=jmol_colors[z[k]], edgecolor="#3b4652", lw=0.6, zorder=2 * depth[k] + 1
            )
        )
    axes.set_aspect("equal")
    axes.axis("off")
    axes.autoscale_view()


def heavy_graph(axes: Any, samples: MoleculeSamples, row: int, end: np.ndarray) -> None:
    """Draw a graph on the places that its atoms will have, shape (n_heavy, 3)."""
    z, bonds = samples.numbers[row], samples.bonds[row]
    for i, j in np.argwhere(np.triu(bonds[: len(z), : len(z)], 1)):
        axes.plot(*end[[i, j], :2].T, "-", color=BOND, lw=0.8 + 0.8 * int(bonds[i, j]), zorder=0, alpha=0.7)
    for k, number in enumerate(z):
        axes.add_patch(Circle(end[k, :2], 0.3, facecolor=jmol_colors[number], edgecolor="#3b4652", lw=0.6, zorder=1))
    axes.set_aspect("equal")
    axes.axis("off")
    axes.autoscale_view()


def trajectory(path: Path, samples: MoleculeSamples, row: int) -> None:
    """Draw a molecule at some steps: the graph of heavy atoms first, then all atoms."""
    figure, places = plt.subplots(2, 4, figsize=(8.4, 4.4), layout="constrained")
    turn = view(samples.positions[row])
    end = (samples.positions[row] - samples.positions[row].mean(0)) @ turn.T
    for axes, share in zip(places.flat, SHOWN, strict=True):
        step = max(round(share * len(samples.trajectory)) - 1, 0)
        now = samples.trajectory[step]
        if now.coordinates[row].any():
            ball_and_stick(axes, now, row, turn)
        else:
            heavy_graph(axes, now, row, end)
        axes.set_title(f"step {step + 1} of {len(samples.trajectory)}")
    figure.savefig(path, dpi=110)


def grid(path: Path, samples: MoleculeSamples) -> None:
    """Draw the first molecules of the stream."""
    figure, places = plt.subplots(GRID[1], GRID[0], figsize=(8.4, 6.8), layout="constrained")
    for row, (axes, reason) in enumerate(zip(places.flat, samples.graph_reasons(), strict=True)):
        ball_and_stick(axes, samples, row)
        if reason is not None:
            axes.axis("on")
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set_color(WRONG)
    figure.savefig(path, dpi=110)


def main(folder: Path, checkpoint: str = "diffusion-qm9") -> None:
    """Draw both pictures."""
    pipe = load_pipeline(checkpoint)
    samples = pipe(GRID[0] * GRID[1], num_inference_steps=STEPS, seed=0, trajectory=True)
    sound = [k for k, reason in enumerate(samples.reasons()) if reason is None] or list(range(len(samples)))
    rings = samples.bonds.astype(bool).sum((1, 2)) // 2 >= samples.sizes
    trajectory(folder / "diffusion_trajectory.png", samples, next((k for k in sound if rings[k]), sound[0]))
    grid(folder / "diffusion_samples.png", samples)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"), *sys.argv[2:])
