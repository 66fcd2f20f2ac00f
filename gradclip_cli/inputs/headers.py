"""Glance into headers when dumps are found, where the names of files leave it open what they are."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gradclip_cli.errors import InputError
from gradclip_cli.storage import locations


class Header(NamedTuple):
    """The names of the tensors in a file, and what the file says of itself."""

    names: Sequence[str]
    metadata: Mapping[str, str]


def header_of(path: str, most: int | None = None) -> Header | None:
    """Return the header of a file; None if it is no dump, cannot be read, or, in some formats, has more tensors than `most`.

    What is no regular file is not opened: a pipe can be read only once.
    """
    from gradclip_cli.formats.base import Options
    from gradclip_cli.formats.opening import opened

    if not locations.is_file(path):
        return None
    try:
        with opened(path, Options(most_tensors=most)) as (_, reader):
            return Header([spec.name for spec in reader.tensors], reader.metadata)
    except InputError:
        return None


def same_names(sets: Sequence[Sequence[str]]) -> bool:
    """Whether sets of files hold tensors with the same names; False if a file cannot be read."""
    return len(found := {_names(files) for files in sets}) == 1 and None not in found


def disjoint_names(files: Sequence[str]) -> bool:
    """Whether no tensor is in two files; False if one cannot be read."""
    return bool(disjoint_headers(files))


def disjoint_headers(files: Sequence[str]) -> list[Header]:
    """Return the headers of files if no tensor is in two of them; nothing if one is, or if a file cannot be read.

    No file is opened after the first two that share a tensor.
    """
    seen, found = set[str](), list[Header]()
    for path in files:
        header = header_of(path)
        if header is None or not seen.isdisjoint(header.names):
            return []
        seen.update(header.names)
        found.append(header)
    return found


def _names(files: Sequence[str]) -> frozenset[str] | None:
    headers = [header_of(path) for path in files]
    return frozenset(name for header in headers if header for name in header.names) if all(headers) else None
