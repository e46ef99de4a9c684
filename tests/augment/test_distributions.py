"""Comparing datasets: what lands in which type, what the result must not depend on, and how it is shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from rdkit import Chem
from rdkit.Chem import AllChem
from scipy.spatial.transform import Rotation

import molaug
from molaug.distributions import Collector, Comparison, compare_distributions
from molaug.distributions.layouts import SIGNS, Layouts
from molaug.distributions.quantities import values
from molaug.distributions.sampling import Minima, RowSample
from molaug.structures import Structures
from molaug.structures.chemistry import with_smiles

G2 = ("CH3CH2OH", "C2H4", "C2H2", "CH3CONH2", "C4H4NH", "HCOOCH3", "trans-butane", "CH4", "C6H6", "CH3CN")


@pytest.fixture(scope="module")
def small() -> Structures:
    """Ten molecules with their graphs."""
    return with_smiles(Structures.from_ase([molecule(name) for name in G2]))[0]


def moved(rows: Structures, sigma: float, seed: int = 0, copies: int = 1) -> Structures:
    """Copies whose atoms are displaced at random."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(copies):
        x = [row.positions + sigma * rng.normal(size=row.positions.shape) for row in rows]
        out.append(
            Structures.from_arrays([row.numbers for row in rows], x, smiles=rows.column("smiles"), origin="moved")
        )
    return Structures.concat(out)


def found(rows: Structures, *kinds: str) -> dict[tuple[str, str], np.ndarray]:
    return values(rows, Minima(10), Layouts(), kinds)


def of(comparison: Comparison, quantity: str, kind: str) -> object:
    return next(line for line in comparison.lines if (line.quantity, line.kind) == (quantity, kind))


# ---------------------------------------------------------------- types


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("CH4", {"C-H": (4, 1.09)}),
        ("C2H4", {"C=C": (1, 1.33), "C-H": (4, 1.09)}),
        ("C2H2", {"C#C": (1, 1.21), "C-H": (2, 1.07)}),
        ("C6H6", {"C:C": (6, 1.39), "C-H": (6, 1.09)}),
        ("CH3CN", {"C-C": (1, 1.46), "C#N": (1, 1.16), "C-H": (3, 1.09)}),
        ("HCOOCH3", {"C=O": (1, 1.20), "C-O": (2, 1.40), "C-H": (4, 1.09)}),
    ],
)
@pytest.mark.parametrize("graph", [True, False], ids=["with SMILES", "without"])
def test_bonds_have_the_types_of_chemistry(name: str, types: dict[str, tuple[int, float]], graph: bool) -> None:
    rows = Structures.from_ase([molecule(name)])
    rows = with_smiles(rows)[0] if graph else rows
    lengths = found(rows, "bonds")
    assert {kind: len(x) for (_, kind), x in lengths.items()} == {kind: n for kind, (n, _) in types.items()}
    for (_, kind), x in lengths.items():
        assert x.mean() == pytest.approx(types[kind][1], abs=0.04)


def test_angles_torsions_and_contacts_of_known_molecules() -> None:
    methane = found(Structures.from_ase([molecule("CH4")]), "angles", "torsions", "contacts")
    assert methane.keys() == {("bond angle", "H-C-H")}  # nothing is further apart than the ends of an angle
    assert methane["bond angle", "H-C-H"] == pytest.approx([109.4712] * 6, abs=0.01)
    ethane = found(Structures.from_ase([molecule("C2H6")]), "torsions", "contacts")
    assert sorted(ethane["torsion", "H-C-C-H"].round().tolist()) == [60.0] * 6 + [180.0] * 3
    assert ethane["nearest contact", "1-4 and beyond"].shape == (1,)
    acetylene = found(Structures.from_ase([molecule("C2H2")]), "angles", "torsions")
    assert acetylene["bond angle", "C-C-H"] == pytest.approx([180, 180])
    assert not any(quantity == "torsion" for quantity, _ in acetylene)  # atoms in a line have none


