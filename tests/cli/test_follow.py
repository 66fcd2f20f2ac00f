"""`stats --follow` shows dumps as they come, and says what has happened; it ends well whenever the user ends it."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.cache import counted_reads
from support.command import GRADCLIP, Run, Save
from support.memory_store import memory_store

from gradclip_cli.api import follow as module
from gradclip_cli.errors import InputError
from gradclip_cli.storage import interrupts


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget after each test that Ctrl-C ends well."""
    monkeypatch.setattr(interrupts, "_calm", [])


class Clock:
    """Stands in for waiting: each wait does the next of some steps, and counts the seconds."""

    def __init__(self, *steps: Callable[[], Any]) -> None:
        self.steps, self.seconds = list(steps), 0.0

    def wait(self, seconds: float) -> None:
        """Do the next step."""
        self.seconds += seconds
        assert self.steps, "the run was not ended"
        self.steps.pop(0)()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Clock]:
    """Have waiting do some steps."""

    def waits(*steps: Callable[[], Any]) -> Clock:
        clock = Clock(*steps)
        monkeypatch.setattr(module, "sleep", clock.wait)
        return clock

    return waits


def dump(save: Save, step: int, value: float = 1.0) -> None:
    """Write a dump of four equal elements, whose norm is twice their value."""
    save(f"run/step_{step}.npz", **{"a.w": np.full((2, 2), value, np.float32), "a.b": np.zeros(2, np.float32)})


@pytest.fixture
def begun(save: Save) -> Save:
    """Have a run of two steps."""
    Path("run").mkdir()
    dump(save, 1)
    dump(save, 2, 1.5)
    return save


def nothing() -> None:
    """Let time pass."""


def test_new_dumps_come_as_lines(run: Run, begun: Save, waits: Callable[..., Clock]) -> None:
    """A dump is shown once it has stayed as it is for a look; what was shown is read only once."""
    clock = waits(nothing, lambda: dump(begun, 3, 2), nothing)
    with counted_reads() as read:
        found = run("stats", "run", "--follow", "--interval", "7", "--until-step", "3")
    assert (found.code, found.err, clock.seconds) == (0, "", 21.0)
    assert [line.split()[:2] for line in found.out.splitlines()] == [
        ["step", "norm"],
        ["1", "2"],
        ["2", "3"],
        ["threshold", "for"],
        ["3", "4"],
        ["threshold", "for"],
    ]
    assert found.out.endswith("threshold for clip-by-global-norm: 3 (mean, 3 dumps; it was 2.5)\n")
    assert sorted(set(read)) == [f"run/step_{k}.npz" for k in (1, 2, 3)]
    assert max(map(read.count, read)) <= 4  # two tensors, and perhaps the larger one once more for its largest element


def test_what_grows_is_left_for_later(run: Run, begun: Save, waits: Callable[..., Clock]) -> None:
    """A file that is not complete is not read while it changes; other files, and temporary names, are none."""
    dump(begun, 3, 2)
    whole = Path("run/step_3.npz").read_bytes()
    Path("run/step_3.npz").write_bytes(whole[:50])
    Path("run/step_4.npz.tmp").write_bytes(b"")
    grow = [lambda size=size: Path("run/step_3.npz").write_bytes(whole[:size]) for size in (60, 70, len(whole))]
    waits(*grow, nothing)
    found = run("stats", "run", "--follow", "--until-step", "3")
    assert (found.code, found.err, found.out.count("run/step_3.npz")) == (0, "", 1)


def test_what_stays_damaged_is_said_once(run: Run, begun: Save, waits: Callable[..., Clock]) -> None:
    """A file that cannot be read is left out with one note, and taken when it was written anew."""
    Path("run/step_3.npz").write_bytes(b"PK, but no archive")
    waits(nothing, lambda: dump(begun, 4), nothing, lambda: dump(begun, 3, 3), nothing, lambda: dump(begun, 9), nothing)
    found = run("stats", "run", "--follow", "--until-step", "9")
    assert (found.code, found.err.count("run/step_3.npz")) == (0, 1)
    steps = [line.split()[0] for line in found.out.splitlines() if "npz" in line]
    assert steps == ["1", "2", "4", "3", "9"]


def test_a_folder_may_be_empty_at_first(run: Run, save: Save, waits: Callable[..., Clock]) -> None:
    """A run that has not begun is waited for; a path that does not exist is an error."""
    Path("run").mkdir()
    waits(nothing, lambda: dump(save, 1), nothing)
    found = run("stats", "run", "--follow", "--until-step", "1")
    assert (found.code, found.err.count("no dump in this directory")) == (0, 1)
    assert run("stats", "nowhere", "--follow").code == 3


