"""A folder of its own for each calculator, so that no two ever read each other's files."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

#: Files that options name are copied into the folder up to this size, and linked above it.
COPIED = 64 * 2**20

#: Names of options whose values are results and not inputs: what is there from an earlier try must not be seen.
_OUTPUT = re.compile(r"out|tmp|temp|scratch|work|log|txt|save|restart|directory|label|prefix|traj", re.IGNORECASE)

#: What computes: the first that a calculator has is wrapped, else all others.
_COMPUTING = ("calculate", "get_property", "get_potential_energy", "get_forces")

#: The working directory belongs to the whole process.
_turn = threading.RLock()

_live: set[Path] = set()
_swept: set[tuple[int, Path]] = set()


def _after_fork() -> None:
    global _turn
    _turn = threading.RLock()  # another thread may have held it
    _live.clear()  # they are the parent's


os.register_at_fork(after_in_child=_after_fork)


class Scratch:
    """A folder that is made when it is first entered and removed when nothing needs it any more.

    Parameters
    ----------
    base
        Folder in which it is made; the system's folder of temporary files by default.
    path
        This very folder instead, which is there and is not removed: it is the caller's.
    inputs
        Relative paths that shall be found in it too.
    """

    def __init__(self, *, base: Path | None = None, path: Path | None = None, inputs: Iterable[str] = ()) -> None:
        self._home = Path.cwd()
        self._base, self._path, self._inputs = base, path, tuple(inputs)
        self._made: Path | None = None

    @property
    def path(self) -> Path:
        """The folder, which is made if it is not there."""
        if self._made is None or not self._made.is_dir():
            if self._path is not None:
                self._made = self._path.resolve()
            else:
                base = Path(tempfile.gettempdir()) if self._base is None else self._base
                base.mkdir(parents=True, exist_ok=True)
                sweep(base)
                self._made = Path(tempfile.mkdtemp(prefix=f"{_prefix()}{os.getpid()}-", dir=base)).resolve()
                _live.add(self._made)
            for name in self._inputs:
                _show(self._home / name, self._made / name)
        return self._made

    @contextlib.contextmanager
    def entered(self) -> Iterator[Path]:
        """Work in the folder.

        Yields
        ------
        Path
            The folder, which is the working directory meanwhile; other threads wait.
        """
        with _turn, contextlib.chdir(self.path):
            yield self.path

    def remove(self) -> None:
        """Remove the folder, if it was made."""
        if self._made is not None and self._path is None:
            _live.discard(self._made)
            shutil.rmtree(self._made, ignore_errors=True)
            self._made = None


def confine(calculator: Any, options: Mapping[str, Any], folder: Path | None = None) -> Scratch:
    """Let a calculator work in a folder of its own, removed with the calculator.

    A ``directory`` other than the current one is the folder in which those of all calculators are made. Calculators
    that others are made of stay within it too.

    Parameters
    ----------
    calculator
        Fresh, and nobody else's; changed in place.
    options
        What it was made with: input files and folders that they name by relative paths are found in its folder too.
    folder
        Its folder, if the caller wants to have it; it is not removed.

    Returns
    -------
    Scratch
        Its folder, which may be removed before: it is made again if need be.
    """
    base = None
    if (given := _directory(calculator)) is not None:
        base = given.absolute()
    for k, inner in enumerate(_within(calculator)):
        place = _directory(inner)
        if inner is calculator or (place is not None and place.is_absolute()):
            with contextlib.suppress(AttributeError, TypeError, ValueError):
                inner.directory = "." if inner is calculator else f"part-{k}"
    parameters = getattr(calculator, "parameters", None)
    named = [options, parameters if isinstance(parameters, Mapping) else {}]
    commands = [getattr(calculator, "command", None), getattr(getattr(calculator, "profile", None), "command", None)]
    inputs = sorted({name for part in [*named, {"command": commands}] for name in _inputs(part)})
    scratch = Scratch(base=base, path=folder, inputs=inputs)
    reference = weakref.ref(calculator)
    wrapped = [name for name in _COMPUTING if callable(getattr(type(calculator), name, None))]
    for name in wrapped[:1] if "calculate" in wrapped else wrapped:
        setattr(calculator, name, _confined(getattr(type(calculator), name), reference, scratch))
    weakref.finalize(calculator, scratch.remove)
    return scratch


@contextlib.contextmanager
def at_home() -> Iterator[None]:
    """Wait until no other thread is in a folder of its own, so that relative paths mean what the user meant.

    Yields
    ------
    None
        Meanwhile no other thread enters one.
    """
    with _turn:
        yield


def clear() -> None:
    """Remove all folders that this process has made and not yet removed."""
    for path in list(_live):
        shutil.rmtree(path, ignore_errors=True)
    _live.clear()


def sweep(base: Path | None = None) -> None:
    """Remove the folders of processes of this machine that are no more, once in each process.

    Parameters
    ----------
    base
        Folder in which they lie; the system's folder of temporary files by default.
    """
    base = Path(tempfile.gettempdir()) if base is None else base
    if (os.getpid(), base) in _swept:
        return
    _swept.add((os.getpid(), base))
    remove_orphans(base)


def remove_orphans(base: Path | None = None) -> None:
    """Remove the folders of processes of this machine that are no more.

    Parameters
    ----------
    base
        Folder in which they lie; the system's folder of temporary files by default.
    """
    prefix = _prefix()
    for path in (Path(tempfile.gettempdir()) if base is None else base).glob(f"{prefix}*"):
        number = path.name.removeprefix(prefix).partition("-")[0]
        if number.isdigit() and not _lives(int(number)):
            shutil.rmtree(path, ignore_errors=True)


def _prefix() -> str:
    host = re.sub(r"[^A-Za-z0-9]", "", socket.gethostname()) or "host"
    return f"molaug-{os.getuid()}-{host}-"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _confined(method: Callable[..., Any], reference: weakref.ref[Any], scratch: Scratch) -> Callable[..., Any]:
    def confined(*args: Any, **kwargs: Any) -> Any:
        calculator = reference()  # weak: the folder goes when the calculator goes, without waiting for a collection
        with scratch.entered():
            return method(calculator, *args, **kwargs)

    return confined


def _directory(calculator: Any) -> Path | None:
    """Return the folder that a user chose."""
    given = getattr(calculator, "directory", None)
    if not isinstance(given, str | os.PathLike) or os.fspath(given) in ("", ".", "./"):
        return None
    return Path(os.fspath(given)).expanduser()


def _within(calculator: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Return a calculator and those that it is made of."""
    seen = set() if seen is None else seen
    if id(calculator) in seen or len(seen) > 100:
        return
    seen.add(id(calculator))
    yield calculator
    for value in list(getattr(calculator, "__dict__", {}).values()):
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
        for part in parts:
            computes = hasattr(part, "get_potential_energy") and not hasattr(part, "get_positions")
            if computes or type(part).__name__ == "Mixer":  # of ase.calculators.mixing
                yield from _within(part, seen)


def _inputs(options: Mapping[Any, Any]) -> Iterator[str]:
    """Return relative paths of files and folders that exist and are named by options as inputs."""
    for key, value in options.items():
        if _OUTPUT.search(str(key)):
            continue
        for text in _texts(value):
            command = "command" in str(key)
            for token in _words(text) if command else [text]:
                path = Path(token)
                if token in ("", ".") or path.is_absolute() or ".." in path.parts or len(token) > 1000:
                    continue
                with contextlib.suppress(OSError, ValueError):
                    if path.is_file() or (path.is_dir() and not command):
                        yield os.path.normpath(token)


def _words(command: str) -> list[str]:
    """Return the words of a command without those that it writes to."""
    return re.sub(r"\d?>>?&?\s*\S+", " ", command).replace("<", " ").replace('"', " ").replace("'", " ").split()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str | Path):
        yield str(value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if not _OUTPUT.search(str(key)):
                yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _show(source: Path, target: Path) -> None:
    """Let an input be found in the folder; a copy, so that what is written over it is nobody else's."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        if source.is_file() and source.stat().st_size <= COPIED:
            shutil.copy2(source, target)
        else:
            target.symlink_to(source, target_is_directory=source.is_dir())