def test_mirror_images_have_the_same_torsions() -> None:
    peroxide = molecule("H2O2")
    mirror = peroxide.copy()
    mirror.positions[:, 0] *= -1
    both = [found(Structures.from_ase([atoms]), "torsions")["torsion", "H-O-O-H"] for atoms in (peroxide, mirror)]
    assert both[0] == pytest.approx(both[1])


def test_two_molecules_side_by_side_are_in_contact() -> None:
    pair = molecule("H2O") + Atoms("He", [[0, 0, 3.5]])
    contact = found(Structures.from_ase([pair]), "contacts")["nearest contact", "1-4 and beyond"]
    assert contact == pytest.approx([3.5 - molecule("H2O").positions[0, 2]])


def test_torn_rows_keep_the_bonds_of_their_molecule(small: Structures) -> None:
    ethanol = small[0]
    x = ethanol.positions.copy()
    h = int(np.flatnonzero(ethanol.numbers == 1)[-1])
    carbon = int(np.argmin(np.where(ethanol.numbers == 6, np.linalg.norm(x - x[h], axis=1), np.inf)))
    x[h] = x[carbon] + 1.55 * (x[h] - x[carbon])  # 1.7 Å: no bond by distance
    torn = Structures.from_arrays([ethanol.numbers], [x], smiles=[ethanol.smiles])
    both = Structures.concat([torn, small])
    assert max(found(both, "bonds")["bond length", "C-H"]) == pytest.approx(1.7, abs=0.02)
    alone = found(torn, "bonds")  # nothing tells what it was
    assert len(alone["bond length", "C-H"]) == 4
    assert ("bond length", "C~C") in alone


def test_one_molecule_may_come_in_many_orders(small: Structures) -> None:
    rng = np.random.default_rng(3)
    rows = []
    for row in small:
        order = rng.permutation(len(row.numbers))
        rows.append(Structures.from_arrays([row.numbers[order]], [row.positions[order]], smiles=[row.smiles]))
    mixed = Structures.concat([small, *rows])
    lengths, once = found(mixed, "bonds", "angles", "torsions"), found(small, "bonds", "angles", "torsions")
    assert lengths.keys() == once.keys()
    for key, x in once.items():
        assert np.sort(lengths[key]) == pytest.approx(np.sort(np.tile(x, 2)))


def test_a_graph_that_does_not_fit_leaves_the_bonds_without_orders() -> None:
    rows = Structures.from_arrays([molecule("C2H4").numbers], [molecule("C2H4").positions], smiles=["CC"])
    [layout] = Layouts().of(rows)
    assert layout is not None
    assert sorted(SIGNS[k] for k in layout.orders) == ["-"] * 4 + ["~"]


@pytest.mark.parametrize(
    ("smiles", "types"),
    [
        ("[H]/N=C/C", {"C=N": 1, "N-H": 1, "C-C": 1, "C-H": 4}),  # hydrogens that bear stereo are atoms of the SMILES
        ("C[N+](=O)[O-]", {"C-N": 1, "N=O": 1, "N-O": 1, "C-H": 3}),
        ("c1cc[nH]c1", {"C:C": 3, "C:N": 2, "N-H": 1, "C-H": 4}),
        ("[H][H]", {"H-H": 1}),
    ],
)
def test_orders_come_from_the_graph(smiles: str, types: dict[str, int]) -> None:
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    rows = Structures.from_arrays([[a.GetAtomicNum() for a in mol.GetAtoms()]], [mol.GetConformer().GetPositions()])
    for known in (smiles, None):
        lengths = found(rows.with_columns({"smiles": [known]}), "bonds")
        assert {kind: len(x) for (_, kind), x in lengths.items()} == types


def test_rows_without_a_finite_geometry_have_no_bonds(small: Structures) -> None:
    graph = Structures.from_rdkit([Chem.MolFromSmiles("CCO")])
    wrong = Structures.from_arrays([[8, 1, 1]], [np.eye(3)]).with_columns({"positions": [np.full((3, 3), np.nan)]})
    assert found(Structures.concat([graph, wrong]), "bonds", "angles", "torsions", "contacts") == {}


