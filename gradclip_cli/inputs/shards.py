"""Dumps that are spread over several files.

A safetensors index, files numbered `-00001-of-00003`, or a folder of one file a parameter hold each tensor once. The files of
several ranks hold pieces of the same tensors: such a dump goes by the paths of its files, joined by NUL, which no path holds.
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gradclip_cli.errors import InputError
from gradclip_cli.inputs import folders
from gradclip_cli.text import listed

if TYPE_CHECKING:
    from gradclip_cli.tensors import TensorSpec

INDEX = ".safetensors.index.json"
_NUMBERED = re.compile(r"(?P<head>.*-)(?P<number>\d{1,9})-of-(?P<of>\d{1,9})(?P<tail>\.safetensors)", re.DOTALL)
_JOINT = "\0"
_MOST_SHARDS = 100_000
_LONGEST_INDEX = 100_000_000


def by_rank(paths: Sequence[str]) -> str:
    """Return the path of the dump whose pieces are these files."""
    return _JOINT.join(paths)


def is_by_rank(path: str) -> bool:
    """Whether equal names in the files of a dump are pieces of one tensor."""
    return _JOINT in path


def is_sharded(path: str) -> bool:
    """Whether a path stands for several files."""
    return len(parts(path)) > 1 or path.endswith(INDEX) or folders.is_folder(path)


def parts(path: str) -> tuple[str, ...]:
    """Return the files that make up the dump at `path`: itself, or all shards of its set."""
    if is_by_rank(path):
        return tuple(path.split(_JOINT))
    if path.endswith(INDEX):
        folder = os.path.dirname(path)
        return tuple(os.path.join(folder, name) for name in sorted(set(weight_map(path).values())))
    if folders.is_folder(path):
        return tuple(folders.files(path))
    found = _NUMBERED.fullmatch(os.path.basename(path))
    if found is None or not 1 < int(found["of"]) <= _MOST_SHARDS:
        return (path,)
    width, folder = len(found["number"]), os.path.dirname(path)
    names = (f"{found['head']}{k:0{width}d}-of-{found['of']}{found['tail']}" for k in range(1, int(found["of"]) + 1))
    return tuple(os.path.join(folder, name) for name in names)


def weight_map(path: str) -> dict[str, str]:
    """Read an index: the file of each tensor, which has to be a plain name beside the index."""
    from gradclip_cli.storage.random_access import InputFile

    with InputFile(path) as file:
        if file.size > _LONGEST_INDEX:
            raise InputError("is too long for an index", path=path)
        data = file.read(0, file.size)
    try:
        found = json.loads(data.decode())["weight_map"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError("is not an index of safetensors shards: it has no weight_map", path=path) from error
    if not isinstance(found, dict) or not found or not all(isinstance(name, str) for name in found.values()):
        raise InputError("is not an index of safetensors shards: its weight_map names no files", path=path)
    for name in found.values():
        if not _is_plain(name):
            raise InputError(f"names the shard {name!r}, which is not a plain name beside it", path=path)
    return found


def _is_plain(name: str) -> bool:
    """Whether a name in an index can be that of a shard beside it: of a file, and not of an index again."""
    try:
        raw = os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return (
        name == os.path.basename(name)
        and raw not in (b"", b".", b"..")
        and b"\0" not in raw
        and not name.endswith(INDEX)
    )


def combined(paths: Sequence[str]) -> list[str]:
    """Replace shards by the sets that they belong to, each once: by its index where that was given, or by its first shard."""
    indices = [path for path in paths if path.endswith(INDEX)]
    taken = {part for index in indices for part in parts(index)}
    found: list[str] = []
    for path in paths:
        first = path if path in indices or folders.is_folder(path) else parts(path)[0]
        if path not in taken and not (first in found and is_sharded(first)):
            found.append(first)
    return found


def check_unchanged(path: str, found: Sequence[str]) -> None:
    """Raise where the files of a dump are not those, `found`, that were read: a folder, or an index, was written to."""
    if parts(path) != tuple(found):
        raise InputError("changed while it was read; wait until it is complete and run again", path=path)


def check(path: str, found: Sequence[str], names: Sequence[Sequence[str]]) -> None:
    """Raise where the tensors in the shards, `names` of the files `found`, are not each in one, or not those of the index."""
    check_unchanged(path, found)
    if is_by_rank(path):
        return
    if folders.is_folder(path):
        _check_params(found, names)
        return
    holders: dict[str, str] = {}
    for part, tensors in zip(found, names, strict=True):
        for tensor in tensors:
            if tensor in holders:
                raise InputError(f"stands in {os.path.basename(holders[tensor])} too", path=part, tensor=tensor)
            holders[tensor] = part
    if path.endswith(INDEX):
        _check_index(path, holders)


def _check_params(found: Sequence[str], names: Sequence[Sequence[str]]) -> None:
    """Raise where a file of a folder of parameters holds more, or where two are of one parameter."""
    holders: dict[str, str] = {}
    for part, tensors in zip(found, names, strict=True):
        param = folders.param_of(part)
        if list(tensors) != [folders.KEY]:
            message = f"holds {listed(list(tensors), 4)}; in this folder each file holds one {folders.KEY!r}"
            raise InputError(message, path=part)
        if param in holders:
            raise InputError(f"stands in {os.path.basename(holders[param])} too", path=part, tensor=param)
        holders[param] = part


def _check_index(path: str, holders: dict[str, str]) -> None:
    index = weight_map(path)
    for tensor, name in index.items():
        if os.path.basename(holders.get(tensor, "")) != name:
            raise InputError(f"is not in {name}, as the index says", path=path, tensor=tensor)
    for tensor, part in holders.items():
        if tensor not in index:
            raise InputError("is not named by the index of the shards", path=part, tensor=tensor)


def named(path: str, part: str, tensors: Sequence["TensorSpec"]) -> list["TensorSpec"]:
    """Return the tensors of a file by the names that they have in the dump at `path`."""
    if path != part and not is_by_rank(path) and folders.is_folder(path):
        return [replace(spec, name=folders.param_of(part)) for spec in tensors]
    return list(tensors)


def targets(path: str, output: str) -> list[str]:
    """Return where the files of the dump at `path` go, if that itself goes to `output`; the index comes last."""
    folder = os.path.dirname(output)
    found = parts(path)
    if is_by_rank(output):
        return list(parts(output))
    if folders.is_folder(path):
        return [os.path.join(output, os.path.basename(part)) for part in found]
    if len(found) == 1 and not path.endswith(INDEX):
        return [output]
    shards = [os.path.join(folder, os.path.basename(part)) for part in found]
    return [*shards, output] if path.endswith(INDEX) else shards


def shown(path: str, at: str) -> str | list[str]:
    """Return how a report names the dump at `path` where it lies at `at`: its file, its index, or the list of its shards."""
    found = targets(path, at)
    return at if len(found) == 1 or path.endswith(INDEX) or folders.is_folder(path) else found
