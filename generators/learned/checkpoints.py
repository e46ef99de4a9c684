"""Finding checkpoints of learned generators: by name or by path."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from molaug.structures.hashing import sha256

#: Folders of checkpoints besides those in the package, separated as in PATH.
FOLDERS_VARIABLE = "MOLAUG_CHECKPOINTS"

#: Checksums of the files of a checkpoint, in the format of ``sha256sum``.
CHECKSUMS = "SHA256SUMS"

_SUFFIXES = (".json", ".safetensors")


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


def seal_checkpoint(folder: str | Path) -> None:
    """Write the checksums of a checkpoint, once all its files are there.

    Parameters
    ----------
    folder
        Of the checkpoint; weights and configurations are listed in ``SHA256SUMS``.
    """
    folder = Path(folder)
    named = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.suffix in _SUFFIXES)
    lines = [f"{sha256(folder / name)}  {name.as_posix()}\n" for name in named]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")


def check_checkpoint(folder: Path) -> None:
    """Check that a checkpoint is as it was written, and that its weights are numbers.

    Parameters
    ----------
    folder
        Of the checkpoint. One without ``SHA256SUMS``, as earlier versions wrote them, is not compared.

    Raises
    ------
    ValueError
        If a file is damaged or missing, or a weight is not finite; says which.
    """
    sums = folder / CHECKSUMS
    if sums.is_file():
        for line in sums.read_text(encoding="utf-8", errors="replace").splitlines():
            checksum, _, name = line.partition("  ")
            if not (folder / name).is_file() or sha256(folder / name) != checksum:
                raise ValueError(
                    f"{folder / name}: damaged or missing: its sha256 is not that of {sums}. Get the checkpoint again, "
                    f"or delete {sums} if the file was changed on purpose"
                )
    for path in sorted(folder.rglob("*.safetensors")):
        _check_weights(path)


def _check_weights(path: Path) -> None:
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not a whole safetensors file ({' '.join(str(error).split())[:120]})") from error
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise ValueError(f"{path}: tensor {name!r} holds numbers that are not finite; get or train it again")
