"""Content keys and random streams that are the same on every machine, in every process and order."""

from __future__ import annotations

import hashlib
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Positions are rounded to this length before hashing; in Å.
POSITION_RESOLUTION = 1e-6


def key64(text: str) -> int:
    """Return the 64-bit blake2b key of a text.

    Two of n distinct texts share a key with probability n²/2⁶⁵: 1e-5 for 20 million.

    Parameters
    ----------
    text
        Any text, for instance a canonical SMILES.

    Returns
    -------
    int
        In [0, 2⁶⁴).

    Examples
    --------
    >>> key64("CCO") == key64("CCO"), key64("CCO") == key64("OCC")
    (True, False)
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def content_key(
    numbers: ArrayLike, positions: ArrayLike | None, charge: int, multiplicity: int, smiles: str | None = None
) -> str:
    """Return the identity of one row: a hash of what it is made of, as given (no canonical order or frame).

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n_atoms,).
    positions
        Shape (n_atoms, 3) or flat, in Å, rounded to 1e-6 Å for the hash; None for a bare molecular graph.
    charge
        Total charge in e.
    multiplicity
        2S+1.
    smiles
        What the row is made of where it has no positions; not looked at otherwise.

    Returns
    -------
    str
        32 hexadecimal digits.

    Examples
    --------
    >>> content_key([2], [[0.0, 0.0, 0.0]], 0, 1) == content_key([2], [[0.0, -1e-9, 0.0]], 0, 1)
    True
    """
    h = blake2b(digest_size=16)
    h.update(f"{int(charge)},{int(multiplicity)};".encode())
    h.update(np.ascontiguousarray(numbers, dtype=np.uint8).tobytes())
    if positions is None:
        h.update(b"graph:" + (smiles or "").encode())
    else:
        # little-endian int64 of micro-ångström: no signed zero, no platform dependence
        grid = np.rint(np.asarray(positions, dtype=np.float64) / POSITION_RESOLUTION)
        if not np.isfinite(grid).all():
            # a geometry that is not finite has a key too: it must be possible to reject it by name
            grid = np.nan_to_num(grid, nan=-(2.0**62), posinf=2.0**62, neginf=-(2.0**62))
        h.update(grid.astype("<i8").tobytes())
    return h.hexdigest()


def stream(seed: int, *keys: str | int) -> np.random.Generator:
    """Return the random stream of one item: it depends on the seed and the item's keys alone.

    Parameters
    ----------
    seed
        The one seed of the run, not negative.
    *keys
        What names the item, for instance generator, parent id and number.

    Returns
    -------
    numpy.random.Generator
        Equal for equal arguments, whatever was drawn before and in whichever process.

    Raises
    ------
    ValueError
        If the seed is negative.

    Examples
    --------
    >>> stream(0, "conformers", "abc", 3).random() == stream(0, "conformers", "abc", 3).random()
    True
    """
    return np.random.default_rng(_entropy(seed, keys))


def derived_seed(seed: int, *keys: str | int) -> int:
    """Return a 31-bit seed for libraries that seed themselves by an integer (RDKit), from the same stream.

    Parameters
    ----------
    seed
        The one seed of the run, not negative.
    *keys
        What names the item.

    Returns
    -------
    int
        In [1, 2³¹ - 2²⁰), so that a million sequential seeds may follow it.

    Raises
    ------
    ValueError
        If the seed is negative.

    Examples
    --------
    >>> derived_seed(7, "a", 1) == derived_seed(7, "a", 1) != derived_seed(7, "a", 2)
    True
    """
    return int(stream(seed, *keys).integers(1, 2**31 - 2**20))


def _entropy(seed: int, keys: tuple[str | int, ...]) -> list[int]:
    if seed < 0:
        raise ValueError(f"seed {seed} is negative; expected an integer of at least 0")
    # a separator that no key holds keeps ("a", "b") and ("ab",) apart
    return [int(seed), key64("\x1f".join(str(key) for key in keys))]


def keys64(texts: list[str]) -> NDArray[np.uint64]:
    """Return the 64-bit keys of many texts.

    Parameters
    ----------
    texts
        Any texts.

    Returns
    -------
    NDArray[np.uint64]
        Shape (n,), in the order of the texts.

    Examples
    --------
    >>> keys64(["C", "O"]).dtype
    dtype('uint64')
    """
    joined = b"".join(blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64)


def sha256(path: Path) -> str:
    """Return the checksum of a file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
