"""HDF5: groups are layers, datasets are params.

A copy of a file is made byte for byte, with the elements of the changed tensors replaced: attributes, links, empty groups,
chunking, compression and everything else that a framework wrote stay as they were.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Format, Options
from gradclip_cli.formats.sharing import one_child, sharing
from gradclip_cli.storage.random_access import RandomAccess
from gradclip_cli.tensors import TensorSpec

if TYPE_CHECKING:
    from gradclip_cli.formats.hdf5.reader import Hdf5Reader
    from gradclip_cli.formats.hdf5.writer import Hdf5Writer

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def _matches(head: bytes, file: RandomAccess) -> bool:
    """Tell by the signature, which may also stand behind a user block of 512, 1024, 2048 ... bytes."""
    return head[:8] == _SIGNATURE or user_block(file) is not None


def user_block(file: RandomAccess) -> int | None:
    """Return where the signature stands, which is the size of the user block; None where there is none."""
    at = 0
    while at + 8 <= file.size:
        if file.read(at, 8) == _SIGNATURE:
            return at
        at = 2 * at or 512
    return None


def _open_reader(file: RandomAccess, options: Options) -> "Hdf5Reader":
    """Walk over the file and check every dataset."""
    with one_child():
        with suppress(InputError):  # which comes again, with the name of the file, when something is asked
            sharing.child()  # it starts while modules are imported here
        from gradclip_cli.formats.hdf5.reader import Hdf5Reader

        return Hdf5Reader(file, options)


def _rewrite(reader: "Hdf5Reader", changed: Collection[int], fd: int, path: str) -> "Hdf5Writer":
    """Begin a copy, byte for byte but for the elements of `changed`."""
    from gradclip_cli.formats.hdf5.writer import rewrite

    return rewrite(reader, changed, fd, path)


def _convert(tensors: Sequence[TensorSpec], fd: int, path: str) -> "Hdf5Writer":
    """Begin a new file; `/` in a name makes groups."""
    from gradclip_cli.formats.hdf5.new_file import convert

    return convert(tensors, fd, path)


HDF5 = Format("hdf5", (".h5", ".hdf5", ".hdf", ".he5"), True, _matches, _open_reader, _rewrite, _convert)
