"""A set of molecules as sorted arrays of keys: small, mergeable and asked in bulk."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molaug.filters.redundancy.elias_fano import decode, encode
from molaug.filters.redundancy.keys import KINDS, Kind, molecule_keys, names
from molaug.structures import Structures
from molaug.structures.hashing import keys64

#: Version of the files.
VERSION = 1

#: Folders of checkpoints besides those in the package.
FOLDERS_VARIABLE = "MOLAUG_CHECKPOINTS"

_CONFIG, _KEYS = "config.json", "keys.npz"
_CHUNK = 2000


@dataclass(frozen=True, kw_only=True, eq=False)
class MoleculeIndex:
    """The keys of a set of molecules.

    Parameters
    ----------
    keys
        For each kind of name the sorted distinct keys, the highest ``bits`` of the 64 only.
    bits
        Bits kept of each key. A molecule that is not in an index of n is found in it by chance with probability
        n / 2**bits: 5e-10 for the molecules of QM9 and 48 bits.
    unread
        SMILES that were given but could not be read.

    Raises
    ------
    ValueError
        If a kind is unknown or ``bits`` is out of range.

    Examples
    --------
    >>> index = MoleculeIndex.build(["CCO", "C[C@H](F)O"])
    >>> index.knows(["OCC", "CC(O)F", "CCC"]).tolist()
    [True, True, False]
    >>> index.knows(["CC(O)F"], kind="isomeric").tolist()
    [False]
    """

    keys: Mapping[Kind, NDArray[np.uint64]]
    bits: int = 64
    unread: int = 0

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.keys if kind not in KINDS]
        if unknown or not self.keys:
            raise ValueError(f"kinds of keys {list(self.keys)}; expected some of {', '.join(KINDS)}")
        if not 32 <= self.bits <= 64:
            raise ValueError(f"{self.bits} bits of each key; expected 32 to 64")

    @classmethod
    def build(
        cls,
        molecules: Iterable[str | Structures],
        *,
        kinds: Sequence[Kind] = KINDS,
        executor: Executor | None = None,
    ) -> MoleculeIndex:
        """Build an index from a stream of molecules; memory grows with the distinct keys alone.

        Parameters
        ----------
        molecules
            SMILES, or batches whose ``smiles`` are read (rows without one are skipped and counted).
        kinds
            Names by which the molecules shall be found. The InChIKeys cost most of the time.
        executor
            Where names are computed; in this process by default. The result is the same.

        Returns
        -------
        MoleculeIndex
            With all 64 bits.
        """
        wanted = tuple(kinds)
        parts: dict[Kind, list[NDArray[np.uint64]]] = {kind: [] for kind in wanted}
        unread = 0
        for found, lost in _mapped(_chunks(molecules), wanted, executor):
            unread += lost
            for kind, keys in zip(wanted, found, strict=True):
                parts[kind].append(keys)
                # compact whenever as much has come in as is held: each key is sorted a logarithmic number of times
                if sum(map(len, parts[kind][1:])) > max(len(parts[kind][0]), 1 << 20):
                    parts[kind] = [_union(parts[kind])]
        return cls(keys={kind: _union(parts[kind]) for kind in wanted}, unread=unread)

    def __len__(self) -> int:
        """Return the number of distinct molecules under the first kind of name."""
        return len(next(iter(self.keys.values())))

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(keys)} {kind}" for kind, keys in self.keys.items())
        return f"MoleculeIndex({counts}, {self.bits} bits)"

    def contains(self, keys: NDArray[np.uint64], *, kind: Kind = "flat") -> NDArray[np.bool_]:
        """Tell which keys are in the index.

        Parameters
        ----------
        keys
            All 64 bits, from :func:`molaug.filters.redundancy.keys.molecule_keys`; shape (n,).
        kind
            Which name they are keys of.

        Returns
        -------
        numpy.ndarray of bool
            Shape (n,).

        Raises
        ------
        ValueError
            If the index has no keys of that kind.
        """
        if kind not in self.keys:
            raise ValueError(
                f"the index has no {kind!r} keys, only {', '.join(self.keys)}; build it with that kind too"
            )
        held = self.keys[kind]
        asked = np.asarray(keys, dtype=np.uint64) >> np.uint64(64 - self.bits)
        if not len(held):
            return np.zeros(len(asked), dtype=bool)
        order = np.argsort(asked)  # ascending queries walk through memory once: several times faster on large indices
        ascending = asked[order]
        place = np.minimum(np.searchsorted(held, ascending), len(held) - 1)
        known = np.empty(len(asked), dtype=bool)
        known[order] = held[place] == ascending
        return known

    def knows(self, smiles: Sequence[str], *, kind: Kind = "flat") -> NDArray[np.bool_]:
        """Tell which molecules are in the index.

        Parameters
        ----------
        smiles
            Any SMILES; one that cannot be read is not known.
        kind
            By which name.

        Returns
        -------
        numpy.ndarray of bool
            Shape (n,).
        """
        keys, named = molecule_keys(smiles, kind)
        return self.contains(keys, kind=kind) & named

    def merge(self, *others: MoleculeIndex) -> MoleculeIndex:
        """Return the union; associative and commutative.

        Parameters
        ----------
        *others
            Further indices. Kinds that not all have are dropped; the fewest bits are kept.

        Returns
        -------
        MoleculeIndex
            A new index.

        Raises
        ------
        ValueError
            If they share no kind of name.
        """
        every = (self, *others)
        kinds = [kind for kind in KINDS if all(kind in index.keys for index in every)]
        if not kinds:
            raise ValueError(f"indices of {[list(index.keys) for index in every]} share no kind of name")
        bits = min(index.bits for index in every)
        cut = [index.truncated(bits) for index in every]
        keys = {kind: _union([index.keys[kind] for index in cut]) for kind in kinds}
        return MoleculeIndex(keys=keys, bits=bits, unread=sum(index.unread for index in every))

    def truncated(self, bits: int) -> MoleculeIndex:
        """Return the index with fewer bits of each key: smaller, with more chance finds.

        Parameters
        ----------
        bits
            Bits to keep, at most those held.

        Returns
        -------
        MoleculeIndex
            A new index.

        Raises
        ------
        ValueError
            If more bits are asked for than are held.
        """
        if bits > self.bits:
            raise ValueError(f"{bits} bits asked of an index that holds {self.bits}")
        cut = {kind: _union([keys >> np.uint64(self.bits - bits)]) for kind, keys in self.keys.items()}
        return MoleculeIndex(keys=cut, bits=bits, unread=self.unread)

    def save(self, folder: str | Path, *, card: str | None = None, **about: Any) -> Path:
        """Write the index; equal indices give equal bytes.

        Parameters
        ----------
        folder
            Made where it is missing.
        card
            Text of ``README.md``; ``{sha256}`` and ``{counts}`` in it are filled in.
        **about
            Further entries of ``config.json``: data, licence, citation.

        Returns
        -------
        Path
            The folder.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, NDArray[np.uint8]] = {}
        for kind, keys in self.keys.items():
            arrays[f"{kind}.high"], arrays[f"{kind}.low"] = encode(keys, self.bits)
        np.savez(target / _KEYS, **arrays)  # type: ignore[arg-type]  # the stub takes its keywords for options
        digest = sha256((target / _KEYS).read_bytes()).hexdigest()
        counts = {kind: len(keys) for kind, keys in self.keys.items()}
        config = {"molecule_index": VERSION, "bits": self.bits, "counts": counts, "unread": self.unread}
        text = json.dumps({**config, "sha256": digest, **about}, indent=2, ensure_ascii=False)
        (target / _CONFIG).write_text(text + "\n", encoding="utf-8")
        if card is not None:
            lines = "\n".join(f"- `{kind}`: {count:,}" for kind, count in counts.items())
            text = card.replace("{sha256}", digest).replace("{counts}", lines)
            (target / "README.md").write_text(text, encoding="utf-8")
        return target

    @classmethod
    def load(cls, folder: str | Path) -> MoleculeIndex:
        """Read an index.

        Parameters
        ----------
        folder
            Written by :meth:`save`.

        Returns
        -------
        MoleculeIndex
            Equal to the one saved.

        Raises
        ------
        FileNotFoundError
            If the folder holds no index.
        ValueError
            If it was written by a later version or its keys are damaged.
        """
        source = Path(folder)
        if not (source / _CONFIG).is_file() or not (source / _KEYS).is_file():
            raise FileNotFoundError(f"{source} holds no molecule index; expected {_CONFIG} and {_KEYS} in it")
        config = json.loads((source / _CONFIG).read_text(encoding="utf-8"))
        if config.get("molecule_index") != VERSION:
            raise ValueError(
                f"{source} has molecule_index {config.get('molecule_index')}; this molaug reads {VERSION}. "
                "Upgrade molaug or build the index again"
            )
        digest = sha256((source / _KEYS).read_bytes()).hexdigest()
        if digest != config["sha256"]:
            raise ValueError(
                f"{source / _KEYS} has sha256 {digest}, its {_CONFIG} says {config['sha256']}; it is damaged"
            )
        with np.load(source / _KEYS, allow_pickle=False) as arrays:
            keys = {
                kind: decode(arrays[f"{kind}.high"], arrays[f"{kind}.low"], config["counts"][kind], config["bits"])
                for kind in KINDS
                if kind in config["counts"]
            }
        return cls(keys=keys, bits=config["bits"], unread=config["unread"])


