"""AMONs: the small molecules of which larger ones consist."""

from molaug.generators.amons.graph import AmonFailure, amons, amons_of_many

__all__ = ["AmonFailure", "amons", "amons_of_many"]
