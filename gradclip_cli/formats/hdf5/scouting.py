"""Read what describes the objects of a remote file before a walk does, and fetch side by side what many of them need.

A walk goes from object to object, each of which may lie beside its elements, and reads a few places of each: a round trip for
every one of them. Here, an object that needs what has not been fetched is left, and tried again when what all others need has
been noted and fetched, too. This runs in the child.
"""

from collections import deque
from typing import Any

from h5py import h5a, h5d, h5g, h5l, h5o

from gradclip_cli.formats.hdf5.attributes import text_of
from gradclip_cli.formats.hdf5.blocks import BlockFile
from gradclip_cli.formats.hdf5.library import FAILURES

_SMALL = 16 << 20
"""A file of so many bytes is fetched whole by the parent."""
_MOST_OBJECTS = 4096
"""The most objects that are looked for, some 20 µs each; the walk finds the others by itself."""
_MOST_BLOCKS, _MOST_TRIES = 96, 16
"""The most blocks that are fetched together, of the 256 that are kept, and how often an object is tried."""


def scout(file: Any, blocks: BlockFile) -> None:
    """Read the objects of a file for the first time; what is wrong with them, the walk will say."""
    seen, waiting = set[int](), deque([(b"/", _MOST_TRIES)])
    while waiting and blocks.size > _SMALL:
        left = list[tuple[bytes, int]]()
        with blocks.noting() as missing:
            while waiting and len(missing) < _MOST_BLOCKS:
                path, tries = waiting.popleft()
                try:
                    waiting.extend((below, _MOST_TRIES) for below in _read(file, path, seen))
                except FAILURES:
                    left += [(path, tries - 1)] if tries else []
        if missing:  # else what failed is damaged
            waiting.extendleft(reversed(left))
            blocks.fetch(missing)


def _read(file: Any, path: bytes, seen: set[int]) -> list[bytes]:
    """Read an object; return the paths of those that it has links to, if it is a group, and nothing had before."""
    thing = h5o.open(file, path)
    if h5a.get_num_attrs(thing):  # texts of any length lie apart, many in one place
        for name in (b"name", b"CLASS", b"coordinates"):
            text_of(thing, name)
    if isinstance(thing, h5d.DatasetID):
        thing.get_storage_size()  # the walk asks for it, too, which goes through the list of its chunks
    if not isinstance(thing, h5g.GroupID):
        return []
    names, found = list[bytes](), dict[int, bytes]()
    thing.links.iterate(names.append)
    for name in names if len(seen) < _MOST_OBJECTS else ():
        link = thing.links.get_info(name)
        if link.type == h5l.TYPE_HARD and link.u not in seen:
            found[link.u] = path + name + b"/"
    seen.update(found)
    return list(found.values())
