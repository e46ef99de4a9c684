"""What the removal of rows costs in errors: a regression trained on the rows kept, tried on molecules held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from molaug.filters.design.elimination import eliminate
from molaug.filters.information import Information
from molaug.filters.ranking import ranking
from molaug.structures.hashing import keys64

#: Share of the molecules that are held out for the test.
TEST = 0.1

#: Ridges that are tried, as shares of the mean eigenvalue; the smallest leave-one-out error decides.
_SHARES = np.geomspace(1e-12, 1e2, 15)

#: What the regressions are trained on.
WAYS = ("all rows", "kept by leverage", "kept at random")


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Absolute errors on the test part, one value for each seed.

    Parameters
    ----------
    mae
        Means, in eV.
    p99
        99th percentiles, in eV.
    largest
        Maxima, in eV.
    """

    mae: tuple[float, ...]
    p99: tuple[float, ...]
    largest: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class MeasuredCost:
    """Errors of regressions trained on all rows, on those kept by leverage, and on as many at random.

    Parameters
    ----------
    level
        Level of theory of the energies.
    n_train
        Rows outside the test part, on average over seeds.
    n_kept
        Of these, rows kept.
    n_test
        Rows of the test part.
    errors
        By what was trained on, see :data:`WAYS`.
    """

    level: str | None
    n_train: float
    n_kept: float
    n_test: float
    errors: Mapping[str, Errors]

    def ratio(self, measure: str) -> tuple[float, float]:
        """Compare the rows kept by leverage with as many at random, seed by seed.

        Parameters
        ----------
        measure
            ``mae``, ``p99`` or ``largest``.

        Returns
        -------
        mean : float
            Of the ratios of both errors; below 1 where leverage is the better choice.
        standard_error : float
            Of that mean; NaN for a single seed.
        """
        by_leverage, at_random = (np.array(getattr(self.errors[way], measure)) for way in WAYS[1:])
        return mean_and_error(by_leverage / at_random)


def measured_cost(
    features: NDArray[np.float32],
    atoms: ArrayLike,
    energies: ArrayLike,
    molecules: Sequence[str],
    *,
    keep: float = 0.7,
    ridge: float = 1e-4,
    seeds: int = 5,
    seed: int = 0,
    level: str | None = None,
) -> MeasuredCost:
    """Train regressions on all rows, on those kept by leverage and on as many at random, and try them on a test part.

    For each seed a tenth of the molecules, by a hash of their names, is held out before anything is removed. The
    energies are fitted by least squares to the numbers of atoms of each element, without a penalty, and to the
    features, with the ridge of the smallest leave-one-out error on the rows that are trained on.

    Parameters
    ----------
    features
        Shape (n, d).
    atoms
        Number of atoms of each element, shape (n, n_elements).
    energies
        In eV, shape (n,).
    molecules
        A name of the molecule of each row: what has the same name is in the same part.
    keep
        Share of the rows that are kept.
    ridge
        Of the removal by leverage, as a share of the mean eigenvalue of the information.
    seeds
        Test parts, each with random rows of its own.
    seed
        The first of them.
    level
        Level of theory of the energies.

    Returns
    -------
    MeasuredCost
        Errors of the three ways.

    Raises
    ------
    ValueError
        If the lengths differ, there are fewer than one seed, or a part is empty.
    """
    counts, labels = np.asarray(atoms, dtype=np.float64), np.asarray(energies, dtype=np.float64)
    if not len(features) == len(counts) == len(labels) == len(molecules):
        raise ValueError(
            f"{len(features)} rows of features, {len(counts)} of atoms, {len(labels)} energies and {len(molecules)} "
            "molecules; expected as many of each"
        )
    if seeds < 1:
        raise ValueError(f"seeds is {seeds}; expected at least 1")
    found: dict[str, list[NDArray[np.float64]]] = {way: [] for way in WAYS}
    sizes = []
    for number in range(seed, seed + seeds):
        test = _held_out(molecules, number)
        rows, tests = np.flatnonzero(~test), np.flatnonzero(test)
        n = round(keep * len(rows))
        if not len(tests) or n < 2:
            raise ValueError(f"{len(tests)} rows to test on and {n} to train on; expected more labelled rows")
        whole = Information.of(features[rows]).regularised(ridge)
        removed = eliminate(features[rows], whole.ridge, len(rows) - n)
        order = ranking([f"{row}:{molecules[row]}" for row in rows.tolist()], number, "prune")
        for way, train in zip(WAYS, (rows, np.delete(rows, removed), rows[order[:n]]), strict=True):
            model = _fitted(counts[train], features[train], labels[train])
            off = np.abs(model(counts[tests], features[tests]) - labels[tests])
            found[way].append(np.array([off.mean(), np.quantile(off, 0.99), off.max()]))
        sizes.append((len(rows), n, len(tests)))
    n_train, n_kept, n_test = np.mean(sizes, axis=0).tolist()
    errors = {}
    for way, values in found.items():
        mae, p99, largest = np.array(values).T.tolist()
        errors[way] = Errors(mae=tuple(mae), p99=tuple(p99), largest=tuple(largest))
    return MeasuredCost(level=level, n_train=n_train, n_kept=n_kept, n_test=n_test, errors=errors)


