"""Errors and kills at system calls: a target is the old file or the new one, and after an error nothing else is left.

A few of each kind are tried by default; `FAULTS=all` tries every call of every scenario, which takes some twenty minutes.
"""

import os
import subprocess
from pathlib import Path

import pytest
from support.matrices import heavy

from faults import tracing
from faults.scenarios import SCENARIOS, Scenario, environment, files, fresh, is_whole, undisturbed
from faults.tracing import Call

REASON = tracing.missing()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

ALL = os.environ.get("FAULTS") == "all"

ERRORS = {
    "openat": ("EACCES", "EMFILE", "EIO"),
    "pread64": ("EIO",),
    "preadv2": ("EIO",),
    "pwrite64": ("ENOSPC", "EIO", "EDQUOT"),
    "write": ("ENOSPC", "EIO"),
    "copy_file_range": ("EIO", "ENOSPC"),
    "ftruncate": ("ENOSPC", "EIO"),
    "fchmod": ("EIO", "EPERM"),
    "fchown": ("EIO", "EPERM"),
    "fsync": ("EIO", "ENOSPC"),
    "rename": ("EIO", "EACCES", "ENOSPC"),
    "link": ("EIO", "EACCES", "EPERM"),
    "mkdir": ("EACCES", "ENOSPC"),
    "fstat": ("EIO",),
    "newfstatat": ("EIO",),
    "close": ("EIO",),
    "unlink": ("EIO",),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for undisturbed runs, each of which is done once."""
    return tmp_path_factory.mktemp("sound")


def spread(found: list[Call], number: int, first: int) -> list[Call]:
    """Choose some calls: of each name one, and of those others in each scenario."""
    each = list({call.name: call for call in found}.values())
    return [each[(first * number + k) % len(each)] for k in range(number)]


each_share = pytest.mark.parametrize("share", [0, pytest.param(1, marks=heavy)])
"""Which half of the calls that are tried by default."""


def every_third(first: int) -> pytest.MarkDecorator:
    """Try every third scenario by default: errors in some, kills in the others."""
    marks: list[tuple[pytest.MarkDecorator, ...]] = [() if k % 3 == first else (heavy,) for k in range(len(SCENARIOS))]
    cells = [pytest.param(one, id=one.name, marks=mark) for one, mark in zip(SCENARIOS, marks, strict=True)]
    return pytest.mark.parametrize("scenario", cells)


@each_share
@every_third(1)
def test_every_error_is_told_and_leaves_nothing(scenario: Scenario, share: int, tmp_path: Path, sound: Path) -> None:
    """A call that fails ends in one line and exit 3 or 5, or does no harm; targets are old or new, and nothing else is left."""
    wanted = undisturbed(scenario, sound / scenario.name)
    traced = tracing.calls_of(scenario, sound / f"{scenario.name}-traced")
    inside = [call for call in traced if call.inside and call.name in ERRORS]
    wrong = []
    for call in (inside if ALL else spread(inside, 2, SCENARIOS.index(scenario)))[share::2]:
        errors = ERRORS[call.name]
        for error in errors if ALL else errors[call.ordinal % len(errors) :][:1]:
            wrong += errors_of(scenario, tmp_path / "run", sound, call, error)
    assert wrong == []
    assert wanted.after


def errors_of(scenario: Scenario, folder: Path, sound: Path, call: Call, error: str) -> list[str]:
    """Run a scenario with one failing call; return what is wrong afterwards."""
    wanted = undisturbed(scenario, sound / scenario.name)
    done = tracing.injected(scenario.command, fresh(scenario, folder), call, f"error={error}")
    found = files(folder)
    new = all(found.get(name) == wanted.after[name] for name in scenario.targets)
    problems = []
    if done.code not in (0, 3, 5):
        problems.append(f"exit {done.code}")
    if (done.code == 0) != (done.err == "") or len(done.err.splitlines()) > 1:
        problems.append(f"said {done.err[-300:]!r}")
    if done.code == 0 and not new:
        problems.append("said that all was well")
    if not is_whole(found, wanted, scenario.targets):
        problems.append("half a target, or a file that is none of its own")
    if left := found.keys() - wanted.before.keys() - {*scenario.targets}:
        problems.append(f"left {sorted(left)}")
    if done.code and any(found.get(name) != wanted.before.get(name) for name in scenario.targets) and not new:
        problems += [] if "in place" in done.err else [f"did not say what is finished: {done.err!r}"]
    return [f"{error} at {call}: {problem}" for problem in problems]


@each_share
@every_third(0)
def test_a_kill_leaves_the_old_file_or_the_new_one(scenario: Scenario, share: int, tmp_path: Path, sound: Path) -> None:
    """Killed at any call, a run leaves each target byte for byte as it was or as it was to be, and its inputs as they were."""
    wanted = undisturbed(scenario, sound / scenario.name)
    traced = tracing.calls_of(scenario, sound / f"{scenario.name}-traced")
    inside = [call for call in traced if call.inside]
    others = [call for call in traced if not call.inside][::20]  # between two of these nothing becomes different
    chosen = inside + others if ALL else spread(inside, 2, SCENARIOS.index(scenario))
    wrong = []
    for call in chosen[share::2]:
        folder = fresh(scenario, tmp_path / "run")
        done = tracing.injected(scenario.command, folder, call, "signal=KILL")
        assert done.code in (-9, 137)
        if not is_whole(files(folder), wanted, scenario.targets):
            wrong.append(str(call))
    assert wrong == []


def test_the_same_run_again_does_what_the_killed_one_did_not(tmp_path: Path, sound: Path) -> None:
    """What a killed run leaves behind does not disturb the next one."""
    scenario = next(one for one in SCENARIOS if one.name == "folder")
    wanted = undisturbed(scenario, sound / scenario.name)
    traced = tracing.calls_of(scenario, sound / f"{scenario.name}-traced")
    folder = fresh(scenario, tmp_path / "run")
    last = [call for call in traced if call.name == "link" and call.inside][-1]
    tracing.injected(scenario.command, folder, last, "signal=KILL")
    assert not all((folder / name).exists() for name in scenario.targets)
    subprocess.run([*scenario.command, "--overwrite"], cwd=folder, check=True, env=environment())
    assert {name: files(folder)[name] for name in scenario.targets} == {
        name: wanted.after[name] for name in scenario.targets
    }
