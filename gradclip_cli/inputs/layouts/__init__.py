"""The ways in which files are one dump: a module each, and a line here, in the order in which they are asked.

To add one, write a module with a `Finder` and a `Layout` (`inputs/source.py`), and name its finder before `single`, which takes
whatever is left.
"""

from gradclip_cli.inputs.layouts import index, numbered, params, single
from gradclip_cli.inputs.source import Finder

FINDERS: tuple[Finder, ...] = (
    index.FINDER,
    params.FINDER,
    numbered.FINDER,
    single.FINDER,
)
