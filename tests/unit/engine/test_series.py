"""A file with a group for each step is a series; dumps stand in the order of their steps."""

from pathlib import Path

import numpy as np
import pytest
from support.official import savez
from support.tensors import dump_of

from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.series import by_step, measure_series, split
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.ordering import in_step_order
from gradclip_cli.inputs.selection import Selection

ONE = np.ones(1)


def test_each_step_counts_its_own_tensors() -> None:
    """Dumps are in the order of their steps, and their tensors are named without the groups."""
    dump = dump_of({"step10/l/w": ONE, "step2/l/w": 2 * ONE, "step10/l/b": ONE})
    found = split(dump, Run(Selection(), Threads(1)))
    assert [(one.step, one.prefix, list(one.named)) for one in found] == [
        (2, "step2/", ["l/w"]),
        (10, "step10/", ["l/w", "l/b"]),
    ]
    assert [one.stats[index].max_abs for one in found for index in one.named["l/w"]] == [2, 1]


@pytest.mark.parametrize("names", [("step1/w", "w"), ("step1/w", "step2/w", "lr")])
def test_what_stands_outside_of_steps_makes_a_file_one_dump(names: tuple[str, ...]) -> None:
    """Where there are steps beside it, a note says so."""
    (dump,) = split(dump_of(dict.fromkeys(names, ONE)), Run(Selection(), Threads(1)))
    assert len(dump.named) == len(names)
    assert [("lr" in note.text) for note in dump.notes] == [True] * (len(names) - 2)


def test_a_file_with_more_than_steps_is_one_dump(tmp_path: Path) -> None:
    """Whole numbers inside the groups of steps change nothing; outside they keep a file from being a series."""
    savez(tmp_path / "a.npz", **{"step1/w": ONE, "step2/w": ONE, "step2/v": ONE, "step1/ids": np.arange(2)})
    savez(tmp_path / "c.npz", **{"step1/w": ONE, "step2/w": ONE, "ids": np.arange(2)})
    with Threads(1) as workers:
        run = Run(Selection(), workers)
        a, c = (measure_series(single(str(tmp_path / f"{name}.npz")), (2.0,), run) for name in "ac")
    assert [sorted(dump.named) for dump in a] == [["w"], ["v", "w"]]
    assert [sorted(dump.named) for dump in c] == [["step1/w", "step2/w"]]


def test_what_has_no_step_comes_last() -> None:
    """Dumps, and inputs before they are read, stand by one rule: in the order of their steps, then as they were given."""
    for steps, expected in (([2, 1], [1, 2]), ([2, None, 1], [1, 2, None])):
        assert [dump.step for dump in by_step([dump_of({"w": ONE}, step=step) for step in steps])] == expected
        sources = [single("g.npz" if step is None else f"step_{step}.npz") for step in steps]
        assert [source.step for source in in_step_order(sources)] == expected
