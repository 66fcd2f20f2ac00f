"""The processors that a process may use are those it is bound to, as far as its cgroups grant their time."""

import os
import sys
from pathlib import Path

import pytest

from gradclip_cli.engine.executors.processors import available

linux = pytest.mark.skipif(sys.platform != "linux", reason="cgroups and affinity are Linux's")


@pytest.fixture(autouse=True)
def _sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bind the process to sixteen processors."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)


def write(root: Path, files: dict[str, str]) -> str:
    """Write files of a system, and return where it is."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return str(root)


V2 = "0::/user.slice/job\n"
V1 = "9:name=systemd:/\n4:cpu,cpuacct:/docker/abc\n2:memory:/docker/abc\n0::/\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 16),
        ({"proc/self/cgroup": V2}, 16),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/user.slice/job/cpu.max": "max 100000\n"}, 16),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/user.slice/job/cpu.max": "400000 100000\n"}, 4),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/user.slice/job/cpu.max": "150000 100000\n"}, 2),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/user.slice/job/cpu.max": "50000 100000\n"}, 1),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/user.slice/job/cpu.max": "9900000 100000\n"}, 16),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/user.slice/cpu.max": "300000 100000\n"}, 3),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 50000\n"}, 5),
        (
            {
                "proc/self/cgroup": V2,
                "sys/fs/cgroup/user.slice/job/cpu.max": "800000 100000",
                "sys/fs/cgroup/cpu.max": "600000 100000",
            },
            6,
        ),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/cpu.max": "nonsense"}, 16),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/cpu.max": "100000 0"}, 16),
        ({"proc/self/cgroup": "nonsense\n\n:::\n"}, 16),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "700000\n",
                "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
            },
            7,
        ),
        (
            {  # a container sees its own end of the path at the top
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            16,
        ),
    ],
)
def test_shares(files: dict[str, str], expected: int, tmp_path: Path) -> None:
    """The smallest share of any cgroup on the way up counts, rounded up to whole processors; nonsense is no limit."""
    assert available(write(tmp_path, files)) == expected


def test_one_processor_is_the_least(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A process that is bound to one processor has one, whatever its cgroup grants."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert available(write(tmp_path, {"proc/self/cgroup": V2, "sys/fs/cgroup/cpu.max": "400000 100000"})) == 1


def test_systems_without_affinity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Elsewhere all processors may be used."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 10)
    assert available(str(tmp_path)) == 10
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available(str(tmp_path)) == 1


@linux
def test_this_system() -> None:
    """The real files of this system are read without an error."""
    assert 1 <= available() <= 16
