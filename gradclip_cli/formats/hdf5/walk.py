"""What a file holds: its links are followed with care, and none leads out of it."""

import os
from dataclasses import dataclass, field
from typing import Any

import h5py
from h5py import h5a, h5d, h5g, h5l, h5o

from gradclip_cli.errors import InputError
from gradclip_cli.formats.hdf5.calls import name_of
from gradclip_cli.formats.hdf5.types import attribute

_MOST_NAMES = 50_000_000
"""How many characters the names of a file may have together: groups in groups make paths that fill any memory."""


@dataclass
class Found:
    """What a walk over a file came upon, by name: datasets (at the first name that leads there), their other names, groups' labels."""

    datasets: list[str] = field(default_factory=list)
    aliases: list[tuple[str, str]] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    attributed: list[str] = field(default_factory=list)
    seen: dict[int, str] = field(default_factory=dict)  # objects, by where they lie
    held: int = 0  # characters of names


def walk(file: h5py.File, path: str) -> Found:
    """Follow the hard links of a file, each object once, without recursion; a link to another file is refused."""
    found = Found()
    if h5a.get_num_attrs(file.id):
        found.attributed.append("/")
    stack: list[tuple[str, Any, bytes]] = [("", file.id, b"/")]  # groups are opened one at a time: each takes 10 kB
    while stack:
        prefix, parent, raw = stack.pop()
        group = h5o.open(parent, raw)
        names: list[bytes] = []
        group.links.iterate(names.append)
        inner = [raw for raw in names if _follow(group, prefix, raw, found, path)]
        stack.extend((f"{prefix}{name_of(raw)}/", group, raw) for raw in reversed(inner))
    return found


def _follow(group: Any, prefix: str, raw: bytes, found: Found, path: str) -> bool:
    """Take note of what a link leads to; return whether that is a group seen for the first time."""
    name = prefix + name_of(raw)
    found.held += len(name)
    if found.held > _MOST_NAMES:
        raise InputError(f"has names of more than {_MOST_NAMES:,} characters in all", path=path)
    if raw in (b"", b".") or b"/" in raw:
        raise InputError("has a name that no path leads to", path=path, tensor=name)
    link = group.links.get_info(raw)
    if link.type == h5l.TYPE_EXTERNAL:
        raise InputError("is a link to another file, which is not followed", path=path, tensor=name)
    if link.type not in (h5l.TYPE_HARD, h5l.TYPE_SOFT):
        raise InputError("is a link of a kind that is not known", path=path, tensor=name)
    if link.type == h5l.TYPE_SOFT or link.u in found.seen:
        target = os.fsdecode(group.links.get_val(raw)) if link.type == h5l.TYPE_SOFT else found.seen[link.u]
        found.aliases.append((name, target))
        return False
    found.seen[link.u] = name
    return _visit(h5o.open(group, raw), name, found)


def _visit(thing: Any, name: str, found: Found) -> bool:
    """Take note of an object; return whether it is a group."""
    if h5a.get_num_attrs(thing):
        found.attributed.append(name)
    if isinstance(thing, h5g.GroupID):
        found.groups.append(name)
        if label := attribute(thing, b"name"):
            found.labels[name] = label
    elif isinstance(thing, h5d.DatasetID):
        found.datasets.append(name)
    else:
        found.others.append(name)
    return isinstance(thing, h5g.GroupID)
