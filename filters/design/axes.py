"""Principal axes of candidates and base together: a metric in which no few directions outweigh all others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Rows that are worked on together.
_ROWS = 16384

#: Axes of less variance than this share of the largest are rounding.
_NOUGHT = 1e-9


def on_axes(
    features: ArrayLike, known: ArrayLike, *, axes: int = 128, whitening: float = 0.5
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return features on the principal axes of candidates and base, each divided by a power of its spread.

    With ``whitening`` 0 distances are as they were, but for the axes that are left out; with 1 all axes count alike,
    those of noise too. One half lies between: what varies little counts less, but it counts.

    Parameters
    ----------
    features
        Of the candidates, shape (n_candidates, d).
    known
        Of the base, shape (n_known, d); may be empty.
    axes
        How many to keep, those of the largest spread.
    whitening
        The power, from 0 to 1.

    Returns
    -------
    candidates : NDArray[np.float32]
        Shape (n_candidates, at most ``axes``).
    base : NDArray[np.float32]
        Shape (n_known, as many).

    Raises
    ------
    ValueError
        If an option is out of its range.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(500, 2)) * (100.0, 1.0)
    >>> on_axes(rows, rows[:0])[0].std(0).round().tolist()
    [10.0, 1.0]
    """
    check_axes(axes, whitening)
    parts = [np.asarray(features), np.asarray(known)]
    n, d = sum(map(len, parts)), parts[0].shape[1]
    if not n:
        return np.zeros((0, min(axes, d)), np.float32), np.zeros((0, min(axes, d)), np.float32)
    mean = sum(block.sum(0) for part in parts for block in _blocks(part)) / n
    moments = np.zeros((d, d))
    for part in parts:
        for block in _blocks(part):
            moments += (block - mean).T @ (block - mean)
    variances, directions = np.linalg.eigh(moments / n)
    kept = np.flatnonzero(variances > _NOUGHT * max(float(variances[-1]), np.finfo(float).tiny))[::-1][:axes]
    projection = directions[:, kept] / np.sqrt(variances[kept]) ** whitening  # (d, n_axes)

    def projected(part: NDArray[np.generic]) -> NDArray[np.float32]:
        found = np.empty((len(part), len(kept)), dtype=np.float32)
        for k, block in enumerate(_blocks(part)):
            found[k * _ROWS : k * _ROWS + len(block)] = (block - mean) @ projection
        return found

    return projected(parts[0]), projected(parts[1])


def check_axes(axes: int, whitening: float) -> None:
    """Refuse options that make no sense.

    Parameters
    ----------
    axes
        At least 1.
    whitening
        From 0 to 1.

    Raises
    ------
    ValueError
        If one is out of its range.
    """
    if axes < 1 or not 0 <= whitening <= 1:
        raise ValueError(f"axes={axes}, whitening={whitening}; expected at least 1, and from 0 to 1")


def _blocks(part: NDArray[np.generic]) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(part), _ROWS):
        yield np.asarray(part[start : start + _ROWS], dtype=np.float64)
