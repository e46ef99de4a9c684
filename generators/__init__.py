"""Whatever proposes structures."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molaug.generators.amons import Amons
    from molaug.generators.conformers import Conformers
    from molaug.generators.generator import Generator

_HOMES = {
    "Amons": "molaug.generators.amons",
    "Conformers": "molaug.generators.conformers",
    "Generator": "molaug.generators.generator",
}

__all__ = ["Amons", "Conformers", "Generator"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
