"""The pipeline of the graph generator: a network, a scheduler and what the data were like, kept as one checkpoint."""

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

from molaug.generators.graph.network import GraphDenoiser
from molaug.generators.graph.samples import GraphSamples
from molaug.generators.graph.sampling import BLOCK, Request, sample_block
from molaug.generators.graph.scheduler import GraphFlowScheduler
from molaug.generators.graph.steering import Composition, Size, Steering
from molaug.generators.learned.atom_types import AtomTypes
from molaug.generators.learned.checkpoints import check_checkpoint, checkpoint_folder, seal_checkpoint
from molaug.generators.learned.conditions import standardised
from molaug.generators.learned.pipelines import evaluating, silent

__all__ = ["GraphPipeline", "GraphSamples", "load_pipeline"]


class GraphPipeline(DiffusionPipeline):  # type: ignore[misc]
    """Draws molecules as graphs of heavy atoms.

    Parameters
    ----------
    network
        Trained.
    scheduler
        Of the flow that it was trained on.
    domain
        What the data were like: :attr:`molaug.generators.graph.data.GraphData.domain`.
    """

    if TYPE_CHECKING:
        network: GraphDenoiser
        scheduler: GraphFlowScheduler

    def __init__(
        self, network: GraphDenoiser, scheduler: GraphFlowScheduler, domain: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        if domain is None:  # a default, because diffusers takes arguments without one for modules
            raise ValueError("domain is missing; expected what GraphData.domain gives")
        self.register_modules(network=network, scheduler=scheduler)
        self.register_to_config(domain=dict(domain))

    def save(self, folder: str | Path) -> None:
        """Write the pipeline as a checkpoint, with weights of half precision.

        Parameters
        ----------
        folder
            ``model_index.json``, and the network and the scheduler in folders of their own.
        """
        halved = copy.deepcopy(self.network).cpu().half()
        GraphPipeline(halved, self.scheduler, domain=self.config.domain).save_pretrained(folder)
        seal_checkpoint(folder)

    @property
    def types(self) -> AtomTypes:
        """Atom types that molecules are made of."""
        return AtomTypes(**{key: tuple(value) for key, value in self.config.domain["types"].items()})

    @property
    def n_max(self) -> int:
        """Heavy atoms of a molecule at most."""
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
        n_atoms: Size | None = None,
        composition: Composition | None = None,
        fragment: str | None = None,
        properties: Mapping[str, float] | None = None,
        guidance_scale: float = 2.0,
        trajectory: bool = False,
        progress: bool = False,
    ) -> GraphSamples:
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
            Below 1 the network's favourites are drawn more often, above 1 less.
        n_atoms
            Heavy atoms: a number, a least and a greatest one, or weights by number; as in the data by default.
        composition
            Heavy atoms of each element: exact, or a least and a greatest number; or a formula such as ``"C6NO2"``.
        fragment
            SMILES of a fragment that stands in every molecule; its attachment points (``*``), if it has any, are the
            only atoms that grow.
        properties
            Values of the columns that the network was trained with, in their units.
        guidance_scale
            How strongly ``properties`` steer: 0 not at all, 1 as in the data, more beyond.
        trajectory
            Keep the state at every step.
        progress
            Show a bar.

        Returns
        -------
        GraphSamples
            ``n`` rows.

        Raises
        ------
        ValueError
            If an argument is out of its range or asks for what cannot be.

        References
        ----------
        J. Ho and T. Salimans, arXiv:2207.12598 (classifier-free guidance).
        """
        if n < 0 or start < 0:
            raise ValueError(f"n={n}, start={start}; expected at least 0")
        for name, value, sound in (
            ("temperature", temperature, temperature > 0),
            ("guidance_scale", guidance_scale, guidance_scale >= 0),
        ):
            if not (sound and math.isfinite(value)):
                raise ValueError(f"{name} is {value}; expected a number {'>' if name == 'temperature' else '>='} 0")
        request = Request(
            seed=seed,
            temperature=temperature,
            guidance=guidance_scale,
            condition=standardised(properties, self.config.domain["conditions"], self.device),
            steering=Steering.of(
                self.types,
                self.config.domain["size_histogram"],
                n_atoms=n_atoms,
                composition=composition,
                fragment=fragment,
            ),
        )
        self.scheduler.set_timesteps(num_inference_steps)
        self.set_progress_bar_config(disable=not progress)
        began = time.process_time()
        with evaluating(self.network):
            blocks = range(start // BLOCK, -(-(start + n) // BLOCK)) if n else range(0)
            parts = [self._rows(request, block, start, start + n, trajectory) for block in self.progress_bar(blocks)]
        return GraphSamples.joined(parts, self.n_max, time.process_time() - began)

    def _rows(self, request: Request, block: int, start: int, stop: int, trajectory: bool) -> GraphSamples:
        """Return the rows of a block that are in a range."""
        first, fragment = block * BLOCK, request.steering.fragment
        return GraphSamples.of(
            sample_block(self.network, self.scheduler, request, block, trajectory=trajectory),
            np.arange(max(start, first), min(stop, first + BLOCK)) - first,
            self.types,
            n_fixed=0 if fragment is None else len(fragment),
            keep_elements=request.steering.counts is not None,
        )


def load_pipeline(name: str | Path = "graph-qm9", *, device: str | torch.device = "cpu") -> GraphPipeline:
    """Load a graph generator.

    Parameters
    ----------
    name
        A shipped checkpoint, or a folder that ``molaug fit graph`` or ``save_pretrained`` wrote.
    device
        Where it shall run.

    Returns
    -------
    GraphPipeline
        In single precision, ready to draw.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If a file of it is damaged.
    """
    folder = checkpoint_folder(name, DiffusionPipeline.config_name, "GraphPipeline")
    check_checkpoint(folder)
    with silent():
        # without its meta device and without pickles; the former would ask for one more package
        pipeline: GraphPipeline = GraphPipeline.from_pretrained(
            folder, local_files_only=True, low_cpu_mem_usage=False, use_safetensors=True
        )
    pipeline.network.float().eval()
    placed: GraphPipeline = pipeline.to(device)
    return placed