# ---------------------------------------------------------------- energies


def test_energies_are_above_the_lowest_of_their_molecule_at_their_level(small: Structures) -> None:
    base = small.slice(0, 2).with_columns({"energy": [-10.0, -20.0], "level": "a"})
    new = moved(small.slice(0, 2), 0.02, copies=2)
    new = new.with_columns({"energy": [-9.5, -20.5, -9.0, None], "level": ["a", "a", "b", None]})
    comparison = compare_distributions(base, new, quantities=["energies"], min_samples=1, by=None)
    above = of(comparison, "energy above the minimum", "a")
    # ethanol: 0 and 0.5 eV; ethene: the new row is the lowest, and the base lies 0.5 eV above it
    assert (above.n_base, above.mean_base, above.n_new, above.mean_new) == (2, 0.25, 2, 0.25)
    assert [line.kind for line in comparison.lines if line.quantity == "energy above the minimum"] == ["a"]
    per_atom = of(comparison, "energy per atom", "b")
    assert (per_atom.n_base, per_atom.n_new, per_atom.js) == (0, 1, None)


def test_energies_of_the_sampler_stand_in_where_there_are_no_labels(small: Structures) -> None:
    new = moved(small.slice(0, 2), 0.02).with_columns({"sampling_energy": [0.25, None]})
    comparison = compare_distributions(small, new, quantities="energies")
    [line] = comparison.lines
    assert (line.quantity, line.n_base, line.n_new, line.mean_new) == ("sampling energy", 0, 1, 0.25)
    labelled = new.with_columns({"energy": [1.0, 2.0]})
    names = {line.quantity for line in compare_distributions(small, labelled, quantities="energies").lines}
    assert names == {"energy per atom"}


def test_forces_are_compared_by_their_norm(small: Structures) -> None:
    methane = small.slice(7, 8).with_columns({"forces": [np.tile([0.0, 3.0, 4.0], (5, 1))], "level": "a"})
    line = of(compare_distributions(methane, methane, quantities=["forces"], min_samples=5), "force", "a")
    assert (line.n_base, line.mean_base, line.wasserstein, line.bins) == (5, 5.0, 0.0, 1)


def test_minima_are_bounded_and_do_not_depend_on_batches() -> None:
    rng = np.random.default_rng(0)
    keys = rng.integers(1, 500, 4000).astype(np.uint64)
    energies = rng.normal(size=4000)
    whole, pieces, few = Minima(1000), Minima(1000), Minima(50)
    whole.add(keys, energies)
    few.add(keys, energies)
    for part in np.array_split(rng.permutation(4000), 7):
        pieces.add(keys[part], energies[part])
    expected = energies - np.array([energies[keys == key].min() for key in keys])
    assert whole.above(keys, energies) == pytest.approx(expected)
    assert pieces.above(keys, energies) == pytest.approx(expected)
    assert len(np.unique(keys[np.isfinite(few.above(keys, energies))])) == 50
    assert np.isnan(Minima(5).above(keys, energies)).all()


# ---------------------------------------------------------------- what the result must not depend on


def test_a_draw_is_the_same_for_any_order_and_batches(small: Structures) -> None:
    rows = moved(small, 0.02, copies=20)
    whole, pieces = RowSample(30), RowSample(30)
    whole.add(rows)
    for part in rows.take(np.random.default_rng(1).permutation(len(rows))).batches(7):
        pieces.add(part)
    assert whole.rows() == pieces.rows()
    assert (len(whole.rows()), whole.seen, pieces.seen) == (30, 200, 200)


def test_the_result_is_the_same_for_any_order_of_rows(small: Structures) -> None:
    new = moved(small, 0.05, copies=8)
    order = np.random.default_rng(2).permutation(len(new))
    first = compare_distributions(small, new, max_rows=40, min_samples=5)
    again = compare_distributions(small.take(np.arange(len(small))[::-1]), new.take(order), max_rows=40, min_samples=5)
    assert first.to_json() == again.to_json()
    assert first.rows == {"moved": (80, 40)}


