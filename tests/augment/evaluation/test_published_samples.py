"""The frozen figures of two published sets of samples: a change of any definition shows here."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from molaug.evaluation import evaluate_samples, smiles_samples
from molaug.evaluation.records import GraphTier


def counts(graph: GraphTier) -> dict[str, int]:
    return {name: share.count for name, share in {**graph.shares, **graph.partition}.items()}


@pytest.fixture
def digress(data: Path) -> Path:
    path = data / "generated" / "digress_qm9_noH_10k.smi.gz"
    if not path.is_file():
        pytest.skip("no published samples of DiGress")
    return path


@pytest.mark.slow
def test_samples_of_digress(data, digress):
    """Parsed, unique and charged are those of an independent evaluation: 99.21, 96.88 and 0.02 %.

    Its split of QM9 was another one, with 17.0 % of the unique valid molecules held out;
    26.4 % were outside QM9.
    """
    listed = data / "amons" / "qm9_g9.smi.gz"
    if not listed.is_file():
        pytest.skip("no SMILES of QM9")
    found = evaluate_samples(digress, reference=listed)
    assert found.reference is not None
    assert found.reference.molecules == {"train": 86_603, "validation": 10_782, "test": 10_861}
    assert found.reference.unread == 0
    graph = found.files[0].graph
    assert f"{graph.shares['parsed'].value:.2%}" == "99.21%"
    assert f"{graph.shares['unique of parsed'].value:.2%}" == "96.88%"
    assert f"{graph.shares['with formal charges'].value:.2%}" == "0.02%"
    assert graph.reasons == {"unreadable": 79}
    assert counts(graph) == {
        "parsed": 9_921,
        "strictly valid": 9_921,
        "relaxed valid": 9_921,
        "unique": 9_611,
        "unique of parsed": 9_611,
        "with formal charges": 2,
        "net charged": 0,
        "held-out recall": 1_122,
        "held-out": 1_122,
        "train": 4_697,
        "validation": 574,
        "test": 548,
        "elsewhere": 1_219,
        "new": 2_573,
    }
    assert graph.shares["held-out recall"].value == pytest.approx(0.0518, abs=1e-4)
    assert graph.partition["new"].value == pytest.approx(0.264, abs=0.01)
    assert graph.figures["synthetic accessibility 50%"] == pytest.approx(4.229, abs=0.01)
    distances = {quantity: held.train for quantity, held in graph.distances.items()}
    assert distances == pytest.approx(
        {
            "heavy atoms": 0.2957,
            "elements": 0.0106,
            "bond orders": 0.0214,
            "rings": 0.0793,
            "ring sizes": 0.0467,
            "functional groups": 0.1314,
        },
        abs=2e-4,
    )
    # the parts of one database are as near as chance has it, the samples several times as far
    for quantity, yardstick in found.reference.distances.items():
        held = graph.distances[quantity]
        assert yardstick is not None
        assert yardstick < 1.5 * held.by_chance + 1e-9
        assert held.train > 2 * yardstick


def test_samples_of_digress_are_nearly_all_known_or_sound(digress):
    """A part of the above that is quick: the first samples, without a reference."""
    lines = gzip.decompress(digress.read_bytes()).decode().splitlines()[:1500]
    graph = evaluate_samples(smiles_samples(lines)).files[0].graph
    assert graph.reasons == {"unreadable": lines.count("None")}
    assert graph.partition["elsewhere"].value == pytest.approx(0.73, abs=0.03)
    assert graph.figures["new per 100 samples"] == pytest.approx(26, abs=3)


def test_samples_of_g_schnet(data, tmp_path):
    """A thousand of the geometries; by the distance table of EDM 68 % of all are connected and lack no hydrogen."""
    path = data / "generated" / "gschnet_qm9_10k.npz"
    if not path.is_file():
        pytest.skip("no published samples of G-SchNet")
    with np.load(path) as arrays:
        z, pos, offsets = arrays["z"], arrays["pos"], arrays["offsets"]
    first, last = 185, 1185  # the first 185 are unfinished chains
    part = slice(offsets[first], offsets[last])
    few = tmp_path / "few.npz"
    np.savez(few, z=z[part], pos=pos[part], offsets=offsets[first : last + 1] - offsets[first])
    graph = evaluate_samples(few).files[0].graph
    found = counts(graph)
    expected = {"parsed": 999, "strictly valid": 863, "relaxed valid": 999, "unique": 770, "elsewhere": 460, "new": 310}
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=10)
    assert graph.reasons["radicals"] == pytest.approx(134, abs=10)  # a hydrogen is lacking
    assert graph.shares["strictly valid"].of == 1000
    assert found["net charged"] == 0
    # unfinished chains are no molecules
    chains = tmp_path / "chains.npz"
    part = slice(0, offsets[40])
    np.savez(chains, z=z[part], pos=pos[part], offsets=offsets[:41])
    assert evaluate_samples(chains).files[0].graph.shares["strictly valid"].count <= 4


def test_molecules_of_the_reference_itself_are_sound(data):
    """The scale's other end: what the generators were trained on is valid, unique and known."""
    listed = data / "amons" / "qm9_g9.smi.gz"
    if not listed.is_file():
        pytest.skip("no SMILES of QM9")
    with gzip.open(listed, "rt") as handle:
        lines = [line.strip() for _, line in zip(range(2_000), handle, strict=False)]
    graph = evaluate_samples(smiles_samples(lines)).files[0].graph
    assert graph.shares["strictly valid"].value == pytest.approx(1.0, abs=0.005)
    assert graph.shares["unique"].value == pytest.approx(1.0, abs=0.005)
    assert graph.partition["elsewhere"].value == pytest.approx(1.0, abs=0.02)
