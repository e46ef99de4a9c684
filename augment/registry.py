"""Names under which generators, filters, selectors, features and models are known, and how a file builds them."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, get_args, get_origin, get_type_hints

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
        "uncertainty": "molaug.filters.uncertainty.filter:Uncertainty",
        "leverage": "molaug.filters.design.filter:Leverage",
    }
)
SELECTORS: Mapping[str, str] = MappingProxyType(
    {
        "random": "molaug.filters.selection:Random",
        "stratified": "molaug.filters.selection:Stratified",
        "farthest-point": "molaug.filters.design.selectors:FarthestPoint",
        "d-optimal": "molaug.filters.design.selectors:DOptimal",
        "largest-cluster": "molaug.filters.design.selectors:LargestCluster",
        "k-means++": "molaug.filters.design.selectors:KMeansPlusPlus",
        "facility-location": "molaug.filters.design.selectors:FacilityLocation",
        "target": "molaug.filters.design.selectors:TargetDesign",
        "top-uncertainty": "molaug.filters.uncertainty.selector:TopUncertainty",
        "mixture": "molaug.filters.mixture:Mixture",
    }
)
FEATURES: Mapping[str, str] = MappingProxyType(
    {
        "distances": "molaug.filters.features:Distances",
        "morgan": "molaug.filters.features:Morgan",
        "environments": "molaug.filters.environments:Environments",
        "potential": "molaug.potentials.features:PotentialFeatures",
    }
)
MODELS: Mapping[str, str] = MappingProxyType(
    {
        "potential": "molaug.potentials.models:PotentialModel",
        "committee": "molaug.potentials.models:Committee",
    }
)

#: Options that are parts themselves, by the protocol that their field is typed with.
_NESTED: Mapping[str, tuple[Mapping[str, str], str]] = MappingProxyType(
    {
        "molaug.filters.features:Features": (FEATURES, "features"),
        "molaug.filters.uncertainty.model:UncertainModel": (MODELS, "model"),
        "molaug.filters.filter:Selector": (SELECTORS, "selector"),
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

    Options whose fields are typed as ``Features``, ``UncertainModel`` or ``Selector`` are parts themselves: a name, a
    mapping of one name to its options, or an object; and a sequence of such where the field is a tuple. Where such a
    field has no default, the first of its registry is taken.

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

    Examples
    --------
    >>> build(SELECTORS, {"d-optimal": {"features": "morgan"}}, "selector").features
    Morgan()
    """
    if not isinstance(options, Mapping):
        raise ConfigurationError(f"{what}: options are {options!r}; expected a mapping of names to values")
    made: Any = part
    if not dataclasses.is_dataclass(part):
        return made(**options)
    fields = [field.name for field in dataclasses.fields(part) if field.init]
    for key in options:
        if key not in fields:
            raise ConfigurationError(f"{what}: unknown option {key!r}; {nearest(key, fields)}")
    hints, nested = _hints(part)
    given = {**{name: next(iter(nested[name].known)) for name in _needed(part) if name in nested}, **options}
    try:
        values = {
            key: nested[key].built(value) if key in nested else _plain(hints[key], key, value, what)
            for key, value in given.items()
        }
        return made(**values)
    except ConfigurationError as error:
        raise ConfigurationError(str(error) if str(error).startswith(what) else f"{what}: {error}") from error
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{what}: {error}") from error


def check(part: Any, what: str) -> None:
    """Ask a part, and the parts that it is made of, whether what they need is there.

    Parameters
    ----------
    part
        Any; those without a method ``check`` need nothing.
    what
        How the errors call it.

    Raises
    ------
    ConfigurationError
        If a checkpoint or a file is missing, or cannot do what is asked for.
    """
    if callable(checked := getattr(part, "check", None)):
        try:
            checked()
        except (ValueError, OSError, KeyError) as error:
            raise ConfigurationError(f"{what}: {error.args[0] if isinstance(error, KeyError) else error}") from error
    if dataclasses.is_dataclass(part):
        for name, nested in _hints(type(part))[1].items():
            value = getattr(part, name)
            for one in value if nested.many else [value]:
                check(one, what)


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
        ``{name: options}``, of plain values, those of parts among the options too.

    Examples
    --------
    >>> specification(build(SELECTORS, "k-means++", "selector"), SELECTORS)
    {'k-means++': {'features': {'distances': {}}}}
    """
    from pydantic import TypeAdapter  # heavy, and not needed for the names

    kind = type(part)
    # a class is known by the name of its package too; those of other names need not be imported to see that
    same = (n for n, path in known.items() if path.endswith(f":{kind.__qualname__}") and locate(path) is kind)
    name = next(same, f"{kind.__module__}:{kind.__qualname__}")
    if not dataclasses.is_dataclass(part):
        return {name: {key: repr(value) for key, value in sorted(vars(part).items())}}
    hints, nested = _hints(kind)
    options = {}
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if field.name in nested:
            options[field.name] = nested[field.name].written(value)
        elif field.init:
            options[field.name] = TypeAdapter(hints[field.name]).dump_python(value, mode="json")
    return {name: options}


@dataclasses.dataclass(frozen=True, slots=True)
class _Nested:
    """An option that is a part, or a sequence of parts, of another registry."""

    known: Mapping[str, str]
    kind: str
    many: bool

    def built(self, value: Any) -> Any:
        """Return the part or parts."""
        if not self.many:
            return None if value is None else build(self.known, value, self.kind)
        if isinstance(value, str | Mapping) or not hasattr(value, "__iter__"):
            raise ConfigurationError(f"{self.kind}s are {value!r}; expected a sequence")
        return tuple(build(self.known, one, self.kind) for one in value)

    def written(self, value: Any) -> Any:
        """Return what they are built from."""
        if self.many:
            return [specification(one, self.known) for one in value]
        return None if value is None else specification(value, self.known)


def _hints(part: Any) -> tuple[dict[str, Any], dict[str, _Nested]]:
    """Return the types of the fields, and those of them that are parts."""
    hints = get_type_hints(part, include_extras=True)
    nested = {}
    for field in dataclasses.fields(part):
        hint = hints[field.name]
        inside = [hint, *get_args(hint)]
        for path, (known, kind) in _NESTED.items():
            if locate(path) in inside:
                origin = get_origin(hint)
                nested[field.name] = _Nested(known, kind, isinstance(origin, type) and issubclass(origin, Sequence))
    return hints, nested


def _needed(part: Any) -> list[str]:
    missing = dataclasses.MISSING
    return [
        f.name for f in dataclasses.fields(part) if f.init and f.default is missing and f.default_factory is missing
    ]


def _plain(hint: Any, key: str, value: Any, what: str) -> Any:
    """Return a value of the type of a field."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([key, *(str(place) for place in first["loc"])])
        raise ConfigurationError(
            f"{what}: option {where!r} is {first.get('input')!r}; {first['msg'].lower()}"
        ) from error
