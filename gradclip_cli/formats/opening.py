"""Open a file in the format that its first bytes show."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from gradclip_cli.errors import InputError
from gradclip_cli.formats import FORMATS, by_name
from gradclip_cli.formats.base import PICKLE_ADVICE, Format, Options, Reader, check_shapes
from gradclip_cli.storage.fingerprint import Fingerprint, changed
from gradclip_cli.storage.random_access import InputFile, RandomAccess

_HEAD = 64
_PICKLED = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle")


@contextmanager
def opened(
    path: str, options: Options, name: str | None = None, fingerprint: Fingerprint | None = None
) -> Iterator[tuple[Format, Reader]]:
    """Open a file in the format `name`, or else in the one that its first bytes show.

    Raises InputError if the file is no dump, cannot be read, or no longer has the given fingerprint.
    """
    with InputFile(path) as file:
        format = by_name(name) if name else _recognised(file)
        file.complete()  # only now: a pipe that is no dump may never end
        if fingerprint not in (None, file.fingerprint):
            raise changed(path)
        reader = format.open_reader(file, options)
        try:
            check_shapes(reader)
            yield format, reader
        finally:
            reader.close()


def _recognised(file: RandomAccess) -> Format:
    head = file.read(0, _HEAD)
    for name in FORMATS:
        if by_name(name).matches(head, file):
            return by_name(name)
    raise InputError(f"is none of {', '.join(FORMATS)}; {_advice(head, file.path)}", path=file.path)


def _advice(head: bytes, path: str) -> str:
    """Advise the user on a file that is no dump."""
    if head[:2] == b"\x80\x02" or os.path.splitext(path)[1].lower() in _PICKLED:
        return PICKLE_ADVICE
    if head.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer: fetch the file itself with `git lfs pull`"
    if not head:
        return "it is empty"
    return "save the gradients with one of their libraries"
