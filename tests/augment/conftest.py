"""A small run on real molecules, and what of it must be the same however it came about."""

from __future__ import annotations

import hashlib
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ase.build import molecule
from rdkit import Chem
from rdkit.Chem import AllChem

from molaug import Augmenter
from molaug.isolation import process_context
from molaug.labels import label
from molaug.structures import Structures
from molaug.structures.chemistry import with_smiles

G2 = ("CH3CH2OH", "CH3CONH2", "HCOOCH3", "trans-butane")
SMILES = ("CCCO", "OCCN")


@pytest.fixture(scope="session")
def base() -> Structures:
    """Six molecules labelled with GFN2-xTB."""
    embedded = []
    for smiles in SMILES:
        mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        AllChem.EmbedMolecule(mol, randomSeed=7)
        AllChem.MMFFOptimizeMolecule(mol)
        embedded.append(mol)
    bare = Structures.concat([Structures.from_ase([molecule(name) for name in G2]), Structures.from_rdkit(embedded)])
    rows, _ = with_smiles(bare)
    labelled = label(rows)
    assert labelled.alive.all()
    return labelled


@pytest.fixture(scope="session")
def base_file(base: Structures, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The six molecules as a file."""
    return str(base.to_parquet(tmp_path_factory.mktemp("base") / "six.parquet"))


@pytest.fixture(scope="session")
def settings(base_file: str) -> dict[str, Any]:
    """Arguments of an augmenter: two generators, GFN2-xTB, budget 8, several shards in each stage."""
    return {
        "base": base_file,
        "generators": ["amons", {"conformers": {"n": 3}}],
        "budget": 8,
        "parents_per_shard": 2,
        "labels_per_shard": 2,
    }


@pytest.fixture(scope="session")
def digest() -> Any:
    """A function that gives the checksum of each file of a run that must not depend on how it ran."""

    def files(folder: Path) -> dict[str, str]:
        paths = [path for part in ("dataset", "rejected") for path in sorted((folder / part).rglob("*"))]
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in [*paths, folder / "funnel.json"]
            if path.is_file()
        }

    return files


def _run(settings: dict[str, Any], folder: Path, ready: Any) -> None:
    os.setsid()
    ready.set()
    Augmenter(**settings).run(folder, workers=2)


def _killed(settings: dict[str, Any], folder: Path, delay: float | None, *, whole_group: bool = True) -> bool:
    """Run in a process group of its own until a delay is over; tell whether it had to be killed."""
    context = process_context()
    ready = context.Event()
    process = context.Process(target=_run, args=(settings, folder, ready))
    process.start()
    ready.wait()
    process.join(delay)
    alive = process.is_alive()
    if alive:
        with suppress(ProcessLookupError):
            (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
        process.join()
    # it may have come to its end between the look and the signal
    assert process.exitcode in ((0, -signal.SIGKILL) if alive else (0,))
    return process.exitcode == -signal.SIGKILL


@pytest.fixture(scope="session")
def killed() -> Any:
    """A function that runs an augmenter and kills it after a delay."""
    return _killed
