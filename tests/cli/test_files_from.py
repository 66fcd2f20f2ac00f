"""Inputs from a list."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from support.command import Run, Save


@pytest.fixture
def three(save: Save) -> list[str]:
    """Three dumps in the working directory, one with a space in its name."""
    for name in ("a.npz", "b c.npz", "d.npz"):
        np.savez(name, w=np.ones(3, np.float32))
    return ["a.npz", "b c.npz", "d.npz"]


@pytest.mark.parametrize(("options", "separator"), [((), "\n"), (("-0",), "\0")])
def test_a_list_stands_for_its_paths(three: list[str], run: Run, options: tuple[str, ...], separator: str) -> None:
    """Each path of the list is an input, after those of the command line; empty lines do not count."""
    Path("list").write_bytes(os.fsencode(separator.join([*three[1:], ""])))
    result = run("stats", three[0], "--files-from", "list", *options, "-f", "json")
    assert [dump["input"] for dump in json.loads(result.out)["dumps"]] == three


def test_a_list_from_standard_input(three: list[str], spawn: Run) -> None:
    """`-` is standard input."""
    result = spawn("ls", "--files-from", "-", "-f", "json", input="\n".join(three))
    assert [row["input"] for row in json.loads(result.out)["tensors"]] == three


def test_a_list_that_is_not_there(three: list[str], run: Run) -> None:
    """A missing list is an error of the input, an empty one leaves nothing to do."""
    assert (run("stats", "--files-from", "nosuch").code, run("stats", "--files-from", os.devnull).code) == (3, 2)
