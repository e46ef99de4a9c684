"""Values of properties that a user asks for, as the networks of learned generators take them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor


def standardised(
    properties: Mapping[str, float] | None, scales: Mapping[str, tuple[float, float]], device: torch.device
) -> Tensor | None:
    """Return standardised values, and whether each is given.

    Parameters
    ----------
    properties
        In their units; those that are not named are left open.
    scales
        Mean and standard deviation of every property that the network knows.
    device
        Where the values are wanted.

    Returns
    -------
    Tensor or None
        Shape (1, 2 n_conditions); None if nothing is asked for.

    Raises
    ------
    ValueError
        If the network does not know a property, or a value is not finite.

    Examples
    --------
    >>> standardised({"gap": 9.0}, {"dipole": (2.5, 1.5), "gap": (7.0, 1.0)}, torch.device("cpu")).tolist()
    [[0.0, 2.0, 0.0, 1.0]]
    """
    if not properties:
        return None
    for name, value in properties.items():
        if name not in scales:
            known = ", ".join(scales) or "none: train with data.conditions"
            raise ValueError(f"no property {name!r} to steer by; this generator knows {known}")
        if not math.isfinite(value):
            raise ValueError(f"property {name!r} is {value}; expected a finite number")
    values = [(properties[name] - mean) / sd if name in properties else 0.0 for name, (mean, sd) in scales.items()]
    return torch.tensor([values + [float(name in properties) for name in scales]], device=device)
