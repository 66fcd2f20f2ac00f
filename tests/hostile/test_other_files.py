"""No other file than those given is opened, no plugin is loaded, and nothing is unpickled."""

import ctypes
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.command import GRADCLIP

from gradclip_cli import GradclipError, stats
from hostile.hdf5_elsewhere import renumbered
from hostile.npz_making import archive, npy

OPENED = 0x20  # IN_OPEN of inotify(7)


@contextmanager
def watched(folder: Path) -> Iterator[set[str]]:
    """Collect the names of the files in a folder that anybody opens."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(fd, os.fsencode(folder), OPENED) >= 0
    names: set[str] = set()
    try:
        yield names
        data, at = os.read(fd, 1 << 20), 0
        while at < len(data):
            length = struct.unpack_from("I", data, at + 12)[0]
            names.add(os.fsdecode(data[at + 16 : at + 16 + length].rstrip(b"\0")))
            at += 16 + length
    finally:
        os.close(fd)


def external(path: Path) -> None:
    """Elements in another file."""
    with h5py.File(path, "w") as file:
        file.create_dataset("w", (2,), "f4", external=[(str(path.with_name("secret")), 0, 8)])


def link(path: Path) -> None:
    """A link to another file."""
    with h5py.File(path, "w") as file:
        file["w"] = h5py.ExternalLink(str(path.with_name("secret")), "/w")


def view(path: Path) -> None:
    """A view of another file."""
    with h5py.File(path, "w") as file:
        layout = h5py.VirtualLayout((2,), "f4")
        layout[:] = h5py.VirtualSource(str(path.with_name("secret")), "w", (2,))
        file.create_virtual_dataset("w", layout)


def family(path: Path) -> None:
    """The first of several files that are one."""
    with h5py.File(path.with_name("family-%d.h5"), "w", driver="family", memb_size=4096) as file:
        file["w"] = np.zeros(5000)
    path.with_name("family-0.h5").rename(path)
    path.with_name("family-1.h5").rename(path.with_name("secret"))


def cut(path: Path) -> None:
    """A file without its end, for which HDF5 would ask every library whether it knows better."""
    with h5py.File(path, "w") as file:
        file["w"] = np.zeros(5000)
    os.truncate(path, 3000)


def filtered(path: Path) -> None:
    """A filter that only a plugin could know."""
    renumbered(0)(path)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="files are watched through inotify")
@pytest.mark.parametrize("make", [external, link, view, family, cut, filtered])
def test_no_other_file_is_opened(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Whatever a file refers to, nothing beside it is opened, and no library where plugins lie."""
    with h5py.File(tmp_path / "secret", "w") as file:
        file["w"] = np.ones(2, np.float32)
    (tmp_path / "libplugin.so").write_bytes(b"\x7fELF")
    make(tmp_path / "g.h5")
    environment = {**os.environ, "HDF5_PLUGIN_PATH": str(tmp_path), "HDF5_PLUGIN_PRELOAD": ""}
    with watched(tmp_path) as names:
        done = subprocess.run(
            [*GRADCLIP, "stats", tmp_path / "g.h5"], env=environment, capture_output=True, check=False
        )
    assert done.returncode == 3
    assert done.stderr.count(b"\n") == 1
    assert "g.h5" in names
    assert not {name for name in names if name not in ("", "g.h5")}


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self._path,)


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".pt", ".pkl", ".bin", ".ckpt", ".safetensors", ".h5"])
def test_nothing_is_unpickled(suffix: str, tmp_path: Path) -> None:
    """A pickle is refused with a word on how to save gradients instead, whatever the file is called."""
    trap = Trap(tmp_path / "sprung")
    path = tmp_path / f"g{suffix}"
    path.write_bytes(archive({"w.npy": npy(np.array([trap], object))}) if suffix == ".npz" else pickle.dumps(trap))
    with pytest.raises(GradclipError) as caught:
        stats(path)
    assert (caught.value.exit_code, str(caught.value).isprintable()) == (3, True)
    assert not (tmp_path / "sprung").exists()
    pickle.loads(pickle.dumps(trap))
    assert (tmp_path / "sprung").exists()
