"""AMONs of molecular graphs: of one molecule, or of a database as a stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import islice

from rdkit.rdBase import BlockLogs

from molaug.generators.amons.enumerate import accepted, fragments
from molaug.generators.amons.heavy_graph import HeavyGraph
from molaug.generators.amons.parent import Rules, check_charge, check_options, read_parent

#: Heavy atoms of the molecules that share array operations, which then cost little per molecule.
_BATCH_ATOMS = 320
#: Chunks handed to an executor ahead of the one being read, so that a database is never held in memory.
_IN_FLIGHT = 32


@dataclass(frozen=True, kw_only=True)
class AmonFailure:
    """A molecule that has no AMONs, and why.

    Attributes
    ----------
    smiles : str
        As given.
    reason : str
        What is wrong with it.
    """

    smiles: str
    reason: str


def amons(smiles: str, max_heavy: int = 7, rules: Rules = "molaug") -> list[str]:
    """List the AMONs of a molecule.

    An AMON ("atom-in-molecule-on") is a small molecule cut from a larger one such that each of its atoms keeps its
    hybridisation, cut bonds are saturated with hydrogen, and rings and functional groups are not torn where that
    would change their nature [1]_. The rules act on the graph alone:

    - the fragment is a connected induced subgraph with at most `max_heavy` heavy atoms, of net charge zero and
      with an even number of electrons;
    - each atom keeps its coordination number and total valence: double bonds are placed anew, in every way that
      leaves no radical;
    - C=O stays whole; a ring of sp and sp2 atoms stays whole or is left with a short piece; atoms of three- and
      four-membered rings keep their strain; P and S lose at most two neighbours.

    Parameters
    ----------
    smiles
        A closed-shell molecule without net charge.
    max_heavy
        Largest number of heavy atoms of an AMON, 1 to 7.
    rules
        "reference" gives exactly the lists of the authors' program (aqml at commit 274e66f); it takes ions, of
        which it returns the neutral pieces. "molaug" differs in three ways: charge-separated groups (nitro,
        N-oxide, azide, the two ends of a zwitterion) stay whole; so do the multiple bonds of S(IV), S(VI) and
        P(V), at which the reference stops; ions are refused.

    Returns
    -------
    list of str
        Canonical SMILES without stereochemistry, sorted by number of heavy atoms, then by SMILES. The order of the
        atoms in `smiles` has no influence.

    Raises
    ------
    TypeError
        If `smiles` is no string or `max_heavy` no integer.
    ValueError
        If the SMILES cannot be read or stands for no, several, charged ("molaug"), hypervalent ("reference") or
        open-shell molecules; or for an option without meaning.

    References
    ----------
    .. [1] B. Huang, O. A. von Lilienfeld, Nat. Chem. 12, 945 (2020), doi:10.1038/s41557-020-0527-z,
       arXiv:1707.04146.

    Examples
    --------
    >>> amons("CCO")
    ['C', 'O', 'CC', 'CO', 'CCO']
    >>> amons("Oc1ccccc1", max_heavy=5)
    ['O', 'C=C', 'C=CO', 'C=CC=C', 'C=CC(=C)O', 'C=CC=CO']
    """
    check_options(max_heavy, rules)
    with BlockLogs():
        graph = HeavyGraph.from_mol(read_parent(smiles))
        check_charge(graph, rules, smiles)
        return _lists([graph], max_heavy, rules)[0]


def amons_of_many(
    smiles: Iterable[str],
    max_heavy: int = 7,
    rules: Rules = "molaug",
    *,
    executor: Executor | None = None,
    chunk_size: int = 512,
) -> Iterator[list[str] | AmonFailure]:
    """List the AMONs of each molecule of a stream, in its order.

    Parameters
    ----------
    smiles
        Molecules; read as far ahead as the executor is kept busy, never all at once.
    max_heavy
        As for `amons`.
    rules
        As for `amons`.
    executor
        Where to compute chunks of the stream; in this process by default. The result does not depend on it.
    chunk_size
        Molecules per unit of work.

    Returns
    -------
    iterator of list of str or AmonFailure
        For each molecule its AMONs as from `amons`, or why it has none.

    Raises
    ------
    ValueError
        For an option without meaning, when called.

    Examples
    --------
    >>> list(amons_of_many(["CO", "C(", "[NH4+]"], max_heavy=1))[0]
    ['C', 'O']
    """
    check_options(max_heavy, rules)
    if chunk_size < 1:
        raise ValueError(f"chunk_size={chunk_size} is too small: expected at least 1 molecule")
    return _stream(iter(smiles), max_heavy, rules, executor, chunk_size)


def _stream(
    smiles: Iterator[str], max_heavy: int, rules: Rules, executor: Executor | None, chunk_size: int
) -> Iterator[list[str] | AmonFailure]:
    chunks = iter(lambda: list(islice(smiles, chunk_size)), [])
    if executor is None:
        for chunk in chunks:
            yield from _amons_of_chunk(chunk, max_heavy, rules)
        return
    running: deque[Future[list[list[str] | AmonFailure]]] = deque()
    try:
        for chunk in chunks:
            running.append(executor.submit(_amons_of_chunk, chunk, max_heavy, rules))
            if len(running) >= _IN_FLIGHT:
                yield from running.popleft().result()
        while running:
            yield from running.popleft().result()
    finally:  # a reader that stops early leaves no work behind
        for future in running:
            future.cancel()


def _amons_of_chunk(smiles: list[str], max_heavy: int, rules: Rules) -> list[list[str] | AmonFailure]:
    out: list[list[str] | AmonFailure] = []
    batch: list[HeavyGraph] = []
    places: list[int] = []  # where the result of each molecule of the batch goes

    def flush() -> None:
        for place, found in zip(places, _lists(batch, max_heavy, rules), strict=True):
            out[place] = found
        batch.clear()
        places.clear()

    with BlockLogs():
        for one in smiles:
            try:
                graph = HeavyGraph.from_mol(read_parent(one))
                check_charge(graph, rules, one)
            except (TypeError, ValueError) as error:
                out.append(AmonFailure(smiles=one, reason=str(error)))
                continue
            places.append(len(out))
            out.append([])
            batch.append(graph)
            if sum(len(g.z) for g in batch) >= _BATCH_ATOMS:
                flush()
        flush()
    return out


def _lists(graphs: list[HeavyGraph], max_heavy: int, rules: Rules) -> list[list[str]]:
    if not graphs:
        return []
    found: list[set[tuple[int, str]]] = [set() for _ in graphs]
    for parent, key, mesomeric, guarded, strained in fragments(graphs, max_heavy, rules).distinct():
        found[parent].update((c.heavy, c.smiles) for c in accepted(key, mesomeric, guarded, strained))
    return [[smiles for _, smiles in sorted(one)] for one in found]
