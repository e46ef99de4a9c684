"""Elias-Fano coding: sorted integers in about two bits more than their entropy, the same bytes everywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Integers coded at once; a multiple of 8, so that every block ends on a byte.
_BLOCK = 1 << 16


def low_bits(n: int, bits: int) -> int:
    """Return how many low bits of each of n integers are stored as they are.

    Parameters
    ----------
    n
        Number of integers.
    bits
        Width of the integers.

    Returns
    -------
    int
        ⌊log₂(2ᵇⁱᵗˢ / n)⌋, at least 0.

    Examples
    --------
    >>> low_bits(1000, 48)
    38
    """
    return max(0, bits - max(1, n).bit_length())


def encode(values: NDArray[np.uint64], bits: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Code sorted integers.

    The low bits are written one after the other; the high bits h₀ ≤ h₁ ≤ … as ones at the places hₖ + k of a bit
    vector (P. Elias, J. ACM 21, 246 (1974), doi:10.1145/321812.321820).

    Parameters
    ----------
    values
        Sorted, distinct, below 2**bits; shape (n,).
    bits
        Width of the integers, 1 to 64.

    Returns
    -------
    high : NDArray[np.uint8]
        The bit vector of the high parts.
    low : NDArray[np.uint8]
        The low parts.

    Examples
    --------
    >>> high, low = encode(np.array([3, 200, 255], dtype=np.uint64), 8)
    >>> decode(high, low, 3, 8).tolist()
    [3, 200, 255]
    """
    width = low_bits(len(values), bits)
    places = (values >> np.uint64(width)).astype(np.int64) + np.arange(len(values))
    marks = np.zeros(int(places[-1]) + 1 if len(values) else 0, dtype=np.uint8)
    marks[places] = 1
    blocks = [
        np.packbits(_unpack(values[start : start + _BLOCK], width).ravel(), bitorder="little")
        for start in range(0, len(values), _BLOCK)
    ]
    low = np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.uint8)
    return np.packbits(marks, bitorder="little"), low


def decode(high: NDArray[np.uint8], low: NDArray[np.uint8], n: int, bits: int) -> NDArray[np.uint64]:
    """Return the integers that were coded.

    Parameters
    ----------
    high
        From :func:`encode`.
    low
        From :func:`encode`.
    n
        Number of integers.
    bits
        Width of the integers.

    Returns
    -------
    NDArray[np.uint64]
        Sorted, shape (n,).

    Raises
    ------
    ValueError
        If the code is cut short.
    """
    width = low_bits(n, bits)
    places = np.flatnonzero(np.unpackbits(high, bitorder="little"))
    if len(places) != n or len(low) != (n * width + 7) // 8:
        raise ValueError(
            f"code of {len(places)} integers and {len(low)} bytes; expected {n} and {(n * width + 7) // 8}"
        )
    values = (places - np.arange(n)).astype(np.uint64) << np.uint64(width)
    if width:
        weights = np.uint64(1) << np.arange(width, dtype=np.uint64)
        for start in range(0, n, _BLOCK):
            m = min(_BLOCK, n - start)
            taken = low[start * width // 8 : (start * width + m * width + 7) // 8]
            digits = np.unpackbits(taken, count=m * width, bitorder="little").reshape(m, width)
            values[start : start + m] |= digits.astype(np.uint64) @ weights
    return values


def _unpack(values: NDArray[np.uint64], width: int) -> NDArray[np.uint8]:
    shifts = np.arange(width, dtype=np.uint64)
    return ((values[:, None] >> shifts) & np.uint64(1)).astype(np.uint8)  # (n, width)
