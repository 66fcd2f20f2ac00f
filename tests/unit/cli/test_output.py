"""Notes go to standard error, reports to standard output, and a reader that leaves ends no run."""

import io
import sys

import pytest

from gradclip_cli.cli import output
from gradclip_cli.errors import InputError
from gradclip_cli.notes import Note
from gradclip_cli.render.view import View
from gradclip_cli.reports.listing import LsReport, LsTensor

REPORT = LsReport([LsTensor("a.npz", "fc.w", "fc", "w", (2,), "float32", 8)], {}, [Note("breaks", "a\nb")])


def test_a_report_and_its_notes(capsys: pytest.CaptureFixture[str]) -> None:
    """A note is one line, whatever is in it; the report stands alone on standard output."""
    output.show(REPORT, View("csv"))
    found = capsys.readouterr()
    assert found.err == "note: a\\nb\n"
    assert found.out.splitlines()[1].split(",")[:2] == ["a.npz", "fc.w"]


def test_all_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Where standard output is taken by a dump, the report is on standard error, too."""
    output.show(REPORT, View("csv"), err=True)
    found = capsys.readouterr()
    assert found.out == ""
    assert "fc.w" in found.err


class Left(io.StringIO):
    """A stream whose reader has left."""

    def flush(self) -> None:
        """Fail as a pipe does."""
        raise BrokenPipeError


def test_a_reader_that_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody reads any more goes nowhere, also what is still held when the process ends, and the run goes on."""
    discarded: list[int] = []
    monkeypatch.setattr(output, "discard", discarded.append)
    monkeypatch.setattr(sys, "stdout", Left())
    with output.standard_output() as out:
        out.write("x")
    assert discarded == [1]


def test_what_was_left_out_is_an_error_in_the_end() -> None:
    """A run that went on without some dumps ends with their number and the first of them."""
    output.refuse_left_out([], 3)
    with pytest.raises(InputError, match=r"2 of 3 dumps left out; the first: b\.npz: is broken"):
        output.refuse_left_out([InputError("is broken", path="b.npz"), InputError("too", path="c.npz")], 3)


class Terminal(io.StringIO):
    """A terminal of standard error."""

    def isatty(self) -> bool:
        """Be a terminal."""
        return True

    def fileno(self) -> int:
        """Have no descriptor that tells a width."""
        raise OSError


def test_notes_are_folded_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal gets a note between its words, later lines indented; a pipe gets one line, and both the same words."""
    text = "run/step_3.npz: its name holds no step, so the dumps are taken in the order of their names; --files chooses"
    output.warn([text])
    assert capsys.readouterr().err == f"note: {text}\n"
    for columns, width in (("60", 60), ("", 80)):
        monkeypatch.setenv("COLUMNS", columns)
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        output.warn([text])
        first, *others = stream.getvalue().splitlines()
        assert first.startswith("note: run/step_3.npz: its name")
        assert others
        assert all(line.startswith("    ") and len(line) <= width for line in others)
        assert " ".join(stream.getvalue().split()) == f"note: {text}"
