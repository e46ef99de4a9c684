"""Each calculator works in a folder of its own: none reads the files of another, and none leaves any."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.calculators.mixing import SumCalculator

from molaug.structures import Structures
from molaug.structures.calculators import Method
from molaug.structures.calculators.scratch import remove_orphans
from tests.structures.calculators.file_calculators import Careless, PairFiles, pair_energy

MODULE = "tests.structures.calculators.file_calculators"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders: where the user works, and that of temporary files."""
    for name in ("user", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "user")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return tmp_path


def geometries(n: int) -> Structures:
    x = np.random.default_rng(0).normal(size=(n, 3, 3)) + np.arange(3.0)[:, None] * 2
    return Structures.from_arrays([[8, 1, 1]] * n, list(x))


def energies(method: Method, rows: Structures, workers: int = 1) -> list[float]:
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda row: float(method.atoms_of(row).get_potential_energy()), rows))


def right(rows: Structures) -> list[float]:
    return [pair_energy(row.positions)[0] for row in rows]


@pytest.mark.parametrize(
    "calculator",
    [
        f"{MODULE}:PairFiles",
        f"{MODULE}:Careless",
        PairFiles(),
        Careless(),
        PairFiles(directory="mine"),
        Careless(directory="mine"),
        PairFiles(label="mine/water"),
    ],
    ids=["file, place", "careless, place", "file", "careless", "file in a folder", "careless in a folder", "label"],
)
def test_neighbours_at_the_same_time_do_not_meet(calculator: Any, here: Path) -> None:
    rows = geometries(16)
    assert energies(Method(calculator=calculator), rows, workers=4) == pytest.approx(right(rows), abs=1e-12)
    left = [path for path in here.rglob("*") if path.is_file()]
    assert not left
    assert Path.cwd() == here / "user"


def test_an_absolute_folder_of_the_user_is_where_the_folders_are_made(here: Path) -> None:
    (here / "fast").mkdir()
    (here / "fast" / "note").write_text("mine")
    atoms = Method(calculator=PairFiles(directory=str(here / "fast"))).atoms_of(geometries(1)[0])
    atoms.get_potential_energy()
    [made] = [path for path in (here / "fast").iterdir() if path.is_dir()]
    assert sorted(path.name for path in made.iterdir()) == ["pair.in", "pair.out"]
    del atoms
    assert [path.name for path in (here / "fast").iterdir()] == ["note"]


def test_calculators_within_a_calculator_stay_in_its_folder(here: Path) -> None:
    rows = geometries(8)
    both = SumCalculator([PairFiles(directory=str(here / "a")), PairFiles(directory=str(here / "b"))])
    found = energies(Method(calculator=both), rows, workers=4)
    assert found == pytest.approx([2 * energy for energy in right(rows)], abs=1e-12)
    assert not (here / "a").exists()


def test_a_relative_program_and_input_file_mean_what_they_meant(here: Path) -> None:
    (here / "user" / "run.sh").write_text('#!/bin/sh\n. ./settings/python\nexec "$P" "$PROGRAM" pair.in pair.out\n')
    (here / "user" / "run.sh").chmod(0o755)
    (here / "user" / "settings").mkdir()
    program = Path(__file__).with_name("pair_program.py")
    (here / "user" / "settings" / "python").write_text(f"P='{sys.executable}'\nPROGRAM='{program}'\n")
    rows = geometries(2)
    method = Method(calculator=f"{MODULE}:PairFiles", options={"command": "./run.sh", "parameter_dir": "settings"})
    assert energies(method, rows, workers=2) == pytest.approx(right(rows), abs=1e-12)


def test_an_output_of_an_earlier_try_is_not_seen(here: Path) -> None:
    (here / "user" / "pair.out").write_text("-1.0\n")
    (here / "user" / "energy.txt").write_text("old")
    method = Method(calculator=f"{MODULE}:PairFiles", options={"command": "true > pair.out", "txt": "energy.txt"})
    with pytest.raises(IndexError):
        energies(method, geometries(1))
    assert (here / "user" / "pair.out").read_text() == "-1.0\n"


def test_what_a_killed_process_left_is_removed_by_the_next(here: Path) -> None:
    code = (
        "import os, tempfile, numpy as np\n"
        f"tempfile.tempdir = {str(here / 'temporary')!r}\n"
        "from molaug.structures import Structures\n"
        "from molaug.structures.calculators import Method\n"
        "helium = Structures.from_arrays([[2]], [[[0, 0, 0]]])[0]\n"
        f"atoms = Method(calculator={f'{MODULE}:Careless'!r}).atoms_of(helium)\n"
        "atoms.get_potential_energy()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])}
    subprocess.run([sys.executable, "-c", code], check=False, env=environment)
    assert len(list((here / "temporary").iterdir())) == 1
    living = Method(calculator=Careless()).atoms_of(geometries(1)[0])
    living.get_potential_energy()
    remove_orphans()
    [mine] = (here / "temporary").iterdir()
    assert f"-{os.getpid()}-" in mine.name
