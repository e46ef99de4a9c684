"""The whole evaluation: every figure on samples made by hand, several files, and its JSON."""

from __future__ import annotations

import json

import pytest

from molaug.evaluation import Evaluation, Reference, evaluate_samples, smiles_samples
from molaug.evaluation.protocol import PROTOCOL
from molaug.filters import MoleculeIndex
from molaug.structures.split import split_of

# ten samples: valid are ethanol twice, 1-fluoroethanol as stereo twins, benzene and one that nobody knows
SAMPLES = ["CCO", "OCC", "C[C@H](F)O", "C[C@@H](F)O", "c1ccccc1", "FC#CC#CC#CF", "C[NH3+]", "CC.O", "C[CH2]", "x"]
KNOWN = MoleculeIndex.build(["CCO", "c1ccccc1", "CC(O)F"], kinds=("flat",))


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Reference:
    path = tmp_path_factory.mktemp("reference") / "list.smi"
    path.write_text("CCO\nCC(O)F\nCCC\nCCN\n" + "\n".join("C" * n for n in range(4, 30)) + "\n", encoding="utf-8")
    return Reference.build([path])


@pytest.fixture(scope="module")
def found(reference: Reference) -> Evaluation:
    return evaluate_samples(smiles_samples(SAMPLES), reference=reference, known=KNOWN, cpu_seconds=5.0)


def test_shares_state_their_denominators(found):
    graph = found.files[0].graph
    shares = {name: (share.count, share.of) for name, share in graph.shares.items()}
    held_out = (split_of(["CCO", "CC(O)F"]) != "train").sum()
    assert shares == {
        "parsed": (9, 10),
        "strictly valid": (6, 10),
        "relaxed valid": (9, 10),
        "unique": (4, 6),
        "unique of parsed": (7, 9),
        "with formal charges": (1, 9),
        "net charged": (1, 9),
        "held-out recall": (held_out, found.reference.molecules["validation"] + found.reference.molecules["test"]),
        "held-out": (held_out, 4),
    }
    assert graph.reasons == {"charge": 1, "fragments": 1, "radicals": 1, "unreadable": 1}
    assert sum(graph.reasons.values()) + graph.shares["strictly valid"].count == graph.n_samples


def test_the_partition_is_one_of_the_unique_valid_molecules(found):
    partition = found.files[0].graph.partition
    assert sum(share.count for share in partition.values()) == 4
    assert {share.of for share in partition.values()} == {4}
    assert (partition["elsewhere"].count, partition["new"].count) == (1, 1)


def test_yields_and_costs(found):
    figures = found.files[0].graph.figures
    assert figures["unique valid per 100 samples"] == pytest.approx(40)
    assert figures["new per 100 samples"] == pytest.approx(10)
    assert figures["cpu seconds per sample"] == pytest.approx(0.5)
    assert figures["unique valid per cpu second"] == pytest.approx(0.8)
    assert figures["new per cpu second"] == pytest.approx(0.2)
    scores = [figures[f"synthetic accessibility {q}%"] for q in (5, 25, 50, 75, 95)]
    assert scores == sorted(scores)
    assert all(1 <= score <= 10 for score in scores)


def test_samples_of_the_training_part_are_as_near_as_can_be(reference, tmp_path):
    train = [smiles for smiles in ("C" * n for n in range(4, 30)) if split_of([smiles])[0] == "train"]
    graph = evaluate_samples(smiles_samples(train), reference=reference, known=None).files[0].graph
    assert graph.distances["rings"].train == pytest.approx(0.0, abs=1e-9)
    assert graph.partition["train"].count == len(train)
    other = evaluate_samples(smiles_samples(["c1ccccc1"]), reference=reference, known=None).files[0].graph
    assert other.distances["rings"].train == pytest.approx(1.0)
    assert other.distances["ring sizes"].train is None


def test_json_round_trip(found):
    text = found.to_json()
    assert Evaluation.from_json(text) == found
    held = json.loads(text)
    assert held["protocol"] == PROTOCOL
    assert set(held["versions"]) == {"molaug", "rdkit"}
    graph = held["files"][0]["graph"]
    assert graph["shares"]["strictly valid"] == {"count": 6, "of": 10, "among": "samples", "value": 0.6}
    assert held["summary"]["shares.strictly valid"] == {"mean": 0.6, "sd": None, "n": 1}
    with pytest.raises(ValueError, match="protocol '0'"):
        Evaluation.from_json(json.dumps({**held, "protocol": "0"}))
    with pytest.raises(ValueError, match="not an evaluation"):
        Evaluation.from_json(json.dumps({"protocol": PROTOCOL}))


def test_several_files_give_mean_and_spread(tmp_path, reference):
    paths = []
    for number, lines in enumerate((["C", "x"], ["C", "CC"], ["C", "CCC", "CO", "y"])):
        paths.append(tmp_path / f"seed{number}.smi")
        paths[-1].write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = evaluate_samples(paths, reference=reference, known=None, cpu_seconds=[1, 2, 3])
    summary = found.summary()["shares.strictly valid"]
    assert (summary.mean, summary.n) == (pytest.approx((0.5 + 1 + 0.75) / 3), 3)
    assert summary.sd == pytest.approx(0.25)
    assert found.summary()["reasons.unreadable"].mean == pytest.approx((0.5 + 0 + 0.25) / 3)
    assert Evaluation.from_json(found.to_json()) == found
    assert "75.00 ± 25.00 %" in found.text()


def test_samples_none_of_which_is_valid_are_evaluated_too(reference):
    found = evaluate_samples(smiles_samples(["x", "C["]), reference=reference, known=KNOWN)
    graph = found.files[0].graph
    assert graph.shares["strictly valid"].value == 0.0
    assert graph.shares["unique"].value is None
    assert graph.figures["synthetic accessibility 50%"] is None
    assert Evaluation.from_json(found.to_json()) == found
    assert "–" in found.text()


def test_the_table_shows_counts_and_denominators(found):
    text = found.text()
    assert "6 / 10 = 60.00 %" in text
    assert "4 / 6 = 66.67 %" in text
    assert "not: fragments" in text
    assert f"protocol {PROTOCOL}" in text


def test_bad_arguments_are_said(reference):
    with pytest.raises(ValueError, match="one positive number for each file"):
        evaluate_samples(smiles_samples(["C"]), cpu_seconds=[1, 2])
    with pytest.raises(ValueError, match="one positive number for each file"):
        evaluate_samples(smiles_samples(["C"]), cpu_seconds=0)
    with pytest.raises(ValueError, match="no files"):
        evaluate_samples([])
    with pytest.raises(FileNotFoundError, match="no molecule index 'foo'"):
        evaluate_samples(smiles_samples(["C"]), known="foo")
