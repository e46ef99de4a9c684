"""Leverage, greedy D-optimal picks and clusters on arrays of features: throughput, and how the cost grows.

    python benchmarks/design.py [--rows 134000] [--features 128] [--picks 1000] [--large 2000000]

Features are normal numbers whose scales fall as those of a trained network's last layer do (spectrum k^-1). Seconds are
of the wall on two threads unless a row says otherwise; the naive way stands beside ours and does the same.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import inv
from threadpoolctl import threadpool_limits

from molaug.filters.design import ActiveSet, eliminate, exchange, facility_location, farthest, greedy_d, lcmd
from molaug.filters.information import Information


def machine() -> str:
    """Name the processor and its load, as other work on it slows everything down."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, numpy {np.__version__}"


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def features(n: int, d: int, seed: int = 0) -> np.ndarray:
    scales = 1.0 / np.arange(1, d + 1)
    return (np.random.default_rng(seed).standard_normal((n, d)) * scales).astype(np.float32)


def plain_greedy(rows: np.ndarray, known: Information, n: int) -> list[int]:
    """Bring the gains of all rows up to date after each pick."""
    whitened = known.whitened(rows)
    gains = np.einsum("nd,nd->n", whitened, whitened)
    directions = np.empty((n, rows.shape[1]))
    chosen = []
    for k in range(n):
        best = int(gains.argmax())
        along = whitened[best] - directions[:k].T @ (directions[:k] @ whitened[best])
        directions[k] = along / np.sqrt(1.0 + whitened[best] @ along)
        gains -= (whitened @ directions[k]) ** 2
        gains[best] = -np.inf
        chosen.append(best)
    return chosen


def plain_farthest(rows: np.ndarray, n: int) -> list[int]:
    """Bring all distances up to date after each pick."""
    lengths = np.einsum("nd,nd->n", rows, rows)
    squares, chosen = np.full(len(rows), np.inf), [0]
    for _ in range(n - 1):
        squares = np.minimum(squares, lengths + lengths[chosen[-1]] - 2 * (rows @ rows[chosen[-1]]))
        chosen.append(int(squares.argmax()))
    return chosen


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=134_000)
    parser.add_argument("--features", type=int, default=128)
    parser.add_argument("--picks", type=int, default=1000)
    parser.add_argument("--large", type=int, default=2_000_000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    n, d, picks = arguments.rows, arguments.features, arguments.picks
    print(f"{machine()}, {arguments.threads} threads; d = {d}")
    with threadpool_limits(arguments.threads):
        base, pool = features(10_000, d, 1), features(n, d)
        known = Information.of(base).regularised()
        print("\n| what | rows | s | rows/s | |\n|---|---:|---:|---:|---|")
        seconds, _ = timed(lambda: Information.of(pool))
        row("information matrix", f"{n:,}", f"{seconds:.2f}", f"{n / seconds:,.0f}", "")
        seconds, found = timed(lambda: known.leverage(pool))
        row("leverage", f"{n:,}", f"{seconds:.2f}", f"{n / seconds:,.0f}", "")
        few = pool[:20_000].astype(np.float64)
        inverse = inv(base.T.astype(np.float64) @ base + known.ridge * np.eye(d))
        seconds, naive = timed(lambda: np.array([f @ inverse @ f for f in few]))
        off = np.abs(naive / found[: len(few)] - 1).max()
        row(
            "naive: row by row with the inverse",
            f"{len(few):,}",
            f"{seconds:.2f}",
            f"{len(few) / seconds:,.0f}",
            f"differs by {off:.0e}",
        )

        print("\n| picks of rows | rows | picks | s | picks/s | |\n|---|---:|---:|---:|---:|---|")
        seconds, ours = timed(lambda: greedy_d(pool, known, picks))
        row("greedy D-optimal", f"{n:,}", picks, f"{seconds:.1f}", f"{picks / seconds:,.0f}", "")
        naive_seconds, theirs = timed(lambda: plain_greedy(pool, known, picks))
        same = int((ours == theirs).sum())
        row(
            "naive: all gains after each pick",
            f"{n:,}",
            picks,
            f"{naive_seconds:.1f}",
            f"{picks / naive_seconds:,.0f}",
            f"{same} of {picks} the same; ours {naive_seconds / seconds:.1f}× as fast",
        )
        small = min(2000, n)
        seconds, better = timed(
            lambda: exchange(
                pool[:small],
                known,
                ours[ours < small][:100] if (ours < small).sum() >= 100 else np.arange(100),
                max_swaps=200,
            )
        )
        row("exchange, at most 200 swaps", f"{small:,}", len(better), f"{seconds:.1f}", "", "")
        seconds, _ = timed(lambda: lcmd(pool, base[:1000], picks))
        row(
            "largest cluster, farthest row",
            f"{n:,}",
            picks,
            f"{seconds:.1f}",
            f"{picks / seconds:,.0f}",
            "1,000 rows of the base",
        )
        seconds, _ = timed(lambda: facility_location(pool, base[:1000], picks))
        row("facility location, 10,000 rows served", f"{n:,}", picks, f"{seconds:.1f}", f"{picks / seconds:,.0f}", "")
        apart, tenth = np.full(n, np.inf), n // 10
        seconds, _ = timed(lambda: farthest(pool, apart, tenth))
        row("farthest point, one tenth", f"{n:,}", f"{tenth:,}", f"{seconds:.1f}", f"{tenth / seconds:,.0f}", "")
        few_picks = tenth // 20
        naive_seconds, _ = timed(lambda: plain_farthest(pool, few_picks))
        row(
            "naive: all distances after each pick",
            f"{n:,}",
            f"{few_picks:,}",
            f"{naive_seconds:.1f}",
            f"{few_picks / naive_seconds:,.0f}",
            "",
        )
        ridge = Information.of(pool).regularised(1e-6).ridge
        seconds, _ = timed(lambda: eliminate(pool, ridge, 3 * n // 10))
        row("elimination of three tenths", f"{n:,}", f"{3 * n // 10:,}", f"{seconds:.1f}", "", "")
        seconds, active = timed(lambda: ActiveSet.of(pool))
        row("MaxVol", f"{n:,}", len(active.rows), f"{seconds:.1f}", "", "")

        print("\n| growth | rows | leverage s | greedy s |\n|---|---:|---:|---:|")
        for size in (n // 4, n // 2, n, arguments.large):
            many = pool[:size] if size <= n else features(size, d, 2)
            of_leverage, _ = timed(lambda many=many: known.leverage(many))
            of_greedy, _ = timed(lambda many=many: greedy_d(many, known, picks))
            row(f"{picks} picks", f"{size:,}", f"{of_leverage:.2f}", f"{of_greedy:.1f}")


if __name__ == "__main__":
    main()
