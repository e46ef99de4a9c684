"""Whatever scores, rejects or selects structures."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molaug.filters.design.filter import Leverage
    from molaug.filters.design.selectors import (
        DOptimal,
        FacilityLocation,
        FarthestPoint,
        KMeansPlusPlus,
        LargestCluster,
        TargetDesign,
    )
    from molaug.filters.environments import Environments
    from molaug.filters.filter import BoundFilter, Filter, Selector, Verdicts
    from molaug.filters.mixture import Mixture
    from molaug.filters.pool import Pool
    from molaug.filters.redundancy import MoleculeIndex, Redundancy, load_index
    from molaug.filters.selection import Random, Stratified
    from molaug.filters.uncertainty.filter import Uncertainty
    from molaug.filters.uncertainty.selector import TopUncertainty
    from molaug.filters.validity import Validity

_HOMES = {
    "BoundFilter": "molaug.filters.filter",
    "DOptimal": "molaug.filters.design.selectors",
    "Environments": "molaug.filters.environments",
    "FacilityLocation": "molaug.filters.design.selectors",
    "FarthestPoint": "molaug.filters.design.selectors",
    "Filter": "molaug.filters.filter",
    "KMeansPlusPlus": "molaug.filters.design.selectors",
    "LargestCluster": "molaug.filters.design.selectors",
    "Leverage": "molaug.filters.design.filter",
    "Mixture": "molaug.filters.mixture",
    "MoleculeIndex": "molaug.filters.redundancy",
    "Pool": "molaug.filters.pool",
    "Random": "molaug.filters.selection",
    "Redundancy": "molaug.filters.redundancy",
    "Selector": "molaug.filters.filter",
    "Stratified": "molaug.filters.selection",
    "TargetDesign": "molaug.filters.design.selectors",
    "TopUncertainty": "molaug.filters.uncertainty.selector",
    "Uncertainty": "molaug.filters.uncertainty.filter",
    "Validity": "molaug.filters.validity",
    "Verdicts": "molaug.filters.filter",
    "load_index": "molaug.filters.redundancy",
}

__all__ = [
    "BoundFilter",
    "DOptimal",
    "Environments",
    "FacilityLocation",
    "FarthestPoint",
    "Filter",
    "KMeansPlusPlus",
    "LargestCluster",
    "Leverage",
    "Mixture",
    "MoleculeIndex",
    "Pool",
    "Random",
    "Redundancy",
    "Selector",
    "Stratified",
    "TargetDesign",
    "TopUncertainty",
    "Uncertainty",
    "Validity",
    "Verdicts",
    "load_index",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
