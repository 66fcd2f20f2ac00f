"""Take locations apart as text: what `os.path` does for paths, and what stands in its place for URLs.

`os.path.join`, `split` and `splitext` do for both. What asks the system, or takes `//` for `/`, must not see a URL.
"""

import os
import re
from collections.abc import Iterable

from gradclip_cli.storage.locations import is_remote


def given(location: str | os.PathLike[str]) -> str:
    """Return a location that a user gave as a text; a `file://` URL is the path in it.

    >>> given("file:///data/step%201.npz"), given("file://localhost/x.npz"), given("s3://b/x.npz")
    ('/data/step 1.npz', '/x.npz', 's3://b/x.npz')
    """
    text = os.fspath(location)
    if text[:7].lower() != "file://":
        return text
    path = os.fsencode(text[7:].removeprefix("localhost"))
    return os.fsdecode(re.sub(rb"%([0-9A-Fa-f]{2})", lambda code: bytes.fromhex(code[1].decode()), path))


def normal(location: str) -> str:
    """Return a location without what does not matter in it.

    >>> normal("run//x/"), normal("s3://b//x/")
    ('run/x', 's3://b//x')
    """
    return location.rstrip("/") if is_remote(location) else os.path.normpath(location)


def absolute(location: str) -> str:
    """Return a location that does not depend on the working directory."""
    return normal(location) if is_remote(location) else os.path.abspath(location)


def real(location: str) -> str:
    """Return where the links in a path lead."""
    return normal(location) if is_remote(location) else os.path.realpath(location)


def common_folder(locations: Iterable[str]) -> str:
    """Return the deepest folder that all locations are in or are; raise ValueError if there is none.

    >>> common_folder(["run/a/x", "run/a/y"]), common_folder(["s3://b/run/x", "s3://b/run/y/z"])
    ('run/a', 's3://b/run')
    """
    every = list(locations)
    remote = list(map(is_remote, every))
    if not any(remote):
        return os.path.commonpath(every)
    first, last = (location.split("/") for location in (min(every), max(every)))
    same = [one == other for one, other in zip(first, last, strict=False)]
    shared = same.index(False) if False in same else len(same)
    if not all(remote) or shared < 3:  # "s3:", "" and the bucket
        raise ValueError("they have no folder in common")
    return "/".join(first[:shared])


def below(location: str, folder: str) -> str:
    """Return the path of a location from a folder above it on.

    >>> below("/run/a/x", "/run"), below("s3://b/run/a/x", "s3://b/run")
    ('a/x', 'a/x')
    """
    return location.removeprefix(f"{folder}/") if is_remote(location) else os.path.relpath(location, folder)


def without_query(location: str) -> str:
    """Return a location without the query of a web address, which is no part of its name.

    >>> without_query("https://h/x.npz?sig=1"), without_query("s3://b/what?.npz")
    ('https://h/x.npz', 's3://b/what?.npz')
    """
    return location.partition("?")[0] if location[:4].lower() == "http" and is_remote(location) else location
