"""How Sphinx builds the documentation; nothing is fetched from the network."""

from typing import Any

from gradclip_cli import __version__

project = "gradclip"
author = "the gradclip authors"
copyright = author
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"gradclip {release}"
html_show_sphinx = False

myst_heading_anchors = 3
default_role = "code"
"""Docstrings are Markdown: single backticks are code."""

autodoc_typehints = "signature"
autodoc_type_aliases = {"Path": "Path", "Layers": "Layers"}
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
nitpick_ignore_regex = [("py:.*", r".*")]
"""Types are shown, not linked: what they refer to lies in other projects' documentation."""


def _bars_are_text(app: object, what: str, name: str, entry: object, options: object, lines: list[str]) -> None:
    """Write |x| in a docstring so that it is no substitution of reStructuredText."""
    lines[:] = [line.replace("|", r"\|") for line in lines]


def setup(app: Any) -> None:
    """Take part in the reading of docstrings."""
    app.connect("autodoc-process-docstring", _bars_are_text)
