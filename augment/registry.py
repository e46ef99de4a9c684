"""Names under which generators, filters, selectors and calculators are known, and how they are built from a file."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter, ValidationError

GENERATORS: Mapping[str, str] = MappingProxyType(
    {
        "amons": "molaug.generators.amons:Amons",
        "conformers": "molaug.generators.conformers:Conformers",
        "normal-modes": "molaug.generators.normal_modes:NormalModes",
        "dynamics": "molaug.generators.dynamics:Dynamics",
        "torsions": "molaug.generators.torsions:Torsions",
        "perturb": "molaug.generators.perturb:Perturb",
        "graph": "molaug.generators.graph:GraphGenerator",
        "diffusion": "molaug.generators.diffusion:DiffusionGenerator",
        "diffusion-conformers": "molaug.generators.diffusion:DiffusionConformers",
    }
)
FILTERS: Mapping[str, str] = MappingProxyType(
    {
        "validity": "molaug.filters.validity:Validity",
        "redundancy": "molaug.filters.redundancy:Redundancy",
    }
)
SELECTORS: Mapping[str, str] = MappingProxyType(
    {
        "random": "molaug.filters.selection:Random",
        "stratified": "molaug.filters.selection:Stratified",
        "farthest-point": "molaug.filters.selection:FarthestPoint",
        "d-optimal": "molaug.filters.design.selectors:DOptimal",
        "largest-cluster": "molaug.filters.design.selectors:LargestCluster",
        "k-means++": "molaug.filters.design.selectors:KMeansPlusPlus",
    }
)

#: How one part is named in a configuration: a name, or a name with options.
Spec = str | Mapping[str, Any]


class ConfigurationError(ValueError):
    """A configuration that cannot be run: says what was given, what was expected and what to do."""


def nearest(name: str, known: Mapping[str, Any] | list[str]) -> str:
    """Return the clause of an error message that lists what is known, the nearest first.

    Parameters
    ----------
    name
        What was given.
    known
        Names that would have been right.

    Returns
    -------
    str
        For instance ``did you mean 'amons'? Known: amons, conformers``.
    """
    close = get_close_matches(name, list(known), n=1, cutoff=0.5)
    listed = "known: " + ", ".join(known)
    return f"did you mean {close[0]!r}? {listed.capitalize()}" if close else listed


def locate(path: str) -> Any:
    """Import ``module:Name``.

    Parameters
    ----------
    path
        For instance ``ase.calculators.emt:EMT``.

    Returns
    -------
    Any
        The class or function.

    Raises
    ------
    ConfigurationError
        If it is not there.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name and not module.startswith(error.name):
            raise  # the module is there, something that it needs is not: its own message says what to install
        raise ConfigurationError(f"{path!r} cannot be imported ({error}); expected 'package.module:Name'") from error


def build(known: Mapping[str, str], spec: Spec | Any, kind: str) -> Any:
    """Build a part from its specification.

    Parameters
    ----------
    known
        One of the registries of this module.
    spec
        A registered name, ``module:Class``, or a mapping of one such name to options; an object that is a part
        already is returned as it is.
    kind
        What the part is called in errors, for instance ``"generator"``.

    Returns
    -------
    Any
        The part.

    Raises
    ------
    ConfigurationError
        If the name or an option is unknown, or a value has a wrong type.

    Examples
    --------
    >>> build(GENERATORS, {"conformers": {"prune_rms": 0.2}}, "generator").prune_rms
    0.2
    """
    name: str
    options: Any
    if isinstance(spec, str):
        name, options = spec, {}
    elif isinstance(spec, Mapping):
        if len(spec) != 1:
            raise ConfigurationError(f"{kind} {dict(spec)!r}: expected one name with its options")
        name, options = next(iter(spec.items()))
        options = {} if options is None else options
    else:
        return spec
    if name not in known and ":" not in name:
        raise ConfigurationError(f"unknown {kind} {name!r}; {nearest(name, known)}; or 'package.module:Class'")
    part = locate(known.get(name, name))
    return instantiate(part, options, f"{kind} {name}")


def instantiate(part: Any, options: Any, what: str) -> Any:
    """Build a dataclass from plain values, or call whatever else it is with them.

    Parameters
    ----------
    part
        A class.
    options
        Names and values.
    what
        How the errors call it.

    Returns
    -------
    Any
        An instance.

    Raises
    ------
    ConfigurationError
        If an option is unknown or a value has a wrong type.
    """
    if not isinstance(options, Mapping):
        raise ConfigurationError(f"{what}: options are {options!r}; expected a mapping of names to values")
    if not dataclasses.is_dataclass(part):
        return part(**options)
    fields = [field.name for field in dataclasses.fields(part) if field.init]
    for key in options:
        if key not in fields:
            raise ConfigurationError(f"{what}: unknown option {key!r}; {nearest(key, fields)}")
    try:
        return TypeAdapter(part).validate_python(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(place) for place in first["loc"])
        raise ConfigurationError(
            f"{what}: option {where!r} is {first.get('input')!r}; {first['msg'].lower()}"
        ) from error
    except ValueError as error:
        raise ConfigurationError(f"{what}: {error}") from error


def specification(part: Any, known: Mapping[str, str]) -> dict[str, Any]:
    """Return what :func:`build` makes the part from: every option with its value.

    Parameters
    ----------
    part
        A part, registered or not.
    known
        The registry that it may be in.

    Returns
    -------
    dict
        ``{name: options}``, of plain values.
    """
    path = f"{type(part).__module__}:{type(part).__qualname__}"
    name = next((n for n, p in known.items() if locate(p) is type(part)), path)
    if dataclasses.is_dataclass(part):
        return {name: TypeAdapter(type(part)).dump_python(part, mode="json")}
    return {name: {key: repr(value) for key, value in sorted(vars(part).items())}}
