"""The documentation: ``sphinx-build -W -b html docs docs/_build``."""

from __future__ import annotations

from docutils import nodes
from pydantic_core import PydanticUndefined
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import molaug
from molaug.config import Config
from molaug.structures.schema import MEANING, SCHEMA

project = "molaug"
author = "The molaug developers"
copyright = author
version = release = molaug.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"molaug {version}"
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
napoleon_google_docstring = False
napoleon_preprocess_types = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the signature would repeat what the docstring says in words
autodoc_class_signature = "mixed"


class Columns(SphinxDirective):
    """The columns of the record, from the schema itself."""

    def run(self) -> list[nodes.Node]:
        lines = ["| column | type | meaning |", "|---|---|---|"]
        lines += [f"| `{field.name}` | `{field.type}` | {MEANING[field.name]} |" for field in SCHEMA]
        return self.parse_text_to_nodes("\n".join(lines) + "\n")


class Keys(SphinxDirective):
    """The keys of the configuration, from the model itself."""

    def run(self) -> list[nodes.Node]:
        lines = ["| key | default | meaning |", "|---|---|---|"]
        for name, field in Config.model_fields.items():
            default = field.get_default(call_default_factory=True)
            shown = "" if default is PydanticUndefined else f"`{default!r}`"
            lines.append(f"| `{name}` | {shown} | {field.description or ''} |")
        return self.parse_text_to_nodes("\n".join(lines) + "\n")


def setup(app: Sphinx) -> None:
    app.add_directive("molaug-columns", Columns)
    app.add_directive("molaug-keys", Keys)
