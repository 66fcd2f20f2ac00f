"""Series of which some dumps are broken, or differ."""

import json
from pathlib import Path

import numpy as np
import pytest

from cli.running import Run, Save


@pytest.fixture
def broken_series(save: Save) -> None:
    """Three steps in the working directory, of which the second is cut short."""
    for step in (1, 2, 3):
        np.savez(f"step_{step}.npz", a=np.float32([3 * step]), **({"b": np.ones(2)} if step == 3 else {}))
    Path("step_2.npz").write_bytes(Path("step_2.npz").read_bytes()[:-30])


def test_a_broken_dump_ends_it(broken_series: None, run: Run) -> None:
    """Without an option nothing is shown."""
    result = run("stats", ".")
    assert (result.code, result.out) == (3, "")


def test_the_rest_is_worth_having(broken_series: None, run: Run) -> None:
    """With --keep-going the other dumps are shown, and the exit code is 3 all the same."""
    result = run("stats", ".", "--keep-going", "--allow-missing", "-f", "json")
    assert result.code == 3
    assert "1 of 3 dumps left out" in result.err
    assert "step_2.npz" in result.err
    assert [dump["norm"] for dump in json.loads(result.out)["dumps"]] == [3.0, 9.0]


def test_dumps_that_differ_are_refused(broken_series: None, run: Run) -> None:
    """A tensor that another dump lacks is named, unless the dumps may differ."""
    result = run("stats", "step_1.npz", "step_3.npz")
    assert result.code == 3
    assert "also has b" in result.err
    assert run("stats", "step_1.npz", "step_3.npz", "--allow-missing").code == 0
