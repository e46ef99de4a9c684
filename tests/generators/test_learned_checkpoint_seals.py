"""A damaged checkpoint is an error that names the file; its weights are numbers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("safetensors")
from safetensors.numpy import load_file, save_file

from molaug.generators.learned.checkpoints import CHECKSUMS, check_checkpoint, seal_checkpoint

SHIPPED = Path(__file__).parent.parent.parent / "checkpoints"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "potential"
    shutil.copytree(SHIPPED / "potential-qm9", folder)
    return folder


@pytest.mark.parametrize("name", ["potential-qm9", "graph-qm9", "diffusion-qm9"])
def test_what_is_shipped_is_as_it_was_written(name: str) -> None:
    assert (SHIPPED / name / CHECKSUMS).is_file()
    check_checkpoint(SHIPPED / name)


@pytest.mark.parametrize("name", ["model.safetensors", "rigidity.safetensors", "config.json"])
def test_a_flipped_bit_is_told(checkpoint: Path, name: str) -> None:
    raw = bytearray((checkpoint / name).read_bytes())
    raw[len(raw) // 2] ^= 4
    (checkpoint / name).write_bytes(raw)
    with pytest.raises(ValueError, match=f"{name}: damaged"):
        check_checkpoint(checkpoint)


def test_without_checksums_weights_must_still_be_whole_numbers(checkpoint: Path) -> None:
    (checkpoint / CHECKSUMS).unlink()
    check_checkpoint(checkpoint)
    weights = load_file(checkpoint / "model.safetensors")
    name = next(name for name, tensor in weights.items() if tensor.dtype.kind == "f" and tensor.size > 1)
    weights[name].ravel()[1] = np.nan
    save_file(weights, str(checkpoint / "model.safetensors"))
    with pytest.raises(ValueError, match="not finite"):
        check_checkpoint(checkpoint)
    raw = (checkpoint / "model.safetensors").read_bytes()
    (checkpoint / "model.safetensors").write_bytes(raw[:-100])
    with pytest.raises(ValueError, match=r"model\.safetensors: not a whole"):
        check_checkpoint(checkpoint)


def test_a_changed_checkpoint_can_be_sealed_anew(checkpoint: Path) -> None:
    (checkpoint / "config.json").write_text((checkpoint / "config.json").read_text() + "\n")
    with pytest.raises(ValueError, match="damaged"):
        check_checkpoint(checkpoint)
    seal_checkpoint(checkpoint)
    check_checkpoint(checkpoint)
