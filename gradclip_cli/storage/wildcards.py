"""Expand `*`, `?` and `[...]` in URLs, as a shell does it in paths; what is listed of a store is matched part by part."""

from contextlib import suppress
from fnmatch import translate
from itertools import takewhile
from re import compile as compiled

from gradclip_cli.errors import UsageError
from gradclip_cli.storage.locations import entries, exists, is_remote

_MARKS = frozenset("*?[")


def matching(location: str) -> list[str]:
    """Return the files and folders that a URL with wildcards stands for, by name; the URL itself if it has none, or fits nothing.

    A path stays as it is: shells expand those. In the URL of a web server, which lists no files, `?` begins a query. Raises
    InputError if the store does not say what there is, UsageError for `**`.

    >>> matching("run/*.npz"), matching("s3://bucket/g.npz")
    (['run/*.npz'], ['s3://bucket/g.npz'])
    """
    scheme, mark, rest = location.partition("://")
    if not is_remote(location) or scheme.lower() in ("http", "https") or _MARKS.isdisjoint(rest):
        return [location]
    bucket, *parts = rest.rstrip("/").split("/")
    if any("**" in part for part in parts):
        above = f"{scheme}{mark}{'/'.join([bucket, *takewhile(_MARKS.isdisjoint, parts)])}/"
        raise UsageError(f"{location}: ** is not known; write * for each part of a key, or give the folder {above}")
    found = [f"{scheme}{mark}{bucket}"]
    for k, part in enumerate(parts):
        found = _inside(found, part, last=k + 1 == len(parts))
    return found or [location]


def _inside(folders: list[str], part: str, *, last: bool) -> list[str]:
    """Return what in some folders fits one part of a URL; whatever is followed by another part is a folder."""
    if _MARKS.isdisjoint(part):
        named = [f"{folder}/{part}" for folder in folders]
        return named if len(named) == 1 else [one for one in named if exists(one)]
    fits, found = compiled(translate(part)).match, list[str]()
    for folder in folders:
        with suppress(OSError):
            listed = sorted(entries(folder), key=lambda entry: entry.name)
            found += [f"{folder}/{one.name}" for one in listed if fits(one.name) and (last or one.is_dir())]
    return found
