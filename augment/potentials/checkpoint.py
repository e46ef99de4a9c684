"""Checkpoints of potentials by name or folder, found without loading what potentials are made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from molaug.generators.learned.checkpoints import checkpoint_folder

#: What installs everything that potentials need.
INSTALL = 'pip install "molaug[generate]"'


def look_for(name: str | Path) -> Path:
    """Find a checkpoint without loading it.

    Parameters
    ----------
    name
        A shipped checkpoint, one in ``$MOLAUG_CHECKPOINTS``, or a folder.

    Returns
    -------
    pathlib.Path
        Its folder.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    return checkpoint_folder(name, "config.json", '"molaug": "potential"')


def placed(name: str) -> str:
    """Return a folder as an absolute path, as a run may go on from another one; a name as it is.

    Parameters
    ----------
    name
        Of a checkpoint.

    Returns
    -------
    str
        By which it can be found from anywhere.
    """
    return str(Path(name).resolve()) if Path(name).is_dir() else name


@contextmanager
def installed() -> Iterator[None]:
    """Tell what to install where a package is missing inside.

    Yields
    ------
    None
        Once.

    Raises
    ------
    ImportError
        Instead of that of the missing package.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(f"a potential needs {error.name}, which is not installed: {INSTALL}") from error
