"""Damaged files of foreign origin: every row and every column is handed on or accounted for."""

from __future__ import annotations

import io

import ase.db
import numpy as np
import pytest
from ase.build import molecule
from ase.io import write
from ase.units import Hartree
from hypothesis import given, settings
from hypothesis import strategies as st

from molaug.structures.datasets import open_dataset

WATER = "3\n{}\nO 0 0 0.12\nH 0 0.76 -0.48\nH 0 -0.76 -0.48\n"
RECORD = """{}


  1  0  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 Ne  0  0  0  0  0  0  0  0  0  0  0  0
M  END
>  <REF_energy>
-1.5

>  <source>
text {}

$$$$
"""


def _extxyz(n: int) -> str:
    text = io.StringIO()
    for k in range(n):
        frame = molecule("H2O")
        frame.info["REF_energy"] = -2000.0 - k
        write(text, frame, format="extxyz")
    return text.getvalue()


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(0, 24), what=st.sampled_from(["", "x", "nan", "-7", "3"]))
def test_a_damaged_line_of_an_extxyz_costs_its_frame(tmp_path_factory, cut, what):
    lines = _extxyz(5).splitlines()
    lines[cut] = what
    path = tmp_path_factory.mktemp("damage") / "a.extxyz"
    path.write_text("\n".join(lines) + "\n")
    data = open_dataset(path)
    rows = data.read()
    assert data.audit.rows_read == len(rows) + data.audit.n_dropped
    assert {-2000.0 - k for k in range(5) if k not in (cut // 5 - 1, cut // 5)} <= set(rows.column("energy"))


@pytest.mark.parametrize("damage", [(">  <source>", ">  source"), ("text 1\n\n$$$$", "text 1\n$$$$"), ("V2000", "V9")])
def test_a_damaged_record_of_an_sdf_leaves_the_others(damage, tmp_path):
    records = [RECORD.format(k, k) for k in range(4)]
    records[1] = records[1].replace(*damage)
    (tmp_path / "a.sdf").write_text("".join(records))
    data = open_dataset(tmp_path / "a.sdf")
    rows = data.read()
    assert data.audit.rows_read == 4 == len(rows) + data.audit.n_dropped
    assert {"text 0", "text 2", "text 3"} <= set(rows.column("source"))


def test_molecules_without_a_separator_are_both_counted(tmp_path):
    (tmp_path / "a.sdf").write_text(
        RECORD.format(0, 0).replace("$$$$\n", "") + RECORD.format(1, 1) + RECORD.format(2, 2)
    )
    data = open_dataset(tmp_path / "a.sdf")
    assert len(data.read()) == 1
    assert (data.audit.rows_read, data.audit.n_dropped) == (3, 2)


@pytest.mark.parametrize(
    "comment",
    [
        "      -76.3",
        "-76.3 converged=true",
        " energy: -76.3 gnorm: 0.01 xtb: 6.5",
        "Coordinates from ORCA-job w E -76.3",
    ],
)
def test_energies_in_comment_lines_are_in_hartree(comment, tmp_path):
    (tmp_path / "a.xyz").write_text(WATER.format(comment) * 2)
    data = open_dataset(tmp_path / "a.xyz")
    rows = data.read()
    assert rows.column("energy") == pytest.approx([-76.3 * Hartree] * 2)
    assert rows.extra_columns == []
    assert "Ha" in data.audit.detected["energy"]


def test_a_file_of_periodic_frames_ends_loudly(tmp_path):
    frame = molecule("H2O", vacuum=3.0)
    frame.pbc = True
    write(tmp_path / "a.extxyz", [frame] * 2)
    with pytest.raises(ValueError, match="2 periodic"):
        open_dataset(tmp_path / "a.extxyz").read()


def test_info_of_other_programs_rejects_no_row(tmp_path):
    frame = molecule("H2O")
    frame.info.update(reason="initial", seed="abc", parent=7, level=3)
    rows = open_dataset([frame]).read()
    assert rows.alive.all()
    assert {"info_reason", "info_seed", "info_parent", "info_level"} <= set(rows.extra_columns)


def test_units_of_a_database_stand_in_its_metadata(tmp_path):
    frame = molecule("H2O")
    with ase.db.connect(tmp_path / "a.db") as database:
        database.metadata = {
            "_property_unit_dict": {"energy": "kcal/mol", "forces": "kcal/mol/Ang"},
            "_distance_unit": "Ang",
        }
        database.write(frame, data={"energy": np.array([-47880.0]), "forces": np.ones((3, 3))})
    row = open_dataset(tmp_path / "a.db").read()[0]
    assert row.energy == pytest.approx(-47880.0 * 0.0433641)
    assert row.forces == pytest.approx(np.full((3, 3), 0.0433641), rel=1e-5)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_byte_order_marks(encoding, tmp_path):
    (tmp_path / "a.csv").write_text("smiles;name\nCCO;a\n", encoding=encoding)
    (tmp_path / "a.xyz").write_text(WATER.format("water"), encoding=encoding)
    assert open_dataset(tmp_path / "a.csv").read().column("smiles") == ["CCO"]
    assert len(open_dataset(tmp_path / "a.xyz").read()) == 1


def test_a_csv_without_a_header(tmp_path):
    (tmp_path / "a.csv").write_text("CCO,1\nCCN,2\n")
    with pytest.raises(ValueError, match="no header"):
        open_dataset(tmp_path / "a.csv").read()
