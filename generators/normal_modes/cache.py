"""What is dear to compute is kept: in the memory of the process, and in a folder if the environment names one."""

from __future__ import annotations

import os
import pickle
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from molaug.structures import Structure
from molaug.structures.calculators import Method

#: Environment variable with the folder where arrays are kept; without it they are kept in memory only.
FOLDER = "MOLAUG_CACHE"

#: What is kept of one molecule.
Arrays = Mapping[str, NDArray[np.float64]]

#: Molecules in memory.
_IN_MEMORY = 32

#: Packages whose versions decide what a method gives.
_PACKAGES = ("molaug", "ase", "rdkit", "tblite", "pyscf")

#: Bytes of the checksum at the end of a file.
_DIGEST = 16

_memory: OrderedDict[str, Arrays] = OrderedDict()
_lock = threading.Lock()


def cached(key: str | None, compute: Callable[[], Arrays]) -> Arrays:
    """Return what was computed under a key, or compute it.

    A file is written under another name and renamed when it is whole, so that a process that is killed leaves no half
    of one. A file that cannot be read is made again, and a folder that cannot be written to is no error.

    Parameters
    ----------
    key
        Names the computation and all its input; None keeps nothing.
    compute
        Makes the arrays.

    Returns
    -------
    Mapping of str to NDArray[np.float64]
        The arrays, not to be written to: the same bits whether computed or found.
    """
    if key is None:
        return _frozen(compute())
    with _lock:
        if key in _memory:
            _memory.move_to_end(key)
            return _memory[key]
    folder = os.environ.get(FOLDER)
    path = Path(folder) / f"{key}.npz" if folder else None
    arrays = _read(path) if path is not None else None
    if arrays is None:
        arrays = _frozen(compute())
        if path is not None:
            with suppress(OSError):
                _write(path, arrays)
    with _lock:
        _memory[key] = arrays
        while len(_memory) > _IN_MEMORY:
            _memory.popitem(last=False)
    return arrays


def forget() -> None:
    """Empty the memory of this process; files stay."""
    with _lock:
        _memory.clear()


def key_of(method: Method, structure: Structure, **options: Any) -> str | None:
    """Return the key of what a method gives for a molecule.

    Parameters
    ----------
    method
        Told by its names, options and packages' versions; a calculator that is an object by its pickled state. The code
        of a calculator is not looked at: empty the folder after changing it.
    structure
        Told by all that it is made of, the positions to the last bit.
    **options
        Further numbers and texts that matter.

    Returns
    -------
    str or None
        Hexadecimal digits, or None if the method cannot be pickled.
    """
    spec = (method.calculator, sorted(method.options.items()), method.charge_key, method.multiplicity_key)
    try:
        state = pickle.dumps(spec, protocol=5)
    except (pickle.PicklingError, TypeError, AttributeError):
        return None
    told = [structure.charge, structure.multiplicity, structure.smiles, sorted(options.items()), _versions()]
    digest = blake2b(digest_size=16)
    for part in (
        state,
        repr(told).encode(),
        np.ascontiguousarray(structure.numbers).tobytes(),
        b"" if structure.positions is None else np.ascontiguousarray(structure.positions, dtype="<f8").tobytes(),
    ):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


@cache
def _versions() -> tuple[str, ...]:
    found: list[str] = []
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return tuple(found)


def _frozen(arrays: Arrays) -> Arrays:
    fixed = {name: np.array(values, dtype=np.float64) for name, values in arrays.items()}
    for values in fixed.values():
        values.setflags(write=False)
    return fixed


def _read(path: Path) -> Arrays | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if _digest(content[:-_DIGEST]) != content[-_DIGEST:]:
        return None  # cut off or changed
    with np.load(BytesIO(content), allow_pickle=False) as file:
        return _frozen({name: file[name] for name in file.files})


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=_DIGEST).digest()


def _write(path: Path, arrays: Arrays) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = BytesIO()
    contents: dict[str, Any] = dict(arrays)
    np.savez(buffer, **contents)
    content = buffer.getvalue()
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".writing-", suffix=".npz", delete=False) as file:
        try:
            file.write(content + _digest(content))  # readers of .npz pass over what follows the archive
            file.flush()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
