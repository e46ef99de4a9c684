"""Runs that sample off equilibrium: the same bytes however they ran, and every row says what it is."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase.calculators.lj import LennardJones

from molaug import Augmenter
from molaug.config import load_config
from molaug.generators import NormalModes
from molaug.registry import ConfigurationError
from molaug.structures import Structures
from molaug.structures.chemistry import lay_graph

Digest = Callable[[Path], dict[str, str]]
Killed = Callable[..., bool]

DYNAMICS = {"equilibration": 20, "pilot": 20, "min_spacing": 2, "max_spacing": 5, "pool": 6, "keep": 3}


@pytest.fixture(scope="module")
def sampling(base_file: str) -> dict[str, Any]:
    """All samplers on the surface of a force field, labels by GFN2-xTB."""
    return {
        "base": base_file,
        "generators": [
            {"normal-modes": {"calculator": "mmff94s", "temperature": [300.0, 600.0], "n": 6}},
            {"dynamics": {"calculator": "mmff94s", "n": 3, **DYNAMICS}},
            {"torsions": {"calculator": "mmff94s", "step": 60.0, "n": 4}},
            {"perturb": {"calculator": "mmff94s", "n": 4}},
        ],
        "budget": 12,
        "parents_per_shard": 2,
        "labels_per_shard": 2,
    }


@pytest.fixture(scope="module")
def reference(sampling: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in one process, from beginning to end."""
    return Augmenter(**sampling).run(tmp_path_factory.mktemp("sampling") / "run").folder


def test_displaced_rows_are_labelled_and_keep_what_is_known_of_them(reference: Path, base: Structures) -> None:
    rows = Structures.from_parquet(reference / "dataset")
    new = rows.slice(len(base))
    assert len(new) == 12
    assert set(new.column("origin")) == {"normal-modes", "dynamics", "torsions", "perturb"}
    assert all(new.column("displaced"))
    assert all(new.column("intact"))
    assert set(new.column("sampling_method")) == {"mmff94s"}
    assert np.isfinite(new.array("sampling_energy")).all()
    assert set(new.column("level")) == {"gfn2-xtb"}
    for row in new:
        assert row.positions is not None
        assert lay_graph(str(row.smiles), row.numbers, row.positions).reason is None
    assert set(new.column("parent")) <= set(base.ids)


def test_displaced_rows_lie_above_the_minimum(reference: Path, base: Structures) -> None:
    """The force field and GFN2-xTB agree that what is far up for the one is far up for the other."""
    new = Structures.from_parquet(reference / "dataset").slice(len(base))
    smiles = dict(zip(base.ids, base.array("energy").tolist(), strict=True))
    above = new.array("energy") - np.array([smiles[parent] for parent in new.column("parent")])
    assert np.median(above) > 0.02
    assert np.corrcoef(above, new.array("sampling_energy"))[0, 1] > 0.7


def test_two_workers_give_the_same_bytes(
    reference: Path, sampling: dict[str, Any], tmp_path: Path, digest: Digest
) -> None:
    Augmenter(**sampling).run(tmp_path / "run", workers=2)
    assert digest(tmp_path / "run") == digest(reference)


@pytest.mark.slow
def test_runs_killed_at_any_moment_give_the_same_bytes_in_the_end(
    reference: Path, sampling: dict[str, Any], tmp_path: Path, digest: Digest, killed: Killed
) -> None:
    begin = time.perf_counter()
    killed(sampling, tmp_path / "measured", None)
    duration = time.perf_counter() - begin
    rng = random.Random(7)
    kills = 0
    for number in range(2):
        folder = tmp_path / f"run-{number}"
        kills += sum(killed(sampling, folder, rng.uniform(0.1, 0.9) * duration, whole_group=k == 0) for k in range(2))
        assert not killed(sampling, folder, None)
        assert digest(folder) == digest(reference)
    assert kills >= 2


def test_broken_bonds_are_kept_on_request_and_said_to_be(base_file: str, tmp_path: Path) -> None:
    hot = {"calculator": "mmff94s", "temperature": 6000.0, "n": 20}
    made = {}
    for allowed in (False, True):
        generators = [{"normal-modes": {**hot, "bond_breaking": allowed}}]
        settings: dict[str, Any] = {"label": None, "budget": None, "emit": "new", "select": "random"}
        made[allowed] = Augmenter(base=base_file, generators=generators, **settings).run(tmp_path / str(allowed))
    strict, loose = (made[key].structures() for key in (False, True))
    assert all(strict.column("intact"))
    broken = loose.filter(np.array([intact is False for intact in loose.column("intact")]))
    assert len(broken) > 10
    parents = {row.id: row.smiles for row in Structures.from_parquet(Path(base_file))}
    assert all(row.smiles != parents[str(row.parent)] for row in broken)
    reasons = {str(reason) for reason in made[False].rejected().column("reason")}
    assert "normal-modes: its bonds are not those of the parent" in reasons
    assert not any("bonds are not" in str(reason) for reason in made[True].rejected().column("reason"))


def test_a_calculator_of_ones_own_is_written_down_and_read_again(base_file: str, tmp_path: Path) -> None:
    argon = LennardJones(sigma=3.0, rc=20.0)
    augmenter = Augmenter(base=base_file, generators=[NormalModes(calculator=argon)], label=None)
    options = augmenter.resolved()["generators"][0]["normal-modes"]["calculator"]
    assert options["calculator"] == "ase.calculators.lj:LennardJones"
    assert options["options"]["sigma"] == 3.0
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(augmenter.resolved()))
    assert Augmenter.from_config(load_config(tmp_path / "again.yaml")).resolved() == augmenter.resolved()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calculator": "gfn2"}, "did you mean 'gfn2-xtb'"),
        ({"calculator": {"calculater": "gfn2-xtb"}}, "unknown option 'calculater'; did you mean 'calculator'"),
        ({"calculator": "ase.calculators.lj:LennardJones", "temperatur": 300.0}, "did you mean 'temperature'"),
        ({"calculator": {"calculator": "ase.calculators.lj:Jones"}}, "cannot be imported"),
    ],
)
def test_a_wrong_calculator_stops_before_anything_is_computed(
    options: dict[str, Any], message: str, base_file: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Augmenter(base=base_file, generators=[{"normal-modes": options}], label=None).plan()