def test_events_have_lines_of_their_own(run: Run, save: Save, waits: Callable[..., Clock]) -> None:
    """In ndjson, a dump has the keys of --by step, and events follow: what explodes, is not finite, and the threshold."""
    Path("run").mkdir()
    for step in range(1, 9):
        dump(save, step, 500 if step == 6 else 1)

    def worse() -> None:
        save("run/step_9.npz", **{"a.w": np.array([[1, np.nan], [1, 1]], np.float32), "a.b": np.zeros(2, np.float32)})

    waits(nothing, worse, nothing)
    found = run("stats", "run", "--follow", "--until-step", "9", "-f", "ndjson")
    rows = [json.loads(line) for line in found.out.splitlines()]
    plain = run("stats", "run", "--by", "step", "-f", "ndjson").out.splitlines()
    assert [row for row in rows if row["scope"] == "step"] == [json.loads(line) for line in plain]
    events = [{name: row[name] for name in row if name != "input"} for row in rows if row["scope"] == "event"]
    assert events[0] == {"scope": "event", "event": "explodes", "step": 6, "norm": 1000.0, "times": 500.0}
    assert (events[1]["event"], events[1]["strategy"]) == ("threshold", "clip-by-global-norm")
    assert events[2] == {"scope": "event", "event": "not-finite", "step": 9, "nonfinite": 1, "tensor": "a.w"}


def test_a_log_grows_line_by_line(run: Run, save: Save, waits: Callable[..., Clock]) -> None:
    """The last line of a log counts when it has an end: the number in it may go on."""
    log = Path("train.log")
    log.write_text("step 1 grad_norm: 1.51\nstep 2 grad_norm: 1.5")
    waits(nothing, lambda: log.write_text(log.read_text() + "7\nstep 3 grad_norm: inf\n"))
    found = run("stats", "train.log", "--follow", "--until-step", "3", "-q")
    lines = [line.split()[:2] for line in found.out.splitlines() if "train.log" in line]
    assert (found.code, lines) == (0, [["1", "1.51"], ["2", "1.57"], ["3", "inf"]])
    assert "! step 3 is not finite\n" in found.out


def test_the_cache_has_what_was_there(run: Run, begun: Save, waits: Callable[..., Clock], tmp_path: Path) -> None:
    """With --cache, dumps of an earlier call are not read."""
    from support.cache import used_cache

    with used_cache(tmp_path / "cache"):
        run("stats", "run", "--cache")
        waits(nothing)
        with counted_reads() as read:
            found = run("stats", "run", "--follow", "--until-step", "2", "--cache")
    assert (found.code, read, found.out.count("npz")) == (0, [], 2)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--follow", "--json"), "a table or ndjson, not json"),
        (("--follow", "--paste", "torch"), "--follow and --paste exclude each other"),
        (("--follow", "--along", "0"), "--follow and --along exclude each other"),
        (("--follow", "--steps", "3:"), "--follow and --steps exclude each other"),
        (("--follow", "--interval", "0"), "--interval must be above 0"),
        (("--until-step", "3"), "--until-step needs --follow"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, begun: Save, argv: tuple[str, ...], said: str) -> None:
    """Nothing is followed that cannot be shown as lines."""
    found = run("stats", "run", *argv)
    assert (found.code, said in found.err) == (2, True)


def test_the_first_steps_are_left_out(run: Run, begun: Save, waits: Callable[..., Clock]) -> None:
    """`--skip-steps` leaves out as many dumps from the first on as without --follow; a step that is there ends it all the same."""
    waits(nothing, lambda: dump(begun, 3, 2), nothing)
    found = run("stats", "run", "--follow", "--skip-steps", "2", "--until-step", "3")
    assert (found.code, [line.split()[0] for line in found.out.splitlines()]) == (0, ["step", "3"])
    waits(nothing)
    found = run("stats", "run", "--follow", "--skip-steps", "9", "--until-step", "3")
    assert (found.code, found.out, found.err) == (0, "", "")


def test_every_strategy_has_its_threshold(run: Run, begun: Save, waits: Callable[..., Clock]) -> None:
    """`-s all` says a threshold for each kind of group, as `stats -s all` does."""
    waits(nothing)
    found = run("stats", "run", "--follow", "-s", "all", "--until-step", "2", "-f", "ndjson")
    said = [json.loads(line) for line in found.out.splitlines()]
    strategies = [one["strategy"] for one in said if one.get("event") == "threshold"]
    usual = json.loads(run("stats", "run", "-s", "all", "-f", "json").out)["suggestions"]
    assert sorted(strategies) == sorted(one["strategy"] for one in usual)


@pytest.mark.parametrize("answered", [True, False])
def test_a_store_that_does_not_answer_for_a_while(
    run: Run, waits: Callable[..., Clock], monkeypatch: pytest.MonkeyPatch, answered: bool
) -> None:
    """A store that has answered is asked again after a note, said once; one that never has ends it with an error."""
    data = Path("g.safetensors")
    save_file({"w": np.ones(4, np.float32)}, data)
    with memory_store() as store:
        store.files["memory://b/run/step_1.safetensors"] = data.read_bytes()

        is_folder, answers = store.is_folder, [answered]

        def asked(location: str) -> bool:
            if not answers[0]:
                raise InputError("the server did not answer; try again", path="memory://b/run")
            return is_folder(location)

        def begin() -> None:
            answers[0] = False

        def end() -> None:
            answers[0] = True
            store.files["memory://b/run/step_2.safetensors"] = data.read_bytes()

        monkeypatch.setattr(store, "is_folder", asked)
        waits(begin, nothing, end)
        found = run("stats", "memory://b/run", "--follow", "--until-step", "2")
    line = "memory://b/run: the server did not answer; try again\n"
    assert (found.code, found.err) == ((0, f"note: {line}") if answered else (3, f"Error: {line}"))