def test_the_result_is_the_same_for_turned_molecules_and_other_orders_of_atoms(small: Structures) -> None:
    new = moved(small, 0.03, copies=4)
    turned = []
    rng = np.random.default_rng(5)
    for row in new:
        order = rng.permutation(len(row.numbers))
        x = Rotation.random(random_state=int(rng.integers(2**31))).apply(row.positions)[order] + 7.0
        turned.append(Structures.from_arrays([row.numbers[order]], [x], smiles=[row.smiles], origin="moved"))
    first, second = (compare_distributions(small, rows, min_samples=5) for rows in (new, Structures.concat(turned)))
    for a, b in zip(first.lines, second.lines, strict=True):
        assert (a.quantity, a.kind, a.n_base, a.n_new) == (b.quantity, b.kind, b.n_base, b.n_new)
        if a.wasserstein is not None:
            assert b.wasserstein == pytest.approx(a.wasserstein, abs=1e-6)


def test_base_and_new_may_be_exchanged(small: Structures) -> None:
    new = moved(small, 0.05, copies=4)
    there = compare_distributions(small, new, min_samples=5)
    back = compare_distributions(new, small, by=None, min_samples=5)
    for a in there.lines:
        b = of(back, a.quantity, a.kind)
        assert (a.js, a.n_base, a.n_new) == (pytest.approx(b.js, abs=1e-12), b.n_new, b.n_base)


def test_rejected_rows_are_passed_over(small: Structures) -> None:
    new = moved(small, 0.05)
    judged = new.reject(["validity: wrong"] + [None] * (len(new) - 1))
    assert compare_distributions(small, judged).rows == {"moved": (9, 9)}


def test_a_dataset_does_not_differ_from_itself(small: Structures) -> None:
    comparison = compare_distributions(small, small, by=None, min_samples=1)
    assert all((line.js, line.kl, line.wasserstein) == (0, 0, 0) for line in comparison.lines)


# ---------------------------------------------------------------- sides and errors


def test_empty_sides_have_no_distances(small: Structures) -> None:
    for base, new in ((Structures.empty(), small), (small, Structures.empty()), (Structures.empty(),) * 2):
        comparison = compare_distributions(base, new, by=None)
        assert all(line.js is None and line.wasserstein is None for line in comparison.lines)
        assert json.loads(comparison.to_json())["base_rows"]["read"] == len(base)
        assert comparison.text()


def test_few_values_are_said_to_be_few(small: Structures) -> None:
    table = compare_distributions(small, small, quantities="bonds", min_samples=7).table()
    rows = {row[2]: row for row in table[1:]}
    assert rows["C:C"][-4:] == ["too few"] * 4 or int(rows["C:C"][4]) >= 7
    assert rows["C#C"][-4:] == ["too few"] * 4
    assert rows["C-H"][-4:] != ["too few"] * 4


def test_groups_follow_a_column(small: Structures) -> None:
    new = moved(small, 0.05, copies=2).with_columns({"temperature": [300.0] * 10 + [1000.0] * 9 + [None]})
    comparison = compare_distributions(small, new, by="temperature")
    assert comparison.rows == {"1000": (9, 9), "300": (10, 10), comparison.new: (1, 1)}


def test_wrong_requests_are_refused(small: Structures) -> None:
    with pytest.raises(ValueError, match="did you mean 'bonds'"):
        compare_distributions(small, small, quantities=["bond"])
    with pytest.raises(ValueError, match="did you mean 'origin'"):
        compare_distributions(small, small, by="orign")
    with pytest.raises(ValueError, match="max_rows is 0"):
        Collector(max_rows=0)
    with pytest.raises(ValueError, match="bins is 0"):
        compare_distributions(small, small, bins=0)
    with pytest.raises(ValueError, match="more than 64 groups"):
        compare_distributions(small, moved(small, 0.01, copies=7), by="id")
    with pytest.raises(KeyError, match="bond length C-H"):
        compare_distributions(small, small, by=None).svg("bond length", "X-Y")


