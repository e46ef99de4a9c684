"""Which AMONs of the molecules to be predicted are absent from a database."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from rdkit import Chem
from rdkit.rdBase import BlockLogs

from molaug.generators.amons.graph import AmonFailure, amons_of_many
from molaug.generators.amons.parent import Rules, check_options, read_parent


@dataclass(frozen=True, kw_only=True)
class MissingAmon:
    """An AMON that targets need and the base lacks.

    Attributes
    ----------
    smiles : str
        Canonical SMILES without stereochemistry.
    heavy : int
        Number of heavy atoms.
    n_targets : int
        How many targets it is an AMON of.
    targets : tuple of int
        The first few of them, by their place in the stream.
    """

    smiles: str
    heavy: int
    n_targets: int
    targets: tuple[int, ...]


@dataclass(slots=True)
class _Need:
    n_targets: int = 0
    targets: list[int] = field(default_factory=list)


def missing_amons(
    targets: Iterable[str],
    base: Iterable[str],
    max_heavy: int = 7,
    rules: Rules = "molaug",
    *,
    examples: int = 3,
    executor: Executor | None = None,
    on_failure: Callable[[AmonFailure], None] | None = None,
) -> list[MissingAmon]:
    """Rank the AMONs of target molecules that are no molecules of a base.

    An AMON counts as present if its canonical SMILES without stereochemistry is that of a whole base molecule; being
    a fragment of a base molecule does not count. Both streams are read once. What is held in memory are the
    distinct AMONs and the base molecules of at most `max_heavy` heavy atoms.

    Parameters
    ----------
    targets
        SMILES of the molecules to be predicted.
    base
        SMILES of the molecules at hand, in any form.
    max_heavy
        Largest number of heavy atoms of an AMON, 1 to 7.
    rules
        As for `amons`.
    examples
        How many targets to name for each AMON.
    executor
        Where to compute the AMONs; in this process by default.
    on_failure
        Called with each molecule of either stream that cannot be used; they are passed over by default.

    Returns
    -------
    list of MissingAmon
        Those that most targets need first, then smaller ones, then by SMILES.

    Raises
    ------
    ValueError
        For an option without meaning.

    Examples
    --------
    >>> for amon in missing_amons(["CCO", "CCN"], base=["C", "O", "OC"]):
    ...     print(amon.smiles, amon.n_targets, amon.targets)
    CC 2 (0, 1)
    N 1 (1,)
    CN 1 (1,)
    CCN 1 (1,)
    CCO 1 (0,)
    """
    check_options(max_heavy, rules)
    if examples < 0:
        raise ValueError(f"examples={examples} is negative: expected how many targets to name")
    present = _whole_molecules(base, max_heavy, on_failure)
    needs: dict[str, _Need] = {}
    for index, found in enumerate(amons_of_many(targets, max_heavy, rules, executor=executor)):
        if isinstance(found, AmonFailure):
            if on_failure is not None:
                on_failure(found)
            continue
        for smiles in found:
            if smiles not in present:
                need = needs.setdefault(smiles, _Need())
                need.n_targets += 1
                if len(need.targets) < examples:
                    need.targets.append(index)
    missing = [
        MissingAmon(
            smiles=smiles,
            heavy=Chem.MolFromSmiles(smiles).GetNumHeavyAtoms(),
            n_targets=need.n_targets,
            targets=tuple(need.targets),
        )
        for smiles, need in needs.items()
    ]
    return sorted(missing, key=lambda amon: (-amon.n_targets, amon.heavy, amon.smiles))


def _whole_molecules(base: Iterable[str], max_heavy: int, on_failure: Callable[[AmonFailure], None] | None) -> set[str]:
    present: set[str] = set()
    with BlockLogs():
        for smiles in base:
            try:
                mol = read_parent(smiles)
            except (TypeError, ValueError) as error:
                if on_failure is not None:
                    on_failure(AmonFailure(smiles=smiles, reason=str(error)))
                continue
            if mol.GetNumHeavyAtoms() <= max_heavy:
                present.add(Chem.MolToSmiles(mol, isomericSmiles=False))
    return present
