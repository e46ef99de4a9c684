"""Progress as seen by whoever waits: a bar with counts and time left on a terminal, silence elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """Told what is being done and how far it is."""

    def stage(self, name: str, *, total: int | None, done: int = 0) -> AbstractContextManager[Callable[[], None]]:
        """Begin one stage of work.

        Parameters
        ----------
        name
            What is shown.
        total
            Steps in all, if known.
        done
            Steps found done already.

        Returns
        -------
        context manager
            Gives a function to be called after each step.
        """
        ...


class Silent:
    """Shows nothing."""

    @contextmanager
    def stage(self, name: str, *, total: int | None, done: int = 0) -> Iterator[Callable[[], None]]:
        """See :meth:`Progress.stage`."""
        del name, total, done
        yield lambda: None


class Bars:
    """Shows a bar for each stage on standard error, when that is a terminal."""

    @contextmanager
    def stage(self, name: str, *, total: int | None, done: int = 0) -> Iterator[Callable[[], None]]:
        """See :meth:`Progress.stage`."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with RichProgress(*columns, console=console, disable=not console.is_terminal) as bars:
            task = bars.add_task(name, total=total, completed=done)
            yield lambda: bars.advance(task)
