"""Limits of a score: below the least, above the most, and the words for it."""

from __future__ import annotations

import math


def check_limits(least: float | None, most: float | None) -> None:
    """Refuse limits between which nothing can lie.

    Parameters
    ----------
    least
        Of a score that is never negative.
    most
        Of the same.

    Raises
    ------
    ValueError
        If a limit is negative or no number, or the least exceeds the most.

    Examples
    --------
    >>> check_limits(0.1, None)
    """
    for title, limit in (("least", least), ("most", most)):
        if limit is not None and not limit >= 0:
            raise ValueError(f"{title} is {limit}; expected at least 0, or None for no limit")
    if least is not None and most is not None and least > most:
        raise ValueError(f"least is {least} and most is {most}; expected the least below the most")


def limited(
    score: float, least: float | None, most: float | None, form: str, low: str, high: str, unknown: str
) -> str | None:
    """Return why a score is not between its limits.

    Parameters
    ----------
    score
        NaN where there is none; this is against ``most``, since it may be anything.
    least
        None for no limit.
    most
        None for no limit.
    form
        How the score is written, with a place for it.
    low
        What a score below the least means.
    high
        What a score above the most means.
    unknown
        What it means that there is none.

    Returns
    -------
    str or None
        None where it is.

    Examples
    --------
    >>> limited(2.5, None, 1.0, "h = {:.3g}", "known", "remote", "no features")
    'h = 2.5 is above 1: remote'
    """
    if math.isnan(score):
        return None if most is None else unknown
    if least is not None and score < least:
        return f"{form.format(score)} is below {least:g}: {low}"
    if most is not None and score > most:
        return f"{form.format(score)} is above {most:g}: {high}"
    return None
