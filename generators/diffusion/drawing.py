"""Drawing blocks of molecules in space from a checkpoint: checked beforehand, loaded once in each process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdkit import Chem

from molaug.generators.diffusion.steering import Given, weights_of_sizes
from molaug.generators.learned.atom_types import AtomTypes
from molaug.generators.learned.checkpoints import checkpoint_folder
from molaug.generators.learned.threads import one_thread

if TYPE_CHECKING:
    from molaug.generators.diffusion.pipeline import MoleculePipeline

#: Molecules that the pipeline draws together.
BLOCK = 64

#: What marks a folder as a checkpoint, and the weights in it.
_INDEX, _WEIGHTS = "model_index.json", "network/diffusion_pytorch_model.safetensors"

#: Packages that drawing needs.
_NEEDED = ("torch", "diffusers", "safetensors")


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
        from molaug.generators.diffusion import INSTALL

        for package in _NEEDED:
            if find_spec(package) is None:
                raise ImportError(f"the 3D generator needs {package}, which is not installed: {INSTALL}")
        domain, asked = self._domain, self.options
        for name in asked.get("properties") or {}:
            if name not in domain["conditions"]:
                known = ", ".join(domain["conditions"]) or "none: train with data.conditions"
                raise ValueError(f"properties names {name!r}; {self.checkpoint} knows {known}")
        given = None
        if asked.get("fragment") is not None:
            given = Given.fragment(asked["fragment"], _types(domain), len(domain["size_histogram"]) - 1)
        weights_of_sizes(asked.get("n_atoms"), domain["size_histogram"], given)

    def refusal(self, graph: str) -> str | None:
        """Tell why no geometry of a molecule can be drawn.

        Parameters
        ----------
        graph
            SMILES.

        Returns
        -------
        str or None
            None where it can.
        """
        domain = self._domain
        try:
            Given.graph(graph, _types(domain), int(domain["n_max"]))
        except ValueError as error:
            return str(error)
        return None

    def block(self, seed: int, number: int, graph: str | None = None) -> tuple[Chem.Mol, ...]:
        """Draw molecules; those of the latest blocks are kept in memory.

        Parameters
        ----------
        seed
            Of the stream.
        number
            Of the block.
        graph
            SMILES of a molecule of which only coordinates shall be drawn.

        Returns
        -------
        tuple of rdkit.Chem.Mol
            Molecules ``number * BLOCK`` and following, with the bonds of the network and a conformer, all hydrogens
            explicit, neither checked nor sanitised.
        """
        folder = self._folder.resolve()
        stamps = [(folder / name).stat().st_mtime_ns for name in (_INDEX, _WEIGHTS) if (folder / name).exists()]
        options = json.dumps({**self.options, "graph": graph}, sort_keys=True)
        return _block(str(folder), tuple(stamps), options, seed, number)

    @property
    def _folder(self) -> Path:
        return checkpoint_folder(self.checkpoint, _INDEX, "MoleculePipeline")

    @property
    def _domain(self) -> dict[str, Any]:
        folder = self._folder
        domain: dict[str, Any] = json.loads((folder / _INDEX).read_text(encoding="utf-8")).get("domain", {})
        if not {"types", "scale", "hydrogens"} <= domain.keys():  # molecules drawn as graphs have no scale
            raise ValueError(f"{folder} is no checkpoint of a 3D generator; expected what molaug fit diffusion writes")
        return domain


def _types(domain: Mapping[str, Any]) -> AtomTypes:
    return AtomTypes(**{key: tuple(value) for key, value in domain["types"].items()})


@lru_cache(maxsize=4)  # shards that share a block follow each other in one process
def _block(folder: str, stamps: tuple[int, ...], options: str, seed: int, number: int) -> tuple[Chem.Mol, ...]:
    pipeline = _pipeline(folder, stamps)
    with one_thread():
        return tuple(pipeline(BLOCK, seed=seed, start=number * BLOCK, **json.loads(options)).drawn())


@lru_cache(maxsize=2)
def _pipeline(folder: str, stamps: tuple[int, ...]) -> MoleculePipeline:
    """Load a checkpoint, again where it was written anew."""
    del stamps
    from molaug.generators.diffusion import load_pipeline

    return load_pipeline(folder)
