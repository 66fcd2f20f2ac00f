"""The layouts: ways in which files form one dump, in the order in which their finders are asked.

To add one, write a module with a `Finder` and a `Layout` (`inputs/source.py`), and list its finder before `single`, which takes
all paths that are left.
"""

from gradclip_cli.inputs.layouts import captured, dcp, index, keras, numbered, params, parts, single
from gradclip_cli.inputs.source import Finder

FINDERS: tuple[Finder, ...] = (
    index.FINDER,
    keras.INDEX_FINDER,
    dcp.FINDER,
    captured.FINDER,
    numbered.FINDER,
    keras.SHARDS_FINDER,
    params.FINDER,
    parts.FINDER,
    single.FINDER,
)
