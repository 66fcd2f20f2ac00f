"""Read attributes as texts, within bounds.

This module runs in the child process.
"""

from contextlib import suppress
from typing import Any

import numpy as np
from h5py import h5a, h5s, h5t

from gradclip_cli.formats.hdf5.library import FAILURES, name_of

_LONGEST_TEXT = 1000
_MOST = 256
"""The most attributes of one object that are read; the others are those that come last by name."""
_NUMBERS = (h5t.INTEGER, h5t.FLOAT, h5t.ENUM)  # an enum is a number where h5py reads it as bool
_WIDEST = 8


def text_of(thing: Any, name: bytes) -> str | None:
    """Return a text attribute of an object; None if there is none, or if it is too long."""
    if not h5a.exists(thing, name):
        return None
    value = _value(h5a.open(thing, name))
    return value if isinstance(value, str) else None


def texts_of(thing: Any) -> dict[str, str]:
    """Return the attributes of an object that hold one text or one number, as texts by their names.

    Numbers are written such that they read back as the same float64. What cannot be read is left out.
    """
    found: dict[str, str] = {}
    for index in range(min(h5a.get_num_attrs(thing), _MOST)):
        with suppress(*FAILURES):
            attribute = h5a.open(thing, index=index)
            value = _value(attribute)
            if value is not None:
                found[name_of(attribute.get_name())] = str(value)
    return found


def _value(attribute: Any) -> str | int | float | None:
    """Return the one text or number of an attribute; None if it holds more, nothing, or anything else."""
    space, kind = attribute.get_space(), attribute.get_type()
    if space.get_simple_extent_type() == h5s.NULL or space.get_simple_extent_npoints() != 1:
        return None
    text = kind.get_class() == h5t.STRING
    if not text and not (kind.get_class() in _NUMBERS and kind.get_size() <= _WIDEST):
        return None
    if attribute.get_storage_size() > _LONGEST_TEXT:
        return None
    return _decoded(_read(attribute, kind)) if text else _number(_read(attribute, kind))


def _read(attribute: Any, kind: Any) -> Any:
    """Return the one element of an attribute; None if numpy has no type for it."""
    try:
        held = np.zeros(1, kind.dtype)
    except TypeError:
        return None
    attribute.read(held.reshape(attribute.shape))
    return held[0]


def _decoded(raw: Any) -> str | None:
    """Decode a text; None if it is too long, or not UTF-8."""
    if not isinstance(raw, bytes) or len(raw) > _LONGEST_TEXT:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _number(value: Any) -> int | float | None:
    plain = value.item() if isinstance(value, np.generic) else None
    return plain if isinstance(plain, int | float) else None
