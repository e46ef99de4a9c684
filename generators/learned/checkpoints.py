"""Finding checkpoints of learned generators: by name or by path."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

#: Folders of checkpoints besides those in the package, separated as in PATH.
FOLDERS_VARIABLE = "MOLAUG_CHECKPOINTS"


def checkpoint_folder(name: str | Path, marker: str, kind: str = "") -> Path:
    """Return the folder of a checkpoint.

    Parameters
    ----------
    name
        A path; or a name, looked for in ``$MOLAUG_CHECKPOINTS`` and in the package.
    marker
        A file that every checkpoint holds.
    kind
        What the marker names in those that the message lists, such as the class of a pipeline.

    Returns
    -------
    pathlib.Path
        An existing folder.

    Raises
    ------
    FileNotFoundError
        If there is none; says which there are.
    """
    if (Path(name) / marker).is_file():
        return Path(name)
    folders = [Path(f) for f in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if f]
    # checkpoints lie beside the generators, in a wheel and in the tree alike
    folders.append(Path(str(files("molaug.generators"))).parent / "checkpoints")
    for folder in folders:
        if (folder / name / marker).is_file():
            return folder / name
    found = [path for folder in folders for path in folder.glob(f"*/{marker}")]
    known = [path.parent.name for path in found if kind in path.read_text(encoding="utf-8")]
    there_are = ", ".join(sorted(set(known))) or "none there are; molaug fit trains one"
    raise FileNotFoundError(
        f"no checkpoint {str(name)!r} ({marker} in it); expected a folder or one of: {there_are} "
        f"(further folders: ${FOLDERS_VARIABLE})"
    )
