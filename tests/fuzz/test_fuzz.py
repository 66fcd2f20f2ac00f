"""A short search with fixed numbers; `make fuzz MINUTES=10` is the long one."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.matrices import heavy

from fuzz import loop
from fuzz.loop import Finding, for_mutants, search
from fuzz.mutations import mutant
from fuzz.seeds import seeds
from fuzz.target import wrong_with
from gradclip_cli.formats import FORMATS

FEW = 60


@pytest.mark.parametrize("format", FORMATS)
def test_sound_dumps_are_read(format: str, tmp_path: Path) -> None:
    """The dumps that mutants are made from are read and written without a complaint."""
    for data in seeds(format):
        for number in range(6):
            assert wrong_with(format, data, number, tmp_path) is None


@pytest.mark.parametrize("first", [0, pytest.param(FEW, marks=heavy)])
@pytest.mark.parametrize("format", FORMATS)
def test_mutants_are_refused_or_read(format: str, first: int) -> None:
    """No damaged dump makes the program crash, hang, take much memory, show a traceback or leave anything behind."""
    assert list(search(format, first, for_mutants(FEW))) == []


@pytest.mark.parametrize("format", [*FORMATS, "hdf5-sealed"])
def test_a_number_makes_one_mutant(format: str) -> None:
    """The same number gives the same bytes, and most numbers give bytes of their own."""
    made = [mutant(format, number) for number in range(16)]
    assert made == [mutant(format, number) for number in range(16)]
    assert len({*made}) > 13


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "ended by SIGSEGV"),
        pytest.param(lambda: [None for _ in iter(int, 1)], "more than 1 s of work", marks=heavy),
        (lambda: "a wrong answer", "a wrong answer"),
    ],
    ids=["crash", "hang", "finding"],
)
def test_what_is_wrong_is_found(act: Callable[[], str | None], what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash, a hang and a wrong answer are told with the number of the mutant, and the search goes on."""

    def wrong(format: str, data: bytes, number: int, folder: Path) -> str | None:
        return act() if number in (3, 5) else None

    monkeypatch.setattr(loop, "wrong_with", wrong)
    monkeypatch.setattr(loop, "CPU_SECONDS", 1)
    found = list(search("npz", 0, for_mutants(8)))
    assert found == [Finding("npz", 3, what), Finding("npz", 5, what)]


def test_a_finding_is_kept(tmp_path: Path) -> None:
    """What is found can be tried again: its bytes and what came of them are saved under its number."""
    path = Finding("npz", 7, "a crash").save(tmp_path / "kept")
    assert (path.name, path.read_bytes()) == ("npz-7", mutant("npz", 7))
    assert path.with_suffix(".txt").read_text() == "a crash"
