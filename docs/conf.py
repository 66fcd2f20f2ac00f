"""How Sphinx builds the documentation; nothing is fetched from the network."""

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
html_extra_path = ["reference/schemas"]

myst_heading_anchors = 3
default_role = "code"
"""Docstrings are Markdown: single backticks are code."""

autodoc_typehints = "signature"
autodoc_type_aliases = {"Path": "Path", "Layers": "Layers"}
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
nitpick_ignore_regex = [("py:.*", r".*")]
"""Types are shown, not linked: what they refer to lies in other projects' documentation."""
