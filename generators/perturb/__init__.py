"""Rattle and relax: a tree of geometries grown from each molecule."""

from molaug.generators.perturb.generator import Perturb

__all__ = ["Perturb"]
