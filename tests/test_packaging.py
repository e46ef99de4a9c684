"""What a user installs: everything of the tree, under one name, quick to import."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOMS = {"augment": "molaug", **{room: f"molaug/{room}" for room in ("structures", "generators", "filters")}}
HEAVY = {"ase", "matplotlib", "numpy", "pandas", "pyarrow", "pydantic", "rdkit", "scipy", "sklearn", "torch", "yaml"}


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names of the files in a wheel built from a copy of the tree."""
    copy = tmp_path_factory.mktemp("tree")
    for name in (*ROOMS, "checkpoints"):
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(root / name, copy / name)
    build = "from setuptools.build_meta import build_wheel; build_wheel('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True)
    [built] = (copy / "dist").glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


def files_of(root: Path, room: str, pattern: str) -> set[str]:
    found = (path.relative_to(root / room) for path in (root / room).rglob(pattern) if path.is_file())
    return {f"{ROOMS[room]}/{path.as_posix()}" for path in found}


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_is_in_the_wheel(root: Path, wheel: list[str], room: str) -> None:
    expected = files_of(root, room, "*.py")
    assert expected
    assert expected <= set(wheel)


def test_data_files_are_in_the_wheel(root: Path, wheel: list[str]) -> None:
    expected = {
        "molaug/py.typed",
        *files_of(root, "augment", "*.j2"),
        *files_of(root, "structures", "*.yaml"),
        *(
            f"molaug/checkpoints/{path.relative_to(root / 'checkpoints').as_posix()}"
            for path in (root / "checkpoints").rglob("*")
            if path.is_file() and path.suffix not in {".py", ".pyc"}
        ),
    }
    assert len(expected) > 12
    assert expected <= set(wheel)


def test_one_name_reaches_site_packages(wheel: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"molaug"}


def test_no_test_or_benchmark_is_shipped(wheel: list[str]) -> None:
    assert not [name for name in wheel if re.search(r"(^|/)(tests|benchmarks|examples|docs)/", name)]


def test_importing_molaug_imports_nothing_heavy() -> None:
    code = "import sys, molaug; dir(molaug); print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "molaug" in loaded
    assert HEAVY.isdisjoint(loaded)


def test_asking_for_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom molaug.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "usage: molaug" in done.stdout
    assert HEAVY.isdisjoint(done.stderr.split())


def test_every_public_name_resolves() -> None:
    import molaug
    import molaug.filters
    import molaug.generators

    for package in (molaug, molaug.generators, molaug.filters):
        for name in package.__all__:
            assert getattr(package, name) is not None
        with pytest.raises(AttributeError):
            _ = package.no_such_name


def test_constraints_name_every_direct_dependency(root: Path) -> None:
    def normal(requirement: str) -> str:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        assert name is not None
        return re.sub(r"[-_.]+", "-", name.group().lower())

    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(r for part in project["optional-dependencies"].values() for r in part)]
    lines = (root / "constraints.txt").read_text().splitlines()
    pinned = {normal(line): line for line in lines if line and not line.startswith("#")}
    assert {normal(r) for r in wanted} - {"molaug"} <= set(pinned)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in pinned.values())
    assert pinned["torch"].count("+") == 0  # the CPU and the CUDA build are one version