def load_index(name: str | Path) -> MoleculeIndex:
    """Load an index by its name or path.

    Parameters
    ----------
    name
        A path, or a name such as ``qm9-keys`` that is looked up in the folders of ``$MOLAUG_CHECKPOINTS`` and then in
        the installed package.

    Returns
    -------
    MoleculeIndex
        The index.

    Raises
    ------
    FileNotFoundError
        If there is none; the error lists those that there are.
    """
    if (Path(name) / _CONFIG).is_file():
        return MoleculeIndex.load(name)
    places = _places()
    for place in places:
        if (place / name / _CONFIG).is_file():
            return MoleculeIndex.load(place / name)
    known = sorted({found.parent.name for place in places for found in place.glob(f"*/{_KEYS}")})
    raise FileNotFoundError(
        f"no molecule index {str(name)!r}: no such folder, and known by name are {', '.join(known) or 'none'}. "
        f"Give a path, or set {FOLDERS_VARIABLE} to the folder that holds it"
    )


def _places() -> list[Path]:
    given = [Path(part) for part in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if part]
    # checkpoints lie beside the filters, in a wheel and in the tree alike
    return [*given, Path(str(files("molaug.filters"))).parent / "checkpoints"]


def _union(parts: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Return the distinct keys in order; sorted in place, which takes half the memory of np.unique."""
    keys = np.concatenate([np.zeros(0, dtype=np.uint64), *parts])
    keys.sort()
    if len(keys):
        keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
    return keys


def _chunks(molecules: Iterable[str | Structures]) -> Iterator[list[str | None]]:
    waiting: list[str | None] = []
    for item in molecules:
        if isinstance(item, str):
            waiting.append(item)
        else:
            waiting.extend(item.column("smiles"))
        while len(waiting) >= _CHUNK:
            yield waiting[:_CHUNK]
            waiting = waiting[_CHUNK:]
    if waiting:
        yield waiting


def _keys_of(smiles: list[str | None], kinds: tuple[Kind, ...]) -> tuple[list[NDArray[np.uint64]], int]:
    found = [names(text, kinds) for text in dict.fromkeys(smiles) if text is not None]
    unread = sum(text is None or any(name is None for name in names(text, kinds)) for text in smiles)
    columns = zip(*found, strict=True) if found else [()] * len(kinds)
    return [_union([keys64([name for name in column if name is not None])]) for column in columns], unread


def _mapped(
    chunks: Iterator[list[str | None]], kinds: tuple[Kind, ...], executor: Executor | None
) -> Iterator[tuple[list[NDArray[np.uint64]], int]]:
    if executor is None:
        for chunk in chunks:
            yield _keys_of(chunk, kinds)
        return
    # a bounded number in flight: Executor.map would read the whole stream at once
    flying: deque[Future[tuple[list[NDArray[np.uint64]], int]]] = deque()
    for chunk in chunks:
        flying.append(executor.submit(_keys_of, chunk, kinds))
        if len(flying) >= 32:
            yield flying.popleft().result()
    while flying:
        yield flying.popleft().result()
