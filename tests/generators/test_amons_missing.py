"""The AMONs that a database lacks, on examples worked out by hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from molaug.generators.amons import AmonFailure, MissingAmon, missing_amons


def table(found: list[MissingAmon]) -> list[tuple[str, int, tuple[int, ...]]]:
    return [(amon.smiles, amon.n_targets, amon.targets) for amon in found]


def test_amons_are_ranked_by_how_many_targets_need_them() -> None:
    # ethanol: C O CC CO CCO; ethylamine: C N CC CN CCN; methanol: C O CO
    found = missing_amons(["CCO", "CCN", "CO"], base=["C", "N#N"])
    assert table(found) == [
        ("O", 2, (0, 2)),
        ("CC", 2, (0, 1)),
        ("CO", 2, (0, 2)),
        ("N", 1, (1,)),
        ("CN", 1, (1,)),
        ("CCN", 1, (1,)),
        ("CCO", 1, (0,)),
    ]
    assert [amon.heavy for amon in found] == [1, 2, 2, 1, 2, 3, 3]


def test_a_base_molecule_counts_as_a_whole_in_any_notation() -> None:
    assert missing_amons(["CCO"], base=["[CH4]", "O", "C([H])C", "OC", "OC[13CH3]"]) == []
    # Propanol contains ethanol as a fragment, but is not ethanol.
    assert table(missing_amons(["CCO"], base=["C", "O", "CC", "CO", "CCCO"])) == [("CCO", 1, (0,))]


def test_stereoisomers_count_as_one_molecule() -> None:
    assert missing_amons(["CC=CC"], base=["C", "CC", "C=C", "C=CC", r"C/C=C\C"]) == []


def test_unusable_molecules_are_reported_and_passed_over() -> None:
    failures: list[AmonFailure] = []
    found = missing_amons(["C(", "CO", "[NH4+]"], base=["C", "x"], on_failure=failures.append)
    assert table(found) == [("O", 1, (1,)), ("CO", 1, (1,))]
    assert [failure.smiles for failure in failures] == ["x", "C(", "[NH4+]"]
    assert all(failure.reason for failure in failures)


def test_examples_are_the_first_targets_and_no_more_than_asked() -> None:
    found = missing_amons(["CO"] * 5, base=[], max_heavy=1, examples=2)
    assert table(found) == [("C", 5, (0, 1)), ("O", 5, (0, 1))]
    with pytest.raises(ValueError, match="examples"):
        missing_amons(["CO"], base=[], examples=-1)


def test_executors_have_no_influence() -> None:
    targets = ["CC(C)(O)c1ccco1", "O=CCc1ccccc1", "C(", "CC12CC1C2=O"] * 3
    with ThreadPoolExecutor(2) as threads:
        assert missing_amons(targets, ["C", "O"], executor=threads) == missing_amons(targets, ["C", "O"])
