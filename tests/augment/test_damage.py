"""Damage to the files of a run is told, or made good; it never passes for data."""

from __future__ import annotations

import hashlib
import random
import shutil
from pathlib import Path

import pytest
from ase.build import molecule

from molaug import Augmenter
from molaug.cli import main
from molaug.registry import ConfigurationError
from molaug.structures import Structures
from molaug.structures.datasets import open_dataset
from molaug.structures.doors.parquet import to_parquet
from molaug.structures.doors.seal import DamagedFileError, check_seal

#: A small run: few labels, several shards of each stage.
RUN = Augmenter(
    base=[molecule(name) for name in ("CH3CH2OH", "CH3OH", "H2O", "NH3")],
    generators=["amons", {"conformers": {"n": 2}}],
    base_labels="relabel",
    budget=8,
    parents_per_shard=2,
    labels_per_shard=4,
    formats=("extxyz",),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damage") / "run"
    RUN.run(folder)
    return folder


def handed_out(folder: Path) -> dict[str, str]:
    """The checksums of what a run hands out."""
    files = [*folder.glob("dataset.*"), *(folder / "dataset").rglob("*"), *(folder / "rejected").rglob("*")]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()
    }


def interrupted(finished: Path, place: Path, gone: tuple[str, ...]) -> Path:
    """A copy of the run without some of its folders and files."""
    shutil.copytree(finished, place)
    for name in gone:
        for path in place.glob(name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return place


def outcome(run: Path) -> str | None:
    """Go on with a run; None, or what it stops with."""
    try:
        RUN.run(run)
    except ConfigurationError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    "gone",
    [
        (),
        ("dataset*", "rejected", "checksums.txt", "report.html", "funnel.json"),
        ("dataset*", "rejected", "checksums.txt", "work/label", "work/select"),
    ],
    ids=["finished", "before it was handed out", "before it was labelled"],
)
def test_a_flipped_bit_is_told_or_made_good(finished: Path, tmp_path: Path, gone: tuple[str, ...]) -> None:
    rng = random.Random(0)
    expected = handed_out(finished)
    whole = interrupted(finished, tmp_path / "whole", gone)
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file() and path.stat().st_size)
    told = 0
    for number in range(14):
        run = tmp_path / f"run-{number}"
        shutil.copytree(whole, run)
        path = run / rng.choice(files)
        raw = bytearray(path.read_bytes())
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        path.write_bytes(raw)
        error = outcome(run)
        if error is None:
            assert handed_out(run) == expected
        else:
            told += 1
            assert path.name in error or "configuration" in error
            assert "\n" not in error
        shutil.rmtree(run)
    assert told


def test_what_the_error_says_to_delete_is_made_anew(finished: Path, tmp_path: Path) -> None:
    run = interrupted(finished, tmp_path / "run", ())
    for place in ("work/label/part-00000.parquet", "work/base/read.json", "dataset/shards/part-00000.parquet"):
        path = run / place
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(ConfigurationError, match="Delete") as told:
            RUN.run(run)
        stale = Path(str(told.value).rpartition("Delete ")[2].partition(" and run again")[0])
        shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
        RUN.run(run)
        assert handed_out(run) == handed_out(finished)


def test_a_shard_in_the_place_of_another_is_told(finished: Path, tmp_path: Path) -> None:
    run = interrupted(finished, tmp_path / "run", ("dataset*", "checksums.txt"))
    shutil.copy(run / "work/label/part-00000.parquet", run / "work/label/part-00001.parquet")
    with pytest.raises(ConfigurationError, match="not the file that belongs here"):
        RUN.run(run)


def test_work_without_its_configuration_is_refused(finished: Path, tmp_path: Path) -> None:
    run = interrupted(finished, tmp_path / "run", ("config.yaml",))
    with pytest.raises(ConfigurationError, match=r"config\.yaml is missing"):
        RUN.run(run)
    (run / "config.yaml").write_text("")
    with pytest.raises(ConfigurationError, match=r"config\.yaml: damaged"):
        RUN.run(run)
    (run / "config.yaml").write_bytes(b"a: [\xff")
    with pytest.raises(ConfigurationError, match=r"config\.yaml: damaged"):
        RUN.run(run)


def test_a_dataset_is_compared_with_its_card(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    dataset = tmp_path / "dataset"
    shutil.copytree(finished / "dataset", dataset)
    assert len(open_dataset(dataset).read())
    other = Structures.from_ase(molecule("CH4"))
    to_parquet(other, dataset / "shards" / "part-00001.parquet")
    with pytest.raises(ValueError, match=r"part-00001\.parquet: is not listed"):
        open_dataset(dataset)
    (dataset / "shards" / "part-00001.parquet").unlink()
    to_parquet(other, dataset / "shards" / "part-00000.parquet")
    with pytest.raises(ValueError, match="its sha256 is not that of the card"):
        open_dataset(dataset).read()
    assert main(["validate", str(dataset)]) == 1
    (dataset / "shards" / "part-00000.parquet").unlink()
    with pytest.raises((ValueError, FileNotFoundError), match=r"shards|parquet"):
        open_dataset(dataset)


def test_every_bit_of_a_sealed_file_counts(tmp_path: Path) -> None:
    path = to_parquet(Structures.from_ase([molecule(name) for name in ("CH4", "H2O")]), tmp_path / "a.parquet")
    assert check_seal(path)
    raw = path.read_bytes()
    rng = random.Random(1)
    for _ in range(300):
        flipped = bytearray(raw)
        flipped[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        try:
            assert not check_seal(path)  # the name of the seal itself was hit: the file counts as one without
        except DamagedFileError:
            continue