def mean_and_error(values: ArrayLike) -> tuple[float, float]:
    """Return a mean and its standard error.

    Parameters
    ----------
    values
        Shape (n,).

    Returns
    -------
    mean : float
        Of the values.
    standard_error : float
        NaN for a single value.

    Examples
    --------
    >>> mean_and_error([1.0, 2.0, 3.0])
    (2.0, 0.5773502691896258)
    """
    given = np.asarray(values, dtype=np.float64)
    error = float(given.std(ddof=1) / np.sqrt(len(given))) if len(given) > 1 else float("nan")
    return float(given.mean()), error


def _held_out(molecules: Sequence[str], seed: int) -> NDArray[np.bool_]:
    keys = keys64([f"prune:{seed}:{molecule}" for molecule in molecules])
    return (keys >> np.uint64(11)).astype(np.float64) / 2.0**53 < TEST


def _fitted(
    counts: NDArray[np.float64], features: NDArray[np.float32], energies: NDArray[np.float64]
) -> Callable[[NDArray[np.float64], NDArray[np.float32]], NDArray[np.float64]]:
    """Fit energies to counts without a penalty and to features with a ridge (Frisch, Waugh and Lovell)."""
    targets = np.column_stack([energies, features.astype(np.float64)])
    references = np.linalg.lstsq(counts, targets, rcond=None)[0]  # (n_elements, 1 + d)
    rest = targets - counts @ references
    residual, rows = rest[:, 0], rest[:, 1:]
    values, vectors = np.linalg.eigh(rows.T @ rows)
    turned = rows @ vectors  # (n, d), uncorrelated
    along = turned.T @ residual
    outer = np.linalg.qr(counts)[0]  # its rows have the leverages of the counts as their squared lengths
    of_counts = np.einsum("nk,nk->n", outer, outer)
    squares = turned**2

    def left_out(share: float) -> float:
        ridges = values.clip(min=0.0) + share * float(values.mean())
        leverage = of_counts + squares @ (1.0 / ridges)
        off = (residual - turned @ (along / ridges)) / np.maximum(1.0 - leverage, 1e-6)
        return float(np.mean(off**2))

    best = min(_SHARES.tolist(), key=left_out)
    weights = vectors @ (along / (values.clip(min=0.0) + best * float(values.mean())))

    def predicted(others: NDArray[np.float64], others_features: NDArray[np.float32]) -> NDArray[np.float64]:
        inner = others_features - others @ references[:, 1:]
        energy: NDArray[np.float64] = others @ references[:, 0] + inner @ weights
        return energy

    return predicted
