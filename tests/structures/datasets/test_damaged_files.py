"""Damaged files of foreign origin: every row and every column is handed on or accounted for."""

from __future__ import annotations

import bz2
import gzip
import io
import random
import sqlite3
from contextlib import closing

import ase.db
import numpy as np
import pytest
from ase.build import molecule
from ase.io import write
from ase.units import Hartree
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import AllChem

from molaug.structures import Structures
from molaug.structures.datasets import Dataset, export, open_dataset

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


def _damaged(text: str, rng: random.Random) -> str:
    """Damage one place of a text file: a line deleted, cut or exchanged, a token replaced, the end lost."""
    lines = text.split("\n")
    k = rng.randrange(len(lines) - 1)
    kind = rng.randrange(5)
    if kind == 0:
        del lines[k]
    elif kind == 1:
        lines[k] = lines[k][: rng.randrange(len(lines[k]) + 1)]
    elif kind == 2:
        other = rng.randrange(len(lines) - 1)
        lines[k], lines[other] = lines[other], lines[k]
    elif kind == 3:
        words = lines[k].split(" ")
        words[rng.randrange(len(words))] = rng.choice(["nan", "inf", "text", "-1", "999999999", '"', "1e400"])
        lines[k] = " ".join(words)
    else:
        return text[: rng.randrange(len(text) // 2, len(text))]
    return "\n".join(lines)


def _read(data: Dataset) -> tuple[Structures | None, str]:
    try:
        return data.read(), ""
    except (ValueError, KeyError) as error:
        return None, str(error)


def _whole_files(tmp_path) -> dict[str, tuple[str, int]]:
    """Return the text of a sound file by suffix, and how many rows it has."""
    rows = open_dataset("g2").read().slice(0, 12)
    rng = np.random.default_rng(0)
    rows = rows.with_columns({"energy": rng.normal(size=12), "score": rng.normal(size=12), "tag": ["a b"] * 12})
    found = {}
    for suffix in (".extxyz", ".sdf", ".smi"):
        audit = export(rows, tmp_path / f"whole{suffix}")
        found[suffix] = ((tmp_path / f"whole{suffix}").read_text(), audit.rows_kept)
    smiles = [s for s in rows.column("smiles") if s is not None]
    found[".csv"] = ("smiles,gap\n" + "".join(f'"{s}",1.5\n' for s in smiles), len(smiles))
    return found


@pytest.mark.parametrize("suffix", [".extxyz", ".sdf", ".smi", ".csv"])
def test_rows_in_are_rows_out_and_rows_in_the_audit(suffix, tmp_path):
    text, n = _whole_files(tmp_path)[suffix]
    rng = random.Random(5)
    path = tmp_path / f"damaged{suffix}"
    for _ in range(60):
        damaged = _damaged(text, rng)
        path.write_text(damaged)
        data = open_dataset(path, **({"unique": False} if suffix in (".smi", ".csv") else {}))
        rows, error = _read(data)
        if rows is None:
            assert "\n" not in error
            assert path.name in error
            continue
        audit = data.audit
        assert audit.rows_read == len(rows) + audit.n_dropped
        # one place costs the rows that it touches, the last one where the end is lost; two exchanged lines touch two
        if damaged.count("\n") >= text.count("\n") - 1:
            assert n - 4 <= audit.rows_read <= n + 4
            assert len(rows) >= n - 4
        for name in ("positions", "energy"):
            values = rows.table.column(name).combine_chunks()
            flat = values.flatten() if name == "positions" else values
            assert np.isfinite(np.asarray(flat.drop_null(), dtype=float)).all()
        if suffix in (".extxyz", ".sdf"):
            assert {"score", "tag"} <= {*rows.extra_columns, *audit.dropped_columns}


def test_levels_of_theory_are_not_mixed_by_keys(tmp_path):
    frames = [molecule("H2O") for _ in range(3)]
    for k, frame in enumerate(frames):
        frame.info["energy"] = -2000.0 - k
    frames[1].info["REF_energy"] = -2100.0
    assert open_dataset(frames).read().column("energy") == [-2000.0, -2001.0, -2002.0]
    del frames[1].info["energy"]
    with pytest.raises(ValueError, match="pass energy_key="):
        open_dataset(frames).read()
    chosen = open_dataset(frames, energy_key="energy").read()
    assert chosen.column("energy") == [-2000.0, None, -2002.0]


def test_a_column_has_one_type_over_all_batches(tmp_path):
    frame = "1\nn={} energy=-1.0 pbc=F\nHe 0.0 0.0 0.0\n"
    values = ["1"] * 2100 + ["2.5", "text"]
    (tmp_path / "a.extxyz").write_text("".join(frame.format(value) for value in values))
    data = open_dataset(tmp_path / "a.extxyz")
    assert data.read().column("n")[-3:] == [1.0, 2.5, None]
    assert any("'n' is no number" in text for text in data.audit.noted)
    export(data, tmp_path / "a.parquet")


def test_foreign_keys_are_told_from_own_ones_by_the_content(tmp_path):
    frame = molecule("H2O")
    frame.info.update(id="7", charge=0, multiplicity=1, reason="odd", parent="x", seed=3)
    data = open_dataset([frame])
    rows = data.read()
    assert rows.alive.all()
    assert {"info_id", "info_reason", "info_parent", "info_seed"} <= set(rows.extra_columns)
    assert any("'reason' is column 'info_reason'" in text for text in data.audit.noted)
    own = rows.with_columns({"parent": "0" * 32, "seed": 5, "origin": "conformers"})
    for suffix in (".extxyz", ".db", ".sdf"):
        export(own.with_columns({"smiles": "O"}), tmp_path / f"a{suffix}")
        again = open_dataset(tmp_path / f"a{suffix}").read()[0]
        assert (again.parent, again.seed, again.origin) == ("0" * 32, 5, "conformers"), suffix


def test_values_that_no_column_holds_are_named():
    frame = molecule("H2O")
    frame.info.update(stress=np.eye(3), settings={"a": 1}, authors=["a", "b"])
    frame.arrays["charges"] = np.zeros(3)
    data = open_dataset([frame])
    data.read()
    assert {"stress", "settings", "authors", "charges"} <= set(data.audit.dropped_columns)


@pytest.mark.parametrize(("comment", "energy"), [("-76.41", -76.41), ("-5.07", -5.07), ("-0.31", None), ("-7.5", None)])
def test_a_bare_number_is_an_energy_if_it_has_the_size_of_one(comment, energy, tmp_path):
    (tmp_path / "a.xyz").write_text(WATER.format(comment))
    data = open_dataset(tmp_path / "a.xyz")
    row = data.read()[0]
    assert row.energy == (None if energy is None else pytest.approx(energy * Hartree))
    assert energy is not None or row.extra["comment"] == comment


def test_lists_of_smiles_with_headers_comments_and_names(tmp_path):
    (tmp_path / "a.smi").write_text("SMILES name\n# a comment\nCCO ethyl alcohol\nOCC same\nCCN\n")
    data = open_dataset(tmp_path / "a.smi")
    assert data.read().column("smiles") == ["CCO", "CCN"]
    assert {reason: tally.count for reason, tally in data.audit.dropped.items()} == {
        "a line that names the columns": 1,
        "a comment": 1,
        "duplicate of an earlier row": 1,
    }
    assert "name" in data.audit.dropped_columns


def test_a_file_without_a_usable_row_ends_loudly(tmp_path):
    for name, text in {"a.smi": "C(\nC1\n", "a.sdf": "x\n\n\nbroken\nM  END\n$$$$\n", "a.csv": "smiles\nC(\n"}.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=f"{name}: none of . rows can be used"):
            open_dataset(tmp_path / name).read()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_truncated_packed_file_is_named(pack, tmp_path):
    path = tmp_path / f"a.smi.{'gz' if pack is gzip.compress else 'bz2'}"
    path.write_bytes(pack("\n".join("C" * k for k in range(1, 200)).encode())[:-20])
    with pytest.raises(ValueError, match=f"{path.name}: .*truncated or damaged"):
        open_dataset(path).read()


@pytest.mark.parametrize(("symbol", "kept"), [("D", 1), ("T", 1), ("X", 0), ("Du", 0), ("*", 0), ("R", 0)])
def test_isotopes_are_hydrogen_and_dummies_are_no_atoms(symbol, kept, tmp_path):
    text = WATER.format("first") + WATER.format("x").replace("H 0 0.76", f"{symbol} 0 0.76")
    (tmp_path / "a.xyz").write_text(text)
    data = open_dataset(tmp_path / "a.xyz")
    assert len(data.read()) == 1 + kept
    assert "deuterium or tritium is read as hydrogen" in data.audit.noted if kept else data.audit.n_dropped == 1


def test_text_after_the_atoms_costs_no_frame(tmp_path):
    (tmp_path / "a.xyz").write_text(WATER.format("a") + "\nnormal termination\n\n" + WATER.format("b"))
    data = open_dataset(tmp_path / "a.xyz")
    assert len(data.read()) == 2
    assert data.audit.noted["lines after the atoms are left out"].count == 1


def test_exports_name_what_the_format_cannot_hold(tmp_path):
    rows = (
        open_dataset([molecule("H2O")])
        .read()
        .with_columns(
            {
                "smiles": "O",
                "energy": -1.0,
                "score": 1.5,
                "a b": 2,
                "tag": "two\nlines \u2028 and \r more",
                "dipole": [[0.0, 1.0]],
            }
        )
    )
    assert {"energy", "score", "tag"} <= set(export(rows, tmp_path / "a.smi").dropped_columns)
    assert {"score", "tag"} <= set(export(rows, tmp_path / "a.h5").dropped_columns)
    assert "dipole" in export(rows, tmp_path / "a.sdf").dropped_columns
    assert set(export(rows, tmp_path / "a.extxyz").dropped_columns) == {"a b"}
    assert open_dataset(tmp_path / "a.extxyz").read().column("tag") == rows.column("tag")
    assert set(export(rows, tmp_path / "a.db").dropped_columns) == set()
    assert open_dataset(tmp_path / "a.db").read().column("tag") == rows.column("tag")


def test_a_database_is_not_changed_by_reading(tmp_path):
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table other (id integer)")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"a.db: ASE cannot read it"):
        open_dataset(path).read()
    assert path.read_bytes() == before


def test_v3000_records_and_numbers_of_many_digits(tmp_path):
    mol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    block = Chem.MolToV3KMolBlock(mol) + ">  <big>\n12345678901234567890\n\n$$$$\n"
    (tmp_path / "a.sdf").write_text(block + block.replace("V3000", "V3009"))
    data = open_dataset(tmp_path / "a.sdf")
    row = data.read()[0]
    assert (row.smiles, row.extra["big"]) == ("CCO", "12345678901234567890")
    assert row.positions is not None
    assert (data.audit.rows_read, data.audit.n_dropped) == (2, 1)
