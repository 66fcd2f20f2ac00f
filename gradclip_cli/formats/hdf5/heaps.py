"""Global heaps, where HDF5 keeps texts: it never returns from one that holds a piece without a length.

Source: HDF5 File Format Specification 3.0, III.E.
"""

from gradclip_cli.errors import InputError
from gradclip_cli.files import InputFile

_SIGN = b"GCOL\x01\0\0\0"
_HEAD = 16
_SEARCHED = 16 << 20
"""Heaps further into a file are not looked for: reading all of it would take too long."""


def check(file: InputFile) -> None:
    """Raise where a heap is damaged in such a way."""
    data = file.read(0, min(file.size, _SEARCHED))
    at = data.find(_SIGN)
    while at >= 0:
        end = at + int.from_bytes(data[at + 8 : at + _HEAD], "little")
        if end <= len(data) and not _is_sound(data, at + _HEAD, end):
            raise InputError("HDF5 cannot read it: a heap of texts is damaged", path=file.path)
        at = data.find(_SIGN, at + 1)


def _is_sound(data: bytes, at: int, end: int) -> bool:
    """Whether the pieces of a heap follow each other to its end."""
    while end - at >= _HEAD:
        size = int.from_bytes(data[at + 8 : at + _HEAD], "little")
        is_free = data[at : at + 2] == b"\0\0"
        taken = size if is_free else _HEAD + -(-size // 8) * 8
        if not 0 < taken <= end - at:
            return False
        at += taken
    return True