@pytest.mark.parametrize("slash", ["/", ""])
def test_a_folder_of_a_store_that_is_yet_to_come(
    run: Run, begun: Save, waits: Callable[..., Clock], slash: str
) -> None:
    """No folder is there before its first object: a name that ends in a slash is waited for, another is an error."""
    data = Path("run/step_1.npz").read_bytes()
    with memory_store() as store:
        store.files["memory://b/other/step_1.npz"] = data
        waits(nothing, lambda: store.files.update({"memory://b/run/step_1.npz": data}))
        found = run("stats", f"memory://b/run{slash}", "--follow", "--until-step", "1")
    said = f"memory://b/run{slash}: does not exist; check the "
    assert found.err.startswith(f"note: {said}" if slash else f"Error: {said}")
    assert (found.code, found.err.count("\n"), "step_1.npz" in found.out) == ((0, 1, True) if slash else (3, 1, False))


def test_wildcards_stand_for_what_there_is_at_each_look(run: Run, begun: Save, waits: Callable[..., Clock]) -> None:
    """A URL with wildcards stands for more as dumps come, as a folder does."""
    data = Path("run/step_1.npz").read_bytes()
    with memory_store() as store:
        store.files |= {f"memory://b/run/step_{step}.npz": data for step in (1, 2)}
        waits(nothing, lambda: store.files.update({"memory://b/run/step_3.npz": data}))
        found = run("stats", "memory://b/run/step_*.npz", "--follow", "--until-step", "3")
    assert (found.code, found.err) == (0, "")
    assert [line.split()[0] for line in found.out.splitlines() if "memory://" in line] == ["1", "2", "3"]


def test_standard_input_is_refused(run: Run, begun: Save) -> None:
    """It can be read only once."""
    assert (found := run("stats", "-", "--follow")).code == 2
    assert "standard input can be read only once" in found.err


@pytest.fixture
def following(begun: Save) -> Iterator["subprocess.Popen[str]"]:
    """Follow the run as a process of its own."""
    argv = [*GRADCLIP, "stats", "run", "--follow", "--interval", "0.05", "-f", "ndjson"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def test_ctrl_c_ends_well(following: "subprocess.Popen[str]", begun: Save) -> None:
    """A dump that comes by renaming is shown, and Ctrl-C ends the program with 0 after a whole line."""
    assert following.stdout is not None
    assert [json.loads(following.stdout.readline())["step"] for _ in range(2)] == [1, 2]
    begun("new.npz", **{"a.w": np.full((2, 2), 3, np.float32), "a.b": np.zeros(2, np.float32)})
    os.rename("new.npz", "run/step_3.npz")
    assert any(json.loads(line).get("step") == 3 for line in following.stdout)  # it ends at the first
    following.send_signal(signal.SIGINT)
    rest, _ = following.communicate(timeout=30)
    assert following.returncode == 0
    assert all(json.loads(line) for line in rest.splitlines())


def test_a_reader_that_leaves_ends_it(following: "subprocess.Popen[str]", begun: Save) -> None:
    """Where nobody reads any more, as behind `head`, the next line ends the program with 0."""
    assert following.stdout is not None
    following.stdout.readline()
    following.stdout.close()
    begun("new.npz", **{"a.w": np.full((2, 2), 3, np.float32), "a.b": np.zeros(2, np.float32)})
    os.rename("new.npz", "run/step_3.npz")
    assert following.wait(timeout=30) == 0


def test_a_threshold_says_how_many_dumps_it_is_from(run: Run, save: Save, waits: Callable[..., Clock]) -> None:
    """A dump that is not finite counts for no threshold, and is not among those that it is from."""
    Path("train.log").write_text("step 1 grad_norm: 1\nstep 2 grad_norm: nan\nstep 3 grad_norm: 3\n")
    waits(nothing)
    found = run("stats", "train.log", "--follow", "--until-step", "3", "-q", "--rule", "mean")
    assert "threshold for clip-by-global-norm: 2 (mean, 2 dumps)\n" in found.out


def test_ratios_come_as_columns(run: Run, begun: Save, waits: Callable[..., Clock]) -> None:
    """With weights a line has the ratio and, with a learning rate, the update ratio; the heading names them."""
    begun("w.npz", **{"a.w": np.full((2, 2), 10.0), "a.b": np.zeros(2)})
    waits(nothing)
    found = run("stats", "run", "--follow", "--until-step", "2", "--weights", "w.npz", "--lr", "0.1")
    heads, *lines = (line.split() for line in found.out.splitlines())
    assert heads == ["step", "norm", "max", "|g|", "|g|/|w|", "update", "input"]
    assert [line[:5] for line in lines[:2]] == [["1", "2", "1", "0.1", "0.01"], ["2", "3", "1.5", "0.15", "0.015"]]
