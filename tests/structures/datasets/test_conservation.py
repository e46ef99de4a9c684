"""Readers of arrays and archives: rows in are rows out and rows in the audit; arrays that are not read are named."""

from __future__ import annotations

import json
import tarfile
from math import inf, nan
from pathlib import Path

import h5py
import numpy as np
import pytest

from molaug.structures import Structures
from molaug.structures.datasets import Audit, open_dataset
from molaug.structures.datasets.rows import Row, assemble
from molaug.structures.gate import faults, row_fault

N = 8
Z = np.array([8, 1, 1])
SHAPE = np.array([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
ENERGY = -76.3  # Ha


def frames(rng: np.random.Generator) -> np.ndarray:
    return SHAPE + rng.normal(0, 0.03, (N, 3, 3))


def write_ani(path: Path, rng: np.random.Generator) -> None:
    with h5py.File(path, "w") as file:
        for name in ("a", "b"):
            group = file.create_group(f"set/{name}")
            group["species"] = [b"O", b"H", b"H"]
            group["coordinates"] = frames(rng)
            group["energies"] = ENERGY + rng.normal(0, 0.01, N)


def write_ani1x(path: Path, rng: np.random.Generator) -> None:
    with h5py.File(path, "w") as file:
        group = file.create_group("H2O")
        group["atomic_numbers"] = Z
        group["coordinates"] = frames(rng)
        group["wb97x_dz.energy"] = ENERGY + rng.normal(0, 0.01, N)


def write_ani2x(path: Path, rng: np.random.Generator) -> None:
    with h5py.File(path, "w") as file:
        group = file.create_group("003")
        group["species"] = np.tile(Z, (N, 1))
        group["coordinates"] = frames(rng)
        group["energies"] = ENERGY + rng.normal(0, 0.01, N)


def write_md17(path: Path, rng: np.random.Generator) -> None:
    np.savez(path, z=Z, R=frames(rng), E=ENERGY + rng.normal(0, 0.01, N))


def write_compact(path: Path, rng: np.random.Generator) -> None:
    energy = ENERGY + rng.normal(0, 0.01, N)
    np.savez(
        path,
        z=np.tile(Z, N),
        pos=frames(rng).reshape(-1, 3),
        offsets=3 * np.arange(N + 1),
        energy=energy,
        id=np.arange(N),
    )


HDF5 = {"ani.h5": write_ani, "ani1x.h5": write_ani1x, "ani2x.h5": write_ani2x}
NPZ = {"md17.npz": write_md17, "compact.npz": write_compact}


def damaged(values: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Return an array as damaged files hold it; None where it is lost."""
    kind = rng.integers(7)
    if kind == 0 and values.ndim and len(values):
        return values[: rng.integers(len(values))]
    if kind == 1 and values.ndim and len(values):
        return np.concatenate([values, values[:2]])
    if kind == 2 and values.dtype.kind == "f":
        changed = values.copy()
        changed.flat[rng.integers(changed.size)] = rng.choice([np.nan, np.inf, -np.inf, 1e300])
        return changed
    if kind == 3 and values.dtype.kind in "iuf":
        return values.astype(rng.choice(["int64", "float32", "S8"]))
    if kind == 4 and values.dtype.kind in "iu":
        changed = values.astype(np.int64)
        changed.flat[rng.integers(changed.size)] = rng.choice([-1, 0, 119, 300, 1 << 40])
        return changed
    if kind == 5:
        return values[..., None]
    return None


def check(path: Path, least: int) -> None:
    """Every row is accounted for and sound; a file that cannot be read is named in one line."""
    text = None
    try:
        data = open_dataset(path, graphs=False)
        rows = data.read()
    except (ValueError, KeyError) as error:
        text = str(error)
    if text is not None:
        assert str(path) in text
        assert "\n" not in text
        return
    assert data.audit.rows_read == len(rows) + data.audit.n_dropped
    assert data.audit.rows_kept == len(rows)
    assert data.audit.rows_read >= least
    assert not any(faults(rows))


@pytest.mark.parametrize("name", HDF5)
@pytest.mark.parametrize("seed", range(25))
def test_hdf5_with_a_damaged_array(name, seed, tmp_path):
    rng = np.random.default_rng(seed)
    path = tmp_path / name
    HDF5[name](path, rng)
    lengths = []
    with h5py.File(path, "a") as file:
        arrays: list[str] = []
        file.visititems(lambda key, item: arrays.append(key) if isinstance(item, h5py.Dataset) else None)
        chosen = arrays[rng.integers(len(arrays))]
        changed = damaged(file[chosen][()], rng)
        del file[chosen]
        if changed is not None:
            file[chosen] = changed
        lengths += [file[key].shape[0] for key in arrays if key in file and key.endswith("coordinates")]
    check(path, sum(lengths))


@pytest.mark.parametrize("name", NPZ)
@pytest.mark.parametrize("seed", range(25))
def test_npz_with_a_damaged_array(name, seed, tmp_path):
    rng = np.random.default_rng(seed)
    path = tmp_path / name
    NPZ[name](path, rng)
    arrays = dict(np.load(path))
    chosen = rng.choice(sorted(arrays))
    changed = damaged(arrays.pop(chosen), rng)
    np.savez(path, **arrays, **({} if changed is None else {chosen: changed}))
    check(path, N - 1)


@pytest.mark.parametrize("name", [*HDF5, *NPZ])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
def test_a_truncated_file_is_named_in_one_line(name, share, tmp_path):
    path = tmp_path / name
    {**HDF5, **NPZ}[name](path, np.random.default_rng(0))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    check(path, 0)


def test_more_coordinates_than_energies(tmp_path):
    path = tmp_path / "a.h5"
    write_ani(path, np.random.default_rng(0))
    with h5py.File(path, "a") as file:
        energies = file["set/a/energies"][:5]
        del file["set/a/energies"], file["set/b/energies"]
        file["set/a/energies"] = energies[:, None]
        file["set/a/charges"] = np.zeros((N, 3))
        file["set/a/back"] = h5py.SoftLink("/set")
    data = open_dataset(path, graphs=False)
    assert len(data.read()) == 5
    assert data.audit.rows_read == 2 * N
    assert {reason: tally.count for reason, tally in data.audit.dropped.items()} == {
        "unreadable: more coordinates than labels": 3,
        "unlabelled: no energy at this level": N,
    }
    assert list(data.audit.dropped_columns) == ["charges"]
    assert "charges" in str(data.audit)


def test_offsets_beyond_the_atoms_cost_their_molecules(tmp_path):
    path = tmp_path / "a.npz"
    write_compact(path, np.random.default_rng(0))
    arrays = dict(np.load(path))
    arrays["offsets"][4], arrays["offsets"][8] = 1000, 40
    np.savez(path, **arrays, forces=np.zeros((3 * N, 3)))
    data = open_dataset(path, graphs=False)
    assert data.read().column("energy") == pytest.approx(
        list(arrays["energy"][[0, 1, 2, 6]] * 27.211386245988)  # 3 and 4 share the offset, 5 is their neighbour
    )
    assert (data.audit.rows_read, data.audit.n_dropped) == (N, 4)
    assert list(data.audit.dropped_columns) == ["forces"]


XYZ = """3
gdb 7\t157.7\t157.7\t157.7\t0.\t13.2\t-0.38\t0.11\t0.5\t35.3\t0.0447\t-76.4\t-76.3\t-76.3\t-76.5\t6.4
O\t0.0\t0.0\t0.12\t-0.5
H\t0.0\t0.76\t-4.8*^-1\t0.1
H\t0.0\t-0.76\t-0.48\t0.1
1341.3\t1500.1\t3000.2
O\tO
InChI=1S/H2O/h1H2\tInChI=1S/H2O/h1H2
"""


@pytest.mark.parametrize(
    "damage",
    [
        ("3\n", "4\n"),
        ("3\n", "2\n"),
        ("gdb 7", "gdb seven"),
        ("-76.4", "inf"),
        ("0.12", "nan"),
        ("\tO\n", ""),
        ("O\t0.0", "\xff\t0.0"),
        (XYZ, ""),
    ],
)
def test_a_damaged_molecule_of_qm9_costs_its_row(damage, tmp_path):
    for k in range(3):
        (tmp_path / f"dsgdb9nsd_{k}.xyz").write_text(XYZ.replace("gdb 7", f"gdb {k}").replace("0.12", f"0.12{k + 1}"))
    text = XYZ.replace(*damage, 1)
    (tmp_path / "dsgdb9nsd_3.xyz").write_bytes(text.encode("latin-1"))
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for file in sorted(tmp_path.glob("*.xyz")):
            archive.add(file, file.name)
    for source in (tmp_path, tmp_path / "a.tar"):
        data = open_dataset(source, format="qm9")
        rows = data.read()
        assert data.audit.rows_read == 4 == len(rows) + data.audit.n_dropped
        assert len(rows) == (4 if damage[1] == "" and damage[0] == "\tO\n" else 3)


def test_a_line_of_agz7_costs_its_record(tmp_path):
    good = {"id": "w", "zs": [8, 1, 1], "coords": SHAPE.tolist(), "et": [ENERGY], "smi": "O", "mu": 1.8}
    lines = [json.dumps({**good, "coords": (SHAPE + 0.001 * k).tolist()}) for k in range(3)]
    bad = [
        "{",
        "[]",
        json.dumps({**good, "zs": [300, 1, 1]}),
        json.dumps({**good, "coords": [[0, 0]]}),
        json.dumps({**good, "et": [float("inf")]}),
        json.dumps({"id": "x"}),
    ]
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, *bad, json.dumps({**good, "more": 1})]))
    data = open_dataset(tmp_path / "a.jsonl")
    assert len(data.read()) == 4
    assert (data.audit.rows_read, data.audit.n_dropped) == (10, 6)
    assert list(data.audit.dropped_columns) == ["more"]


def test_impossible_rows_of_parquet(tmp_path):
    rows = Structures.from_arrays([Z] * 5, [SHAPE] * 5, energy=[1.0] * 5)
    positions = rows.column("positions")
    positions[1] = [float("nan")] * 9
    rows = rows.with_columns({"positions": positions, "energy": [1.0, 1.0, np.inf, np.nan, 1.0]})
    rows = rows.with_columns({"charge": [0, 0, 0, 0, 40]})
    rows.to_parquet(tmp_path / "a.parquet")
    data = open_dataset(tmp_path / "a.parquet")
    assert data.read().column("energy") == [1.0, None]
    assert (data.audit.rows_read, data.audit.n_dropped) == (5, 3)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"numbers": []}, "no atoms"),
        ({"numbers": [8, 0]}, "dummy atoms"),
        ({"numbers": [8, 119]}, "atomic numbers of no element"),
        ({"numbers": [1.5]}, "no whole numbers"),
        ({"positions": np.zeros((2, 3))}, "positions of a wrong shape"),
        ({"positions": np.full((3, 3), np.inf)}, "positions that are not finite"),
        ({"positions": np.full((3, 3), 1e6)}, "positions beyond"),
        ({"charge": 0.5}, "a charge that is no whole number"),
        ({"charge": 200}, "a charge outside"),
        ({"charge": 11}, "a charge beyond the electrons"),
        ({"multiplicity": 0}, "a multiplicity outside"),
        ({"multiplicity": 2}, "a multiplicity that its electrons cannot have"),
        ({"energy": np.inf}, "an infinite energy"),
        ({"forces": np.zeros((2, 3))}, "forces of a wrong shape"),
        ({"forces": [[0, 0, 0], [0, 0, np.nan], [0, 0, 0]]}, "forces that are not finite"),
    ],
)
def test_what_no_molecule_has(values, text):
    assert text in str(row_fault(**{"numbers": Z, **values}))


def test_what_is_only_missing_passes():
    assert row_fault(numbers=Z, energy=np.nan, forces=np.full((3, 3), np.nan)) is None


STATES = [{"charge": 0.5}, {"charge": 200}, {"multiplicity": 0}, {"multiplicity": 256}, {"multiplicity": -1}]


@pytest.mark.parametrize("values", [*STATES, {"numbers": 300}])
def test_arrays_are_refused_instead_of_wrapped(values):
    last = values.get("numbers", 1)
    with pytest.raises(ValueError, match="row"):
        Structures.from_arrays([[1], [last]], None, **{k: v for k, v in values.items() if k != "numbers"})
    with pytest.raises(ValueError, match="row 1: positions"):
        Structures.from_arrays([[1], [1]], [[[0, 0, 0]], [[0, 0, np.nan]]])


def test_a_property_that_its_unit_makes_infinite_costs_the_row() -> None:
    helium = {"numbers": [2], "positions": [[0.0, 0.0, 0.0]]}
    rows = [Row(name=str(k), **helium, extra={"gap": gap}) for k, gap in enumerate((1.0, inf, nan))]
    audit = Audit(rows_read=3)
    [batch] = assemble(rows, audit, origin="demo")
    assert batch.column("gap") == [1.0, None]
    assert list(audit.dropped) == ["impossible: gap that is not finite"]
