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
def oracles(data: Path) -> Path:
    """The outputs of reference programs."""
    folder = data.parent / "oracles"
    if not folder.is_dir():
        pytest.skip(f"reference outputs not found at {folder}")
    return folder
