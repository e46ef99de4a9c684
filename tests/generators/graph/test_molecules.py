"""Molecules to learn from: each once, as arrays that draw the molecule again, in one part, with averaged columns."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from rdkit import Chem

from molaug import Structures
from molaug.generators.graph import molecules as module
from molaug.generators.graph.kekule import drawn, encode
from molaug.generators.graph.molecules import N_ORDERS, Molecules
from molaug.generators.graph.sources import read_rows
from molaug.generators.learned.atom_types import AtomTypes
from molaug.structures.chemistry import canonical, parse
from molaug.structures.split import split_of

SMILES = ["OCC", "C(O)C", "c1ccccc1O", "C[C@H](O)F", "C[N+](=O)[O-]", "N#CC", "CCCCCCCCCCCC", "[2H]C", "C[SiH](C)C"]
SMILES += ["[H][H]", "C[O]"]


class Data:
    """As torch-geometric's: attributes by name."""

    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lists") / "some.csv"
    rows = ["SMILES,gap,charge", "OCC,2.0,", "CCO,4.0,1", "CCO,,1", "CC,,0", "C(,1.0,1", ",3.0,1", "CC.C,1,1"]
    path.write_text("\ufeff" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def molecules() -> Molecules:
    return Molecules.read([Data(smiles=text) for text in SMILES])


def test_each_molecule_occurs_once_under_its_canonical_name(molecules: Molecules) -> None:
    expected = dict.fromkeys(canonical(parse(text), isomeric=False) for text in SMILES[:-2])
    assert molecules.smiles == tuple(expected)
    assert molecules.rejected == {
        "the molecule occurred before": 1,
        "a hydrogen that cannot be implied": 1,
        "atom O has an unpaired electron": 1,
    }


def test_arrays_draw_the_molecules_again(molecules: Molecules) -> None:
    for mol, name in zip(drawn(molecules.graphs, molecules.types), molecules.smiles, strict=True):
        Chem.SanitizeMol(mol)
        assert Chem.MolToSmiles(mol) == name


def test_types_and_arrays_are_those_of_the_encoding(molecules: Molecules) -> None:
    mols = [parse(name) for name in molecules.smiles]
    assert molecules.types == AtomTypes.of(mols)
    graphs, _ = encode(mols, molecules.types, molecules.graphs.n_max)
    np.testing.assert_array_equal(graphs.atoms, molecules.graphs.atoms)
    np.testing.assert_array_equal(graphs.bonds, molecules.graphs.bonds)


def test_orders_are_permutations_in_which_atoms_follow_a_neighbour(molecules: Molecules) -> None:
    n_max = molecules.graphs.n_max
    assert molecules.orders.shape == (len(molecules), N_ORDERS, n_max)
    np.testing.assert_array_equal(
        np.sort(molecules.orders, axis=2), np.broadcast_to(np.arange(n_max), molecules.orders.shape)
    )
    for k in range(N_ORDERS):
        graphs = molecules.graphs.renumbered(molecules.orders[:, k])
        for bonds, size in zip(graphs.bonds, graphs.sizes, strict=True):
            assert all(bonds[atom, :atom].any() for atom in range(1, size))


def test_no_molecule_is_in_two_parts_however_it_is_written(molecules: Molecules) -> None:
    assert molecules.parts.tolist() == split_of(SMILES[1:-2]).tolist()
    numbers = np.concatenate([molecules.part(part) for part in ("train", "validation", "test")])
    assert sorted(numbers.tolist()) == list(range(len(molecules)))


def test_values_of_one_molecule_are_averaged_and_unknown_ones_are_nan(table: Path) -> None:
    molecules = Molecules.read(str(table), columns=["gap", "charge"])
    assert molecules.smiles == ("CCO", "CC")
    np.testing.assert_array_equal(molecules.columns["gap"], [3.0, np.nan])
    np.testing.assert_array_equal(molecules.columns["charge"], [1.0, 0.0])
    assert molecules.rejected["RDKit cannot read the SMILES"] == molecules.rejected["several fragments"] == 1


def test_sources_of_every_kind_say_the_same(tmp_path: Path) -> None:
    names = ["CCO", "C=O", "CC"]
    plain, zipped = tmp_path / "a.smi", tmp_path / "a.smi.gz"
    plain.write_text("CCO ethanol\n\nC=O\nCC\n")
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    structures = Structures.from_rdkit([Chem.MolFromSmiles(name) for name in names])
    parquet = structures.to_parquet(tmp_path / "a.parquet")
    for source in (plain, str(zipped), structures, parquet, [Data(smiles=name) for name in names], [plain, zipped]):
        assert Molecules.read(source).smiles == tuple(names)


def test_a_known_dataset_is_read_with_its_columns() -> None:
    molecules = Molecules.read("g2", max_heavy=3)
    assert {"CCO", "C=O"} <= set(molecules.smiles)
    assert molecules.graphs.n_max == 3
    assert molecules.rejected["more than 3 heavy atoms"] > 0


def test_graphs_in_memory_bring_their_attributes_as_columns() -> None:
    molecules = Molecules.read([Data(smiles="CC", gap=torch.tensor([[1.5]])), Data(smiles="CO")], columns=["gap"])
    np.testing.assert_array_equal(molecules.columns["gap"], [1.5, np.nan])
    with pytest.raises(ValueError, match=r"'y' of a graph has shape \(2,\)"):
        Molecules.read([Data(smiles="CC", y=np.zeros(2))], columns=["y"])


def test_what_was_prepared_is_found_again(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Molecules.read(table, columns=["gap"], cache=tmp_path)
    monkeypatch.setattr(module, "_prepared", None)  # nothing is prepared any more
    again = Molecules.read(table, columns=["gap"], cache=tmp_path)
    for name in ("smiles", "types", "rejected"):
        assert getattr(first, name) == getattr(again, name)
    for name in ("parts", "orders"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    for name in ("atoms", "bonds", "sizes"):
        np.testing.assert_array_equal(getattr(first.graphs, name), getattr(again.graphs, name))
    np.testing.assert_array_equal(first.columns["gap"], again.columns["gap"])
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_several_processes_prepare_the_same(molecules: Molecules) -> None:
    other = Molecules.read([Data(smiles=text) for text in SMILES], workers=2)
    assert (other.smiles, other.types, other.rejected) == (molecules.smiles, molecules.types, molecules.rejected)
    np.testing.assert_array_equal(other.orders, molecules.orders)
    np.testing.assert_array_equal(other.graphs.bonds, molecules.graphs.bonds)


@pytest.mark.parametrize(
    ("text", "name", "columns", "message"),
    [
        ("", "a.smi", [], "no molecules to learn from"),
        ("C.C\nxx\n", "a.smi", [], "several fragments"),
        ("name\nCC\n", "a.csv", [], "has the columns name; expected one named 'smiles'"),
        ("smiles,gap\nCC,1\n", "a.csv", ["gab"], "no source has a column 'gab'; they have gap"),
        ("smiles,gap\nCC,\n", "a.csv", ["gap"], "column 'gap' has no value"),
        ("smiles,gap\nCC,wide\n", "a.csv", ["gap"], "line 2: could not convert"),
        ("CC", "a.smi.gz", [], "cannot be read"),
    ],
)
def test_what_cannot_be_learned_from_is_told(
    text: str, name: str, columns: list[str], message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        Molecules.read(tmp_path / name, columns=columns)


def test_sources_that_are_not_there_are_told() -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.smi"):
        Molecules.read("no.smi")
    with pytest.raises(ValueError, match="list of sources is empty"):
        Molecules.read([])
    with pytest.raises(TypeError, match="cannot open int"):
        read_rows([3])
    with pytest.raises(ValueError, match="workers=0"):
        Molecules.read("g2", workers=0)
