"""Drawing blocks of graphs from a checkpoint: checked beforehand, loaded once in each process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from molaug.generators.graph.steering import Steering
from molaug.generators.learned.atom_types import AtomTypes
from molaug.generators.learned.checkpoints import checkpoint_folder
from molaug.generators.learned.threads import one_thread

if TYPE_CHECKING:
    from molaug.generators.graph.pipeline import GraphPipeline

#: Graphs that the pipeline draws together.
BLOCK = 64

#: What marks a folder as a checkpoint, and the weights in it.
_INDEX, _WEIGHTS = "model_index.json", "network/diffusion_pytorch_model.safetensors"

#: Packages that drawing needs.
_NEEDED = ("torch", "diffusers", "safetensors")


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnGraph:
    """One graph.

    Parameters
    ----------
    smiles
        Canonical, without stereo; None where no valid graph lies near the one that was drawn.
    reason
        Why that is not valid, or None.
    raw_smiles
        What was drawn where it is not valid.
    """

    smiles: str | None
    reason: str | None
    raw_smiles: str | None


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What is to be drawn.

    Parameters
    ----------
    checkpoint
        Name or folder.
    options
        Arguments of the pipeline.
    """

    checkpoint: str
    options: Mapping[str, Any]

    def check(self) -> None:
        """Check packages, checkpoint and options; no network is loaded.

        Raises
        ------
        ImportError
            If a package is missing.
        FileNotFoundError
            If there is no such checkpoint.
        ValueError
            If the checkpoint cannot do what is asked for.
        """
        from molaug.generators.graph import INSTALL

        for package in _NEEDED:
            if find_spec(package) is None:
                raise ImportError(f"the graph generator needs {package}, which is not installed: {INSTALL}")
        folder = checkpoint_folder(self.checkpoint, _INDEX, "GraphPipeline")
        domain = json.loads((folder / _INDEX).read_text(encoding="utf-8")).get("domain", {})
        if "types" not in domain:
            raise ValueError(f"{folder} is no checkpoint of a graph generator; expected what molaug fit graph writes")
        types = AtomTypes(**{key: tuple(value) for key, value in domain["types"].items()})
        asked = self.options
        for name in asked["properties"] or {}:
            if name not in domain["conditions"]:
                known = ", ".join(domain["conditions"]) or "none: train with --conditions"
                raise ValueError(f"properties names {name!r}; {self.checkpoint} knows {known}")
        Steering.of(
            types,
            domain["size_histogram"],
            n_atoms=asked["n_atoms"],
            composition=asked["composition"],
            fragment=asked["fragment"],
        )

    def block(self, seed: int, number: int) -> tuple[DrawnGraph, ...]:
        """Draw graphs; those of the latest blocks are kept in memory.

        Parameters
        ----------
        seed
            The one seed of the run.
        number
            Of the block.

        Returns
        -------
        tuple of DrawnGraph
            Graphs ``number * BLOCK`` and following.
        """
        folder = checkpoint_folder(self.checkpoint, _INDEX, "GraphPipeline").resolve()
        stamps = [(folder / name).stat().st_mtime_ns for name in (_INDEX, _WEIGHTS) if (folder / name).exists()]
        return _block(str(folder), tuple(stamps), json.dumps(self.options, sort_keys=True), seed, number)


@lru_cache(maxsize=4)  # shards that share a block follow each other in one process
def _block(folder: str, stamps: tuple[int, ...], options: str, seed: int, number: int) -> tuple[DrawnGraph, ...]:
    pipeline = _pipeline(folder, stamps)
    with one_thread():
        samples = pipeline(BLOCK, seed=seed, start=number * BLOCK, **json.loads(options))
    return tuple(
        DrawnGraph(smiles=smiles, reason=reason, raw_smiles=None if reason is None else raw)
        for smiles, reason, raw in zip(samples.smiles, samples.reasons, samples.raw_smiles, strict=True)
    )


@lru_cache(maxsize=2)
def _pipeline(folder: str, stamps: tuple[int, ...]) -> GraphPipeline:
    """Load a checkpoint, again where it was written anew."""
    del stamps
    from molaug.generators.graph import load_pipeline

    return load_pipeline(folder)
