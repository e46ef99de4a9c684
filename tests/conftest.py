"""Real data for the tests, where it is at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
def oracles(data: Path) -> Path:
    """The outputs of reference programs."""
    folder = data.parent / "oracles"
    if not folder.is_dir():
        pytest.skip(f"reference outputs not found at {folder}")
    return folder
