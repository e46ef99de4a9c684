"""The pipeline of the 3D generator: a network, schedulers and what the data were like, kept as one checkpoint."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from rdkit import Chem

from molaug.generators.diffusion.network import MoleculeDenoiser
from molaug.generators.diffusion.particles import Particles, Score
from molaug.generators.diffusion.request import Request
from molaug.generators.diffusion.samples import MoleculeSamples
from molaug.generators.diffusion.sampling import sample_block
from molaug.generators.diffusion.steering import Given, weights_of_sizes
from molaug.generators.graph.scheduler import GraphFlowScheduler
from molaug.generators.graph.steering import Size
from molaug.generators.learned.atom_types import AtomTypes
from molaug.generators.learned.checkpoints import check_checkpoint, checkpoint_folder, seal_checkpoint
from molaug.generators.learned.conditions import standardised
from molaug.generators.learned.pipelines import evaluating, silent

__all__ = ["MoleculePipeline", "MoleculeSamples", "load_pipeline"]


class MoleculePipeline(DiffusionPipeline):  # type: ignore[misc]
    """Draws molecules in space.

    Parameters
    ----------
    network
        Trained.
    graph_scheduler
        Of the flow of types and bonds.
    scheduler
        Of the flow of coordinates: ``FlowMatchEulerDiscreteScheduler``, ``DPMSolverMultistepScheduler`` with
        ``prediction_type="flow_prediction"``, or another of diffusers for flows that takes sigmas.
    domain
        What the data were like: :attr:`molaug.generators.diffusion.data.GeometryData.domain`.
    graph_share
        Share of the steps that go to the graph; the others go to the coordinates.
    distortion
        The times of the coordinates are 1 - (1 - k/K)ᵈ: beyond 1 the steps are short near the end.
    """

    if TYPE_CHECKING:
        network: MoleculeDenoiser
        graph_scheduler: GraphFlowScheduler
        scheduler: Any

    def __init__(
        self,
        network: MoleculeDenoiser,
        graph_scheduler: GraphFlowScheduler,
        scheduler: Any,
        domain: Mapping[str, Any] | None = None,
        graph_share: float = 0.4,
        distortion: float = 1.5,
    ) -> None:
        super().__init__()
        if domain is None:  # a default, because diffusers takes arguments without one for modules
            raise ValueError("domain is missing; expected what GeometryData.domain gives")
        self.register_modules(network=network, graph_scheduler=graph_scheduler, scheduler=scheduler)
        if not (0 < graph_share < 1 and distortion > 0):
            raise ValueError(
                f"graph_share={graph_share}, distortion={distortion}; expected a share and a number of more than 0"
            )
        self.register_to_config(domain=dict(domain), graph_share=graph_share, distortion=distortion)

    def save(self, folder: str | Path) -> None:
        """Write the pipeline as a checkpoint, with weights of half precision.

        Parameters
        ----------
        folder
            ``model_index.json``, and the network and the schedulers in folders of their own.
        """
        halved = copy.deepcopy(self.network).cpu().half()
        copied = {name: self.config[name] for name in ("domain", "graph_share", "distortion")}
        MoleculePipeline(halved, self.graph_scheduler, self.scheduler, **copied).save_pretrained(folder)
        seal_checkpoint(folder)

    @property
    def types(self) -> AtomTypes:
        """Atom types that molecules are made of."""
        return AtomTypes(**{key: tuple(value) for key, value in self.config.domain["types"].items()})

    @property
    def n_max(self) -> int:
        """Atoms of a molecule at most, hydrogens counted."""
        return int(self.config.domain["n_max"])

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the properties that may be asked for."""
        return tuple(self.config.domain["conditions"])

    def __call__(
        self,
        n: int = 1,
        *,
        num_inference_steps: int = 50,
        seed: int = 0,
        start: int = 0,
        temperature: float = 1.0,
        noise: float = 1.0,
        spread: float = 0.0,
        n_atoms: Size | None = None,
        fragment: str | Chem.Mol | None = None,
        graph: str | None = None,
        properties: Mapping[str, float] | None = None,
        guidance_scale: float = 2.0,
        score_fn: Score | None = None,
        particles: int = 4,
        trajectory: bool = False,
        progress: bool = False,
    ) -> MoleculeSamples:
        """Draw molecules.

        Row k depends on the seed, k and the other arguments alone, not on ``n`` or ``start``.

        Parameters
        ----------
        n
            How many.
        num_inference_steps
            Calls of the network for each molecule; more are better and cost more.
        seed
            The one seed.
        start
            Number of the first row.
        temperature
            Of types and bonds: below 1 the network's favourites are drawn more often, above 1 less.
        noise
            Share of the variance of the coordinates' noise that is drawn anew in each step: 0 follows the flow
            alone, 1 forgives errors of earlier steps.
        spread
            Disorder in Å that is left in each coordinate: 0 for the geometries of the data, more for geometries off
            equilibrium.
        n_atoms
            Heavy atoms: a number, a least and a greatest one, or weights by number; as in the data by default.
            Hydrogens are as many as the graph leaves room for.
        fragment
            Heavy atoms that stand in every molecule: a molecule with a conformer, which is kept to the last digit, or
            a SMILES; its attachment points (``*``), if it has any, are the only atoms that grow.
        graph
            SMILES of a molecule of which only coordinates shall be drawn: conformers.
        properties
            Values of the columns that the network was trained with, in their units.
        guidance_scale
            How strongly ``properties`` steer: 0 not at all, 1 as in the data, more beyond.
        score_fn
            From structures to weights of at least 0: molecules are drawn in proportion to them, for instance to the
            uncertainty of a potential.
        particles
            Of each molecule, where there is a ``score_fn``; cost and strength grow with them.
        trajectory
            Keep the molecules at every step.
        progress
            Show a bar.

        Returns
        -------
        MoleculeSamples
            ``n`` rows.

        Raises
        ------
        ValueError
            If an argument is out of its range or asks for what cannot be.

        References
        ----------
        J. Ho and T. Salimans, arXiv:2207.12598 (classifier-free guidance); R. Singhal et al., arXiv:2501.06848
        (particles).
        """
        if n < 0 or start < 0 or num_inference_steps < 2:
            raise ValueError(
                f"n={n}, start={start}, num_inference_steps={num_inference_steps}; expected at least 0, 0 and 2"
            )
        for name, value, sound, expected in (
            ("temperature", temperature, temperature > 0, "more than 0"),
            ("noise", noise, 0 <= noise <= 1, "a share from 0 to 1"),
            ("spread", spread, spread >= 0, "at least 0"),
            ("guidance_scale", guidance_scale, guidance_scale >= 0, "at least 0"),
        ):
            if not (sound and math.isfinite(value)):
                raise ValueError(f"{name} is {value}; expected {expected}")
        if score_fn is not None and trajectory:
            raise ValueError("score_fn and trajectory were given; particles take each other's places, so expected one")
        if fragment is not None and graph is not None:
            raise ValueError("fragment and graph were given; expected one of them")
        given = None
        if fragment is not None:
            given = Given.fragment(fragment, self.types, len(self.config.domain["size_histogram"]) - 1)
        elif graph is not None:
            given = Given.graph(graph, self.types, self.n_max)
        scale = float(self.config.domain["scale"])
        request = Request(
            seed=seed,
            steps=self._steps(num_inference_steps, given),
            distortion=float(self.config.distortion),
            temperature=temperature,
            noise=noise,
            spread=spread / scale,
            guidance=guidance_scale,
            condition=standardised(properties, self.config.domain["conditions"], self.device),
            weights=weights_of_sizes(n_atoms, self.config.domain["size_histogram"], given),
            hydrogens=np.array(self.config.domain["hydrogens"]),
            hydrogen=self.types.index_of(1, 0),
            given=given,
            particles=None
            if score_fn is None
            else Particles(number=particles, score=score_fn, types=self.types, scale=scale),
        )
        self.set_progress_bar_config(disable=not progress)
        began = time.process_time()
        rows = request.rows
        with evaluating(self.network):
            blocks = range(start // rows, max(-(-(start + n) // rows), start // rows + 1))
            parts = [self._rows(request, block, start, start + n, trajectory) for block in self.progress_bar(blocks)]
        return MoleculeSamples.joined(parts, time.process_time() - began)

    def _rows(self, request: Request, block: int, start: int, stop: int, trajectory: bool) -> MoleculeSamples:
        """Return the rows of a block that are in a range."""
        first = block * request.rows
        wanted = np.arange(max(start, first), max(min(stop, first + request.rows), max(start, first))) - first
        if request.particles is not None:
            request.particles.begin()
        drawn = sample_block(self.network, self.graph_scheduler, self.scheduler, request, block, trajectory=trajectory)
        return MoleculeSamples.of(drawn, wanted, self.types, float(self.config.domain["scale"]), self.n_max)

    def _steps(self, steps: int, given: Given | None) -> tuple[int, int]:
        """Return the calls of the network for graph and for coordinates."""
        if given is not None and given.coordinates is None:
            return 1, steps
        graph = min(max(round(float(self.config.graph_share) * steps), 1), steps - 1)
        return graph, steps - graph


def load_pipeline(name: str | Path = "diffusion-qm9", *, device: str | torch.device = "cpu") -> MoleculePipeline:
    """Load a 3D generator.

    Parameters
    ----------
    name
        A shipped checkpoint, or a folder that ``molaug fit diffusion`` or ``save_pretrained`` wrote.
    device
        Where it shall run.

    Returns
    -------
    MoleculePipeline
        In single precision, ready to draw.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If a file of it is damaged.
    """
    folder = checkpoint_folder(name, DiffusionPipeline.config_name, "MoleculePipeline")
    check_checkpoint(folder)
    with silent():
        # without its meta device and without pickles; the former would ask for one more package
        pipeline: MoleculePipeline = MoleculePipeline.from_pretrained(
            folder, local_files_only=True, low_cpu_mem_usage=False, use_safetensors=True
        )
    pipeline.network.float().eval()
    placed: MoleculePipeline = pipeline.to(device)
    return placed
