"""A wrong type of an argument is wrong usage."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.memory_store import memory_store

from gradclip_cli.api.arguments import checked, path_of
from gradclip_cli.errors import UsageError

Where = str | os.PathLike[str]


@checked
def called(
    where: Where | Iterable[Where] = (),
    *,
    number: float | str | None = None,
    whole: int = 1,
    flag: bool = False,
    pairs: Mapping[str, tuple[str | None, float]] | Iterable[str] = (),
) -> tuple[Any, ...]:
    """Return what has come in."""
    return where, number, whole, flag, pairs


@pytest.mark.parametrize(
    "right",
    [
        {"where": "a"},
        {"where": Path("a")},
        {"where": ["a", Path("b")]},
        {"number": 1},
        {"number": "mean"},
        {"number": np.float32(0.5)},
        {"whole": np.int64(3)},
        {"flag": True},
        {"pairs": {"a": (None, 1)}},
        {"pairs": {"a": ["b", 1.5]}},
        {"pairs": ["a"]},
    ],
    ids=str,
)
def test_right_types_are_taken(right: dict[str, Any]) -> None:
    """Numbers of numpy are numbers, paths are paths, and lists do where tuples do."""
    assert called(**right) is not None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"where": 1},
            "where must be a text, a path or a list of which each item is a text or a path, not of type int",
        ),
        ({"where": [1]}, "where must be"),
        ({"where": None}, "where must be"),
        ({"where": b"a"}, "where must be"),
        ({"number": [1.0]}, "number must be a number, a text or None, not of type list"),
        ({"number": True}, "number must be"),
        ({"number": 10**400}, "number is beyond float64"),
        ({"whole": "1"}, "whole must be a whole number, not of type str"),
        ({"whole": 1.0}, "whole must be"),
        ({"whole": True}, "whole must be"),
        ({"whole": 10**30}, "whole must be a whole number of at most"),
        ({"flag": 1}, "flag must be True or False"),
        ({"flag": "yes"}, "flag must be"),
        ({"pairs": "abc"}, "pairs must be"),
        ({"pairs": {"a": 1}}, "pairs must be"),
        ({"pairs": {"a": ("b", "c")}}, "pairs must be"),
        ({"pairs": {1: ("b", 1)}}, "pairs must be"),
    ],
    ids=str,
)
def test_wrong_types_are_wrong_usage(wrong: dict[str, Any], said: str) -> None:
    """The message names the argument and what it must be."""
    with pytest.raises(UsageError) as caught:
        called(**wrong)
    assert str(caught.value).startswith(said)


def test_an_iterator_can_be_read_twice() -> None:
    """What can be walked only once, as the paths of a glob, becomes a tuple."""
    assert called(iter(["a", "b"]))[0] == ("a", "b")


def test_numbers_become_pythons_own() -> None:
    """A narrow number of numpy does not make later sums narrow."""
    narrow: Any = np.float16(0.5)
    assert type(called(number=narrow)[1]) is float


def test_a_name_that_no_argument_has_is_wrong_usage() -> None:
    """A keyword that is not known is named, and an argument too many is wrong usage, too."""
    with pytest.raises(UsageError, match=r"^called: got an unexpected keyword argument 'nonsense'"):
        called(nonsense=1)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="too many"):
        called("a", "b")  # type: ignore[call-arg]


def test_an_argument_that_takes_one_path() -> None:
    """A URL with wildcards may stand for one file where one is wanted, and not for several; a path stays as it is."""
    with memory_store() as store:
        store.files |= {"memory://b/step_1.npz": b"", "memory://b/step_2.npz": b""}
        assert path_of("memory://b/*_2.npz") == "memory://b/step_2.npz"
        assert path_of("run/*") == "run/*"
        with pytest.raises(UsageError, match=r"memory://b/step_\* stands for 2 files and folders; name one"):
            path_of("memory://b/step_*")
