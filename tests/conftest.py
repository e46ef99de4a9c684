"""Real data for the tests, where it is at hand."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from rdkit import Chem
from rdkit.Chem import Crippen, rdDistGeom, rdForceFieldHelpers

from molaug.structures import Structures
from molaug.structures.chemistry import canonical

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real QM9, ANI-1 and AMON data."""
    folder = Path(os.environ.get("MOLAUG_DATA", ROOT / "../shared/data"))
    if not (folder / "qm9").is_dir():
        pytest.skip(f"reference data not found at {folder}; set MOLAUG_DATA to their folder")
    return folder.resolve()


@pytest.fixture(scope="session")
def tiny_graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny graph generator, trained for a second, which knows the property ``gap``.

    It is called as the one that is shipped: with its parent as ``$MOLAUG_CHECKPOINTS`` it takes the place of that.
    """
    torch = pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    pytest.importorskip("pytorch_lightning")
    from molaug.generators.graph import GraphData, GraphFlow

    folder = tmp_path_factory.mktemp("checkpoints") / "graph-qm9"
    names = ["CCO", "CC=O", "CCN", "COC", "CC#N", "NC=O", "C1CC1", "CCF", "CC(C)O", "CC(O)F", "CC(N)O", "CC(F)N"]
    names += ["CN(C)C", "CCOC", "OCCO", "NCC=O"]
    table = folder.with_suffix(".csv")
    table.write_text("smiles,gap\n" + "\n".join(f"{name},{len(name)}" for name in names) + "\n")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        data = GraphData([str(table)], conditions=["gap"])
        model = GraphFlow(domain=data.domain, width=32, layers=2, heads=4, pair_width=8)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        batch = {key: torch.cat([value] * 6) for key, value in next(iter(data.train_dataloader())).items()}
        for _ in range(120):
            losses = model.losses(batch, None)
            optimizer.zero_grad()
            (losses["atoms"] + 5.0 * losses["bonds"]).backward()
            optimizer.step()
    model.pipeline().save(folder)
    return folder


@pytest.fixture(scope="session")
def small_molecules() -> Structures:
    """Fifty-nine molecules of at most 14 atoms with MMFF94s geometries, SMILES and the column ``refractivity``."""
    names = "C N O CC CN CO C=C C=O N=C C#N C#C CCC CCO CCN COC CNC CC=O CC=C CC#C CC#N NC=O C1CC1 C1CO1 C1CN1 CCF CF "
    names += "FC=O OC=O CC(C)C CCCC CC(C)O CC(N)=O CC(=O)O COC=O CN(C)C CC(C)=O CC(C)=C CCC=O CCC#N NCC#N OCC=O CCCO "
    names += (
        "CCCN CCOC COCO OCCO NCCO NCCN C1CCC1 C1COC1 C1CNC1 CC1CC1 CC1CO1 OC1CC1 NC1CC1 C=CC=C C=CC=O C#CC=O CC(F)F "
    )
    names += "CC(C)N"
    mols = []
    for name in names.split():
        mol = Chem.AddHs(Chem.MolFromSmiles(name))
        assert rdDistGeom.EmbedMolecule(mol, randomSeed=1) == 0
        assert rdForceFieldHelpers.MMFFOptimizeMolecule(mol, mmffVariant="MMFF94s", maxIters=2000) == 0
        mols.append(mol)
    return Structures.from_arrays(
        [[atom.GetAtomicNum() for atom in mol.GetAtoms()] for mol in mols],
        [mol.GetConformer().GetPositions() for mol in mols],
        smiles=[canonical(Chem.RemoveHs(mol)) for mol in mols],
        extra={"refractivity": [Crippen.MolMR(mol) for mol in mols]},
    )


@pytest.fixture(scope="session")
def tiny_diffusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny 3D generator, which knows the property ``refractivity``.

    It learned for seconds from those of ``small_molecules`` that have at most eleven atoms: most of its graphs, of at
    most three heavy atoms, are sound, and its geometries are blurred. It is called as the one that is shipped, see
    ``tiny_graphs``.
    """
    pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    folder = tmp_path_factory.mktemp("checkpoints") / "diffusion-qm9"
    return Path(shutil.copytree(ROOT / "tests" / "generators" / "diffusion" / "data" / "checkpoint-v1", folder))


@pytest.fixture(scope="session")
def oracles(data: Path) -> Path:
    """The outputs of reference programs."""
    folder = data.parent / "oracles"
    if not folder.is_dir():
        pytest.skip(f"reference outputs not found at {folder}")
    return folder
