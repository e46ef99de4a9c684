"""Torch held to one thread while learned generators draw."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold torch to one thread: sums in another order are other numbers, and processes are what runs in parallel.

    Yields
    ------
    None
        While inside.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
