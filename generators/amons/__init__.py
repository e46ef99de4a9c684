"""AMONs: the small molecules of which larger ones consist."""

from molaug.generators.amons.cut import CutAmon, cut_amons
from molaug.generators.amons.generator import Amons
from molaug.generators.amons.graph import AmonFailure, amons, amons_of_many
from molaug.generators.amons.missing import MissingAmon, missing_amons

__all__ = ["AmonFailure", "Amons", "CutAmon", "MissingAmon", "amons", "amons_of_many", "cut_amons", "missing_amons"]
