"""A page that shows what a run did."""

from __future__ import annotations


def write_report(folder, funnel, card): ...