def test_the_public_name_resolves() -> None:
    assert molaug.compare_distributions is compare_distributions


# ---------------------------------------------------------------- shown


def test_pages_are_whole_and_equal_for_equal_comparisons(small: Structures, tmp_path: Path) -> None:
    new = moved(small, 0.05, copies=4).with_columns({"origin": "<&>"})
    pages = [compare_distributions(small, new).to_html(tmp_path / name).read_bytes() for name in ("a", "b")]
    assert pages[0] == pages[1]
    text = pages[0].decode()
    assert "&lt;&amp;&gt;" in text
    assert "<h3><&>" not in text
    assert text.count("<svg") == text.count("</svg>") > 5
    assert len(text) < 200_000


def test_a_drawing_shows_both_sides(small: Structures) -> None:
    comparison = compare_distributions(small, moved(small, 0.05, copies=4))
    svg = comparison.svg("bond length", "C-H")
    assert svg.count("<polygon") == 2
    assert "<title>base</title>" in svg
    assert "<title>new</title>" in svg


# ---------------------------------------------------------------- real data


@pytest.fixture(scope="module")
def qm9(data: Path) -> Structures:
    """120 molecules of QM9."""
    with np.load(data / "qm9" / "qm9_structures.npz") as arrays:
        offsets, z, x, smiles = (arrays[name] for name in ("offsets", "z", "pos", "smiles"))
    chosen = np.random.default_rng(0).choice(len(smiles), 120, replace=False)
    pieces = [slice(offsets[k], offsets[k + 1]) for k in chosen]
    return with_smiles(
        Structures.from_arrays(
            [z[p] for p in pieces], [x[p] for p in pieces], smiles=[smiles[k].decode() or None for k in chosen]
        )
    )[0]


def test_rattling_spreads_bond_lengths_the_more_the_further(qm9: Structures) -> None:
    lines = [
        {
            line.kind: line
            for line in compare_distributions(qm9, moved(qm9, sigma), quantities="bonds").lines
            if line.js is not None
        }
        for sigma in (0.01, 0.02, 0.05, 0.1)
    ]
    assert {"C-H", "C-C", "C-O"} <= set(lines[0])
    assert all(found.keys() == lines[0].keys() for found in lines)  # torn bonds still have their types
    for kind in ("C-H", "C-C", "C-O"):
        distances = [found[kind].wasserstein for found in lines]
        assert distances == sorted(distances)
        assert all(found[kind].std_new > found[kind].std_base for found in lines)
    # a bond of variance s0² whose ends are rattled by σ has variance s0² + 2σ²
    hydrogen = lines[2]["C-H"]
    assert hydrogen.std_new == pytest.approx(np.hypot(hydrogen.std_base, np.sqrt(2) * 0.05), rel=0.1)


def test_force_field_geometries_differ_from_those_of_dft(qm9: Structures) -> None:
    conformers = []
    for row in qm9.take(np.arange(40)):
        mol = Chem.AddHs(Chem.MolFromSmiles(row.smiles or "C"))
        if AllChem.EmbedMolecule(mol, randomSeed=1) == 0 and AllChem.MMFFHasAllMoleculeParams(mol):
            AllChem.MMFFOptimizeMolecule(mol)
            conformers.append(mol)
    comparison = compare_distributions(qm9, Structures.from_rdkit(conformers, origin="mmff94"), quantities="bonds")
    hydrogen = of(comparison, "bond length", "C-H")
    # both are minima: far nearer to each other than a rattled copy, and yet another method
    assert 0 < hydrogen.wasserstein < 0.01
    assert hydrogen.js > 2 * hydrogen.js_by_chance


def test_labels_of_two_levels_are_not_compared_and_that_is_said() -> None:
    frame = molecule("H2O")
    frame.info["energy"] = -76.0
    sides = [Structures.from_ase([frame], level=level) for level in ("a", "b")]
    assert "those of the base are of a, the new ones of b" in compare_distributions(*sides).text()
    assert "not compared" not in compare_distributions(sides[0], sides[0]).text()
