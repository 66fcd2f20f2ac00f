"""HDF5: groups are layers, datasets are params.

A copy of a file differs only in the elements of the changed tensors: attributes, links, empty groups, chunking, compression
and everything else that a framework wrote stay as they were.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Format, Options
from gradclip_cli.formats.sharing import one_call
from gradclip_cli.storage.base import RandomAccess
from gradclip_cli.tensors import TensorSpec

if TYPE_CHECKING:
    from gradclip_cli.formats.hdf5.reader import Hdf5Reader
    from gradclip_cli.formats.hdf5.writer import Hdf5Writer

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def _matches(head: bytes, file: RandomAccess) -> bool:
    """Recognise the format by its signature, which may follow a user block of 512, 1024, 2048 ... bytes."""
    return head[:8] == _SIGNATURE or user_block(file) is not None


def user_block(file: RandomAccess) -> int | None:
    """Return the size of the user block in bytes, which is the offset of the signature; None if there is no signature."""
    longer = (512 << k for k in range((file.size // 512).bit_length()))
    places = [at for at in (0, *longer) if at + 8 <= file.size]
    file.expect([(at, 8) for at in places])
    return next((at for at in places if file.read(at, 8) == _SIGNATURE), None)


def _prepare() -> None:
    """Start the child, which imports the library while this process does something else."""
    from gradclip_cli.formats.hdf5.child import shared

    with suppress(InputError):  # the first request raises it again, with the path
        shared.get()


def _open_reader(file: RandomAccess, options: Options) -> "Hdf5Reader":
    """Walk the file and check every dataset."""
    with one_call():
        _prepare()
        from gradclip_cli.formats.hdf5.reader import Hdf5Reader

        return Hdf5Reader(file, options)


def _rewrite(reader: "Hdf5Reader", changed: Collection[int], fd: int, path: str) -> "Hdf5Writer":
    """Begin a copy that differs only in the elements of `changed`."""
    from gradclip_cli.formats.hdf5.writer import rewrite

    return rewrite(reader, changed, fd, path)


def _convert(tensors: Sequence[TensorSpec], fd: int, path: str) -> "Hdf5Writer":
    """Begin a new file; `/` in a name makes a group."""
    from gradclip_cli.formats.hdf5.new_file import convert

    return convert(tensors, fd, path)


_ENDINGS = (".h5", ".hdf5", ".hdf", ".he5")
HDF5 = Format("hdf5", _ENDINGS, True, _matches, _open_reader, _rewrite, _convert, prepare=_prepare)
