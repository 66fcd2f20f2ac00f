"""HDF5 files whose links, names and attributes are odd."""

from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5s, h5t

from hostile.cases import Arrays
from hostile.hdf5_making import GRID, ONE, Fill, W, add


def linked(*links: tuple[str, Any]) -> Fill:
    """A dataset `w`, and links beside it."""

    def fill(file: h5py.File) -> Arrays:
        file["w"] = W
        for name, link in links:
            file[name] = file if link is None else file[link] if isinstance(link, str) else link
        return ONE

    return fill


soft, outside = h5py.SoftLink, h5py.ExternalLink
add("link-hard", "accept", "A dataset with two names is one tensor.", linked(("x", "w")))
add("link-soft", "accept", "A soft link is another name.", linked(("x", soft("/w"))))
add("link-dangling", "accept", "A soft link may lead nowhere.", linked(("x", soft("/nowhere"))))
add("link-soft-loop", "accept", "Two soft links may lead to each other.", linked(("x", soft("/y")), ("y", soft("/x"))))
add("link-soft-self", "accept", "A soft link may lead to itself.", linked(("x", soft("x"))))
add("link-to-root", "accept", "A group may be in itself.", linked(("x", None), ("y", soft("/"))))
add("link-outside", "reject", "No other file is opened.", linked(("x", outside("other.h5", "/w"))))
add("link-to-itself-outside", "reject", "No link to a file is followed.", linked(("x", outside(".", "/w"))))


def ladder(file: h5py.File) -> Arrays:
    """Thirty groups, each twice in the one before: 2^30 paths."""
    group = file.create_group("g")
    for _ in range(30):
        inner = group.create_group("l")
        group["r"] = inner
        group = inner
    group["w"] = W
    return {"g/" + "l/" * 30 + "w": W}


def deep(file: h5py.File) -> Arrays:
    """Three hundred groups, one in the other."""
    group = file["/"]
    for _ in range(300):
        group = group.create_group("g")
    group["w"] = W
    return {"g/" * 300 + "w": W}


def abyss(file: h5py.File) -> Arrays:
    """Groups with long names, one in the other, whose paths together would take a hundred megabytes."""
    group = file["/"]
    for _ in range(60):
        group = group.create_group("g" * 60_000)
    return {}


def wide(file: h5py.File) -> Arrays:
    """Many groups beside each other."""
    for k in range(400):
        file.create_group(f"g{k}")
    file["w"] = W
    return ONE


add("ladder", "accept", "A walk goes to each object once.", ladder)
add("deep", "accept", "A walk does not recurse.", deep)
add("abyss", "reject", "Names are held in memory, so their length has a limit.", abyss, libver="latest")
add("wide", "accept", "Groups without datasets are nothing but names.", wide)
NAMES = {
    "dots": "..", "three-dots": "...", "space": " ", "backslash": "a\\b", "tab": "a\tb", "newline": "a\nb",
    "escape": "\x1b[31m", "c1": "\x9b31m",
    "bidi": "\u202egnp", "zero-width": "a\u200bb", "mark": "[/red]", "formula": "=1+1", "long": "n" * 3000,
    "astral": "\U0010ffff", "npy": "a.npy",
    "metadata": "__metadata__", "drive": "C:\\x", "quote": "'\"", "file": "file",
}  # fmt: skip
for name, text in NAMES.items():

    def fill(file: h5py.File, text: str = text) -> Arrays:
        """One dataset of an odd name."""
        file[text] = W
        return {text: W}

    add(f"name-{name}", "accept", "A name is kept, and escaped when shown.", fill)


def not_utf8(file: h5py.File) -> Arrays:
    """A name in Latin-1."""
    h5d.create(file.id, b"gr\xf6\xdfe", h5t.IEEE_F32LE, h5s.create_simple((2,))).write(h5s.ALL, h5s.ALL, W)
    return {"gr\udcf6\udcdfe": W}


def attributes(file: h5py.File) -> Arrays:
    """Attributes of every kind, on everything."""
    group = file.create_group("g", track_order=True)
    dataset = file.create_dataset("g/w", data=W)
    for thing in (file, group, dataset):
        thing.attrs["texts"] = np.array(["a" * 1000] * 10, object)
        thing.attrs["list"] = np.arange(3000.0)
        thing.attrs["\u202e\x1b"] = "\x1b]0;x\x07"
        thing.attrs["null"] = h5py.Empty("f4")
        thing.attrs["reference"] = dataset.ref
        thing.attrs["name"] = "\x1b[31m\u202e"
    for k in range(100):
        dataset.attrs[f"dense{k}"] = k
    return {"g/w": W}


def scales(file: h5py.File) -> Arrays:
    """Dimension scales: datasets that refer to each other; they are no gradients."""
    file["w"] = GRID
    file["x"] = np.arange(23)
    file["x"].make_scale("x")
    file["w"].dims[1].attach_scale(file["x"])
    return {"w": GRID, "x": np.arange(23)}


add("name-not-utf-8", "either", "A name of other bytes is kept as they are, in this format.", not_utf8)
add("attributes", "accept", "Attributes stay as they are.", attributes)
add("attributes-latest", "accept", "Attributes stay as they are.", attributes, libver="latest")
add("scales", "accept", "Datasets may refer to each other.", scales)
