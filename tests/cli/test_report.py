"""`gradclip report` writes a page and figures whole or not at all, whatever `check` finds."""

import os
import sys
from pathlib import Path

import pytest
from support.command import Run, Save

from gradclip_cli.render.html import PICTURES, page


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for pages, which take a second each to draw; their own tests draw them."""
    monkeypatch.setattr(page, "page", lambda report, scripts: f"{report.title}\n")
    monkeypatch.setattr(page, "static_page", lambda report: f"{report.title}, static\n")
    monkeypatch.setattr(page, "figures", lambda report, format: dict.fromkeys(PICTURES, b"drawn"))


@pytest.fixture
def runs(save: Save) -> None:
    """Two runs, of which `b` lacks the first step; another, `z`; `bad` with a file that is no dump; and a log."""
    for folder in ("a", "b", "bad", "z"):
        Path(folder).mkdir()
    for step, run in ((1, "a"), (2, "a"), (2, "b"), (1, "bad")):
        save(f"{run}/step{step}.npz", **{"l.w": [3.0 * step, 4.0]})
    save("z/step1.npz", **{"m.w": [1.0]})
    Path("bad/step2.npz").write_bytes(b"no dump")
    Path("a.csv").write_text("step,grad_norm\n1,1.0\n2,2.0\n")


WRITTEN = {
    "a -o page.html": {"page.html": "a\n"},
    "a/ -o page.html --title x --static": {"page.html": "x, static\n"},
    "a.csv -o page.html": {"page.html": "a.csv\n"},
    "a b -o page.html --against a.csv": {"page.html": "a and 1 more\n"},
    "a -o page.html --by kind --weights a/step1.npz --lr 0.1 --against z": {"page.html": "a\n"},
    "a --figures new": {f"new/{name}.svg": "drawn" for name in PICTURES},
    "a --figures new/ --format pdf -o new/page.html": {
        **{f"new/{name}.pdf": "drawn" for name in PICTURES},
        "new/page.html": "a\n",
    },
}


@pytest.mark.parametrize("argv", WRITTEN)
@pytest.mark.usefixtures("runs")
def test_what_is_asked_for_is_written(argv: str, run: Run) -> None:
    """The page and every figure are files of what was read, and standard output stays empty."""
    before = files()
    result = run("report", *argv.split())
    assert (result.code, result.out) == (0, "")
    assert {name: Path(name).read_text() for name in files() - before} == WRITTEN[argv]


REFUSED = {
    "a": (2, "give -o PAGE, --figures DIR, or both"),
    "a -o page.html --format svg": (2, "--format is that of figures; give --figures DIR"),
    "a --figures new --static": (2, "--static is about the page; give -o PAGE.html"),
    "a -o page.html --title=": (2, "--title is empty; give a text, or leave it out for the name of the input"),
    "a --figures -": (2, "--figures is a directory, and - is standard output; give a directory"),
    "a -o new/x.html --figures new/x.html": (
        2,
        "-o and --figures would both write new/x.html; give another page or directory",
    ),
    "a -o new/map.svg --figures new/": (
        2,
        "-o and --figures would both write new/map.svg; give another page or directory",
    ),
    "a -o page.html -f json": (2, "No such option '-f'"),
    "a -o page.html --column x": (2, "--column chooses a column of a log"),
    "a -o page.html --steps 1 --along 0": (2, "--steps and --along exclude each other"),
    "a.csv -o page.html --values": (2, "--values counts elements of gradients, and a log holds norms; leave it out"),
    "a.csv -o page.html --by kind": (2, "--by kind groups layers, and a.csv has none; leave it out"),
    "a.csv -o page.html --scheduler tcp://h:1": (
        2,
        "--scheduler is for gradients, and a.csv is a log of norms; leave it out",
    ),
    "a.csv -o page.html --include x": (2, "--include is for gradients, and a.csv is a log of norms; leave it out"),
    "a -o page.html --include x --against a.csv": (2, "--include is for gradients, and a.csv is a log of norms"),
    "- -o page.html --against -": (2, "standard input can be read only once; give - once"),
    "nowhere -o page.html": (3, "nowhere: does not exist; check the path"),
    "bad -o page.html": (3, "bad/step2.npz"),
    "a -o page.html --against nowhere": (3, "nowhere: does not exist; check the path"),
    "a -o a.csv": (5, "a.csv: exists; give --overwrite to replace it"),
    "bad -o no/page.html": (5, "no/page.html: its directory does not exist"),
    "bad --figures a.csv": (5, "a.csv: is not a directory"),
    "a.csv -o a.csv --overwrite": (5, "a.csv: is an input; write elsewhere"),
    "bad --figures no/new -o page.html": (5, "no/new: its directory does not exist"),
}


@pytest.mark.parametrize("argv", REFUSED)
@pytest.mark.usefixtures("runs")
def test_what_cannot_be_done_leaves_nothing(argv: str, run: Run) -> None:
    """What is wrong is one line and an exit code, outputs are looked at before inputs are read, and nothing is left."""
    before, code, says = files(), *REFUSED[argv]
    result = run("report", *argv.split())
    assert (result.code, result.out) == (code, "")
    assert says in result.err.splitlines()[-1]
    assert files() == before


@pytest.mark.usefixtures("runs")
def test_pipes(spawn: Run) -> None:
    """`-` is a log on standard input, read once; `-o -` writes a page, drawn, to standard output, and notes to standard error."""
    with open("a.csv") as log:
        result = spawn("report", "-", "-o", "-", "--against", "b", "--title", "<b>", stdin=log)
    assert result.code == 0
    assert "\nnote: b: 1 of 2 steps of the run are in it, too; it lacks 1\n" in result.err
    assert result.out.startswith("<!doctype html>")
    assert "<title>&lt;b&gt;</title>" in result.out


@pytest.mark.usefixtures("runs")
def test_notes_say_which_steps_two_runs_share(run: Run) -> None:
    """A note names the steps that only one of two runs has; --quiet leaves it out."""
    assert run("report", "b", "-o", "1.html", "--against", "a.csv").err == (
        "note: a.csv: 1 of 1 step of the run are in it, too; it has 1, which the run lacks\n"
    )
    assert run("report", "a", "-o", "2.html", "--against", "a.csv").err == ""
    assert run("report", "a", "-o", "3.html", "--against", "b", "-q").err == ""


@pytest.mark.usefixtures("runs")
def test_dumps_that_are_left_out_are_an_error_in_the_end(run: Run) -> None:
    """With --keep-going the page is written, and the exit code is 3 all the same."""
    result = run("report", "bad", "-o", "page.html", "--keep-going")
    assert (result.code, Path("page.html").read_text()) == (3, "bad\n")
    assert "1 of 2 dumps left out; the first: bad/step2.npz" in result.err


@pytest.mark.usefixtures("runs")
def test_findings_do_not_change_the_exit_code(run: Run, save: Save) -> None:
    """A run that check would fail is a page all the same."""
    save("a/step3.npz", **{"l.w": [float("nan"), 1.0]})
    assert run("check", "a").code == 1
    assert run("report", "a", "-o", "page.html").code == 0


@pytest.mark.usefixtures("runs")
def test_without_vl_convert_nothing_is_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, the line that installs it comes before any other error."""
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    result = run("report", "nowhere", "-o", "page.html")
    assert result.code == 2
    assert result.err.endswith("Error: report needs vl-convert-python: pip install 'gradclip-cli[report]'\n")


def files() -> set[str]:
    """The files below the working directory."""
    return {os.path.relpath(os.path.join(folder, name)) for folder, _, names in os.walk(".") for name in names}
