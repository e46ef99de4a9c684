"""Draw what the samplers of off-equilibrium geometries give: ``python examples/off_equilibrium.py docs``.

Writes ``off_equilibrium.svg``: energies of alanine by normal modes, dynamics and rattling, and a scan of butane; and
``superposed.png``: the geometries themselves. GFN2-xTB, seed 0, about two minutes on one core.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from rdkit import Chem

mpl.use("svg")
mpl.rcParams.update({"svg.hashsalt": "molaug", "svg.fonttype": "none", "font.size": 9})
mpl.rcParams.update({"axes.spines.right": False, "axes.spines.top": False})

from matplotlib import pyplot as plt  # noqa: E402

from molaug.generators import Dynamics, NormalModes, Perturb, Torsions  # noqa: E402
from molaug.structures import Structures  # noqa: E402
from molaug.structures.chemistry import bonds  # noqa: E402

TEAL, GREY, RUST, DARK = "#0b7a75", "#95a2b0", "#b4532a", "#45566a"
COLOURS = {1: "#95a2b0", 6: "#3b4652", 7: "#2f5fb3", 8: "#c0392b"}


def rows(generator: Any, parents: Structures, n: int) -> Structures:
    """All rows that a sampler keeps."""
    every = Structures.concat(generator.propose(parents, n, seed=0))
    return every.filter(every.alive)


def energies(axes: Any, alanine: Structures, sampled: dict[str, Structures]) -> None:
    """Energies above the minimum for each atom, as histograms."""
    n_atoms = int(alanine.n_atoms[0])
    bins = np.linspace(0, 0.16, 65)
    for (name, kept), colour in zip(sampled.items(), (GREY, TEAL, RUST, DARK), strict=True):
        style = {"density": True, "histtype": "step", "lw": 1.6}
        axes.hist(kept.array("sampling_energy") / n_atoms, bins, color=colour, label=name, **style)
    axes.set(xlabel="energy above the minimum / eV per atom", ylabel="density", yticks=[])
    axes.legend(frameon=False, fontsize=8)


def temperatures(axes: Any, alanine: Structures, method: str, n: int) -> None:
    """How many of the geometries along normal modes are still alanine, by temperature."""
    kelvins = (100, 200, 300, 450, 600, 800, 1000, 1500, 2000)
    for name, colour in (("boltzmann", TEAL), ("ani", RUST)):
        samplers = [NormalModes(calculator=method, distribution=name, temperature=float(t)) for t in kelvins]
        kept = [100 * len(rows(sampler, alanine, n)) / n for sampler in samplers]
        axes.plot(kelvins, kept, "o-", ms=3.5, color=colour, label=name)
    axes.set(xlabel="temperature / K", ylabel=f"graph and stereo kept / % of {n}", ylim=(0, 102))
    axes.legend(frameon=False, fontsize=8)


def scan(axes: Any, butane: Structures, methods: tuple[str, ...]) -> None:
    """Energies about the middle bond of butane, minima and barriers marked."""
    for method, colour in zip(methods, (TEAL, GREY), strict=False):
        kept = rows(Torsions(calculator=method, step=15.0, terminal=False), butane, 100)
        angles = np.array(kept.column("angle")) % 360
        energy = kept.array("sampling_energy") * 1000
        order = np.argsort(angles)
        axes.plot(angles[order], energy[order], "-", color=colour, lw=1.4, label=method)
        for what, marker in (("minimum", "v"), ("maximum", "^")):
            chosen = np.array([mark == what for mark in kept.column("stationary")])
            axes.plot(angles[chosen], energy[chosen], marker, color=colour, ms=5)
    axes.set(xlabel="C-C-C-C angle of butane / degrees", ylabel="energy / meV", xticks=range(0, 361, 60))
    axes.legend(frameon=False, fontsize=8)


def tree(axes: Any, alanine: Structures, kept: Structures) -> None:
    """Energies of a tree of rattled and relaxed geometries by generation."""
    generation, n_atoms = np.array(kept.column("generation"), dtype=float), int(alanine.n_atoms[0])
    jitter = np.random.default_rng(0).uniform(-0.25, 0.25, len(generation))
    axes.plot(generation + jitter, kept.array("sampling_energy") / n_atoms, ".", ms=4, color=DARK)
    axes.set(xlabel="generation in the tree", ylabel="energy / eV per atom", ylim=(0, None))


def superposed(axes: Any, kept: Structures, title: str) -> None:
    """Draw 25 geometries over each other, each turned onto the first, seen along its shortest axis."""
    z = kept.numbers[: int(kept.n_atoms[0])]
    xs = kept.positions.reshape(len(kept), len(z), 3)[:25]
    first = xs[0] - xs[0].mean(axis=0)
    plane = np.linalg.svd(first)[2][:2]  # (2, 3)
    pairs = bonds(z, xs[0])
    for x in xs:
        centred = x - x.mean(axis=0)
        u, _, v = np.linalg.svd(centred.T @ first)
        turn = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ v))]) @ v
        flat = centred @ turn @ plane.T  # (n_atoms, 2)
        for i, j in pairs:
            axes.plot(*flat[[i, j]].T, "-", color=GREY, lw=0.5, alpha=0.5, zorder=1)
        axes.scatter(*flat.T, s=np.where(z == 1, 5, 14), c=[COLOURS[int(k)] for k in z], lw=0, alpha=0.6, zorder=2)
    axes.set(title=title, aspect="equal")
    axes.axis("off")


def main(folder: Path, method: str = "gfn2-xtb", n: int = 500) -> None:
    """Draw both pictures."""
    alanine = Structures.from_rdkit(Chem.MolFromSmiles("C[C@H](N)C(=O)O"))
    butane = Structures.from_rdkit(Chem.MolFromSmiles("CCCC"))
    sampled = {
        "normal modes, 300 K": rows(
            NormalModes(calculator=method, energies="calculator", temperature=300.0), alanine, n
        ),
        "normal modes, quantum": rows(
            NormalModes(calculator=method, energies="calculator", distribution="quantum", temperature=300.0), alanine, n
        ),
        "dynamics, 300 K": rows(Dynamics(calculator=method, temperature=300.0, keep=20), alanine, n // 5),
        "rattle and relax, 300 K": rows(Perturb(calculator=method, temperature=300.0), alanine, 3 * n // 5),
    }
    figure, axes = plt.subplots(2, 2, figsize=(9, 6), layout="constrained")
    energies(axes[0, 0], alanine, sampled)
    temperatures(axes[0, 1], alanine, method, n)
    scan(axes[1, 0], butane, (method, "mmff94s"))
    tree(axes[1, 1], alanine, sampled["rattle and relax, 300 K"])
    figure.savefig(folder / "off_equilibrium.svg", metadata={"Date": None})
    figure, axes = plt.subplots(1, 4, figsize=(9, 2.6), layout="constrained")
    superposed(axes[0], sampled["normal modes, 300 K"], "normal modes, 300 K")
    hot = rows(NormalModes(calculator=method, temperature=1000.0), alanine, n)
    superposed(axes[1], hot, "normal modes, 1000 K")
    superposed(axes[2], sampled["dynamics, 300 K"], "dynamics, 300 K")
    superposed(axes[3], sampled["rattle and relax, 300 K"], "rattle and relax")
    figure.savefig(folder / "superposed.png", dpi=180)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
