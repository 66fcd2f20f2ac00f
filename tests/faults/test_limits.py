"""Runs that the system gives too little: space, descriptors, permissions."""

import os
import resource
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from support.command import GRADCLIP
from support.matrices import heavy

from faults.scenarios import OLD, environment, save
from gradclip_cli import apply

HALVE = ["-s", "clip-by-global-norm", "-t", "1", "-q", "--overwrite"]
SUFFIXES = (".safetensors", ".npz", ".h5")
PAIRS = [
    *((suffix, suffix) for suffix in SUFFIXES),
    *(pytest.param(*pair, marks=heavy) for pair in ((".safetensors", ".h5"), (".h5", ".npz"))),
]


def gradclip(folder: Path, *argv: str, under: Sequence[str] = (), **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, under another one if need be."""
    return subprocess.run(
        [*under, *GRADCLIP, *argv],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )


def limited(kind: int, value: int) -> Callable[[], None]:
    """Make what sets a limit in the child."""
    return lambda: resource.setrlimit(kind, (value, value))


def is_refused(done: subprocess.CompletedProcess[str], code: int = 5) -> bool:
    """Whether a run ended with one line and an exit code."""
    return done.returncode == code and done.stderr.startswith("Error: ") and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("source", "suffix"), PAIRS)
def test_a_limit_of_file_sizes(source: str, suffix: str, tmp_path: Path) -> None:
    """An output that may not become as large as it should be is refused with exit 5; the old file stays, and nothing else."""
    save(tmp_path / f"g{source}")
    (tmp_path / f"out{suffix}").write_bytes(OLD)
    limit = limited(resource.RLIMIT_FSIZE, 4096)
    done = gradclip(tmp_path, "apply", f"g{source}", "-o", f"out{suffix}", *HALVE, preexec_fn=limit)
    assert is_refused(done), done
    assert done.stderr.startswith(f"Error: out{suffix}: "), done.stderr
    assert (tmp_path / f"out{suffix}").read_bytes() == OLD
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize("most", [5, 7])
@pytest.mark.parametrize("suffix", SUFFIXES[1:])
def test_few_descriptors(suffix: str, most: int, tmp_path: Path) -> None:
    """With few descriptors a run does its work, or says in one line what it could not open."""
    save(tmp_path / f"g{suffix}")
    limit = limited(resource.RLIMIT_NOFILE, most)
    done = gradclip(tmp_path, "apply", f"g{suffix}", "-o", f"out{suffix}", *HALVE, preexec_fn=limit)
    if done.returncode:
        assert is_refused(done, 3) or is_refused(done, 5), done
        assert len(os.listdir(tmp_path)) == 1
    else:
        assert len(os.listdir(tmp_path)) == 2


def test_more_outputs_than_descriptors(tmp_path: Path) -> None:
    """Many dumps need no more descriptors than one."""
    (tmp_path / "in").mkdir()
    for k in range(40):
        safetensors.numpy.save_file({"w": np.ones(3, np.float32)}, tmp_path / "in" / f"step{k}.safetensors")
    limit = limited(resource.RLIMIT_NOFILE, 16)
    done = gradclip(tmp_path, "apply", "in", "-o", "out", *HALVE, preexec_fn=limit)
    assert (done.returncode, done.stderr, len(os.listdir(tmp_path / "out"))) == (0, "", 40)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB, where mounts are allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no mount")
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounts are not allowed: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize(("source", "suffix"), PAIRS)
def test_a_full_disk(source: str, suffix: str, tmp_path: Path, small_disk: Path) -> None:
    """A disk that becomes full is exit 5; the old file stays, and the space is free again."""
    noise = np.random.default_rng(0).standard_normal(50_000).astype(np.float32)
    if source == ".npz":
        np.savez_compressed(tmp_path / "g.npz", w=noise)
    else:
        safetensors.numpy.save_file({"w": noise}, tmp_path / "g.safetensors")
        apply(tmp_path / "g.safetensors", tmp_path / f"g{source}", strategy="none", overwrite=True)
    (small_disk / f"out{suffix}").write_bytes(OLD)
    done = gradclip(tmp_path, "apply", f"g{source}", "-o", f"disk/out{suffix}", *HALVE)
    assert is_refused(done), done
    assert "no space left" in done.stderr
    assert os.listdir(small_disk) == [f"out{suffix}"]
    assert (small_disk / f"out{suffix}").read_bytes() == OLD


def test_a_disk_that_is_full_after_some_outputs(tmp_path: Path, small_disk: Path) -> None:
    """Where the last of several outputs does not fit, none of them is there, and the directory made for them goes again."""
    for k in range(3):
        safetensors.numpy.save_file({"w": np.ones(7_000, np.float32)}, tmp_path / f"step{k}.safetensors")
    inputs = [f"step{k}.safetensors" for k in range(3)]
    done = gradclip(tmp_path, "apply", *inputs, "-o", "disk/out", *HALVE)
    assert is_refused(done), done
    assert os.listdir(small_disk) == []


def test_a_mount_that_is_read_only(tmp_path: Path, small_disk: Path) -> None:
    """A file system that may only be read is exit 5, for root too."""
    save(tmp_path / "g.npz")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    done = gradclip(tmp_path, "apply", "g.npz", "-o", "disk/out.npz", *HALVE)
    assert is_refused(done), done
    assert "read-only" in done.stderr


def test_a_directory_where_nothing_may_be_made(tmp_path: Path) -> None:
    """A directory without permission to write is exit 5, and the file in it stays."""
    without = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] if os.geteuid() == 0 else []
    if without and shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and there is no setpriv to change that")
    save(tmp_path / "g.npz")
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked" / "out.npz").write_bytes(OLD)
    (tmp_path / "locked").chmod(0o555)
    done = gradclip(tmp_path, "apply", "g.npz", "-o", "locked/out.npz", *HALVE, under=without)
    (tmp_path / "locked").chmod(0o755)
    assert is_refused(done), done
    assert (tmp_path / "locked" / "out.npz").read_bytes() == OLD


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_of_the_old_file_is_kept(tmp_path: Path) -> None:
    """A file that is replaced by root keeps its owner and its group, and its mode."""
    save(tmp_path / "g.npz")
    out = tmp_path / "out.npz"
    out.write_bytes(OLD)
    os.chown(out, 1234, 4321)
    out.chmod(0o640)
    assert gradclip(tmp_path, "apply", "g.npz", "-o", "out.npz", *HALVE).returncode == 0
    found = out.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 4321, 0o640)


@pytest.mark.parametrize("name", ["g.npz", "./g.npz", "hard.npz", "soft.npz", "dir/../g.npz"])
def test_an_output_that_is_the_input_by_another_name(name: str, tmp_path: Path) -> None:
    """Whatever the name by which the output is the input, it is written whole from what the input was."""
    save(tmp_path / "g.npz")
    (tmp_path / "dir").mkdir()
    os.link(tmp_path / "g.npz", tmp_path / "hard.npz")
    (tmp_path / "soft.npz").symlink_to("g.npz")
    apply(tmp_path / "g.npz", tmp_path / "wanted.npz", strategy="clip-by-global-norm", threshold=1)
    assert gradclip(tmp_path, "apply", "g.npz", "-o", name, *HALVE).returncode == 0
    assert (tmp_path / name).read_bytes() == (tmp_path / "wanted.npz").read_bytes()
    assert (tmp_path / "soft.npz").is_symlink()
