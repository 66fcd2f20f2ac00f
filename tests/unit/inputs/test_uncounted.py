"""What a dump holds besides gradients is in no norm, and said once; the user can choose otherwise."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gradclip_cli import apply, check, diff, stats
from gradclip_cli.commands.plans import LsPlan
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.notes import Note
from gradclip_cli.pipeline import ls

CLIP: dict[str, Any] = {"strategy": "clip-by-global-norm", "threshold": 1.0}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A gradient of norm 5 in 25 numbers of 1, with the numbers of its rows (norm 50), records, lists and words."""
    path = tmp_path / "mixed.h5"
    with h5py.File(path, "w") as file:
        file["fc/w"] = np.ones((5, 5), np.float32)
        file["fc/row"] = np.array([0.0, 30.0, 40.0, 0.0, 0.0])
        file["fc/row"].make_scale("row")
        file["log"] = np.zeros(2, [("step", "i4"), ("norm", "f4")])
        lists = file.create_dataset("ragged", (2,), h5py.vlen_dtype(np.float32))
        lists[0] = np.array([3, 4], np.float32)
        file["words"] = "hello"
    return path


def kinds(notes: Sequence[Note]) -> list[str]:
    """The kinds of notes, sorted."""
    return sorted(note.kind for note in notes)


def test_every_command_leaves_them_out_alike(mixed: Path, tmp_path: Path) -> None:
    """Norms and samples are of the gradient alone, and each command says the same of the file."""
    out = tmp_path / "out.h5"
    measured, written = stats(mixed), apply(mixed, out, **CLIP)
    assert (measured.dumps[0].norm, measured.total.count) == (5.0, 1)
    assert (written.dumps[0].total.tensors, written.dumps[0].total.norm_before) == (1, 5.0)
    others = check(mixed).notes, diff(mixed, out).notes, ls(LsPlan((single(str(mixed)),))).notes
    for notes in (measured.notes, written.notes, *others):
        assert {"no-gradients", "floats-in-records", "not-numbers"} <= set(kinds(notes))
        [told] = [note.text for note in notes if note.kind == "no-gradients"]
        assert told.startswith(
            f"{mixed}: no gradients, so in no norm: fc/row (dimension scales); --include counts them"
        )


def test_they_are_written_unchanged(mixed: Path, tmp_path: Path) -> None:
    """A copy in the same format has them bit by bit, records and lists as well."""
    apply(mixed, tmp_path / "out.h5", **CLIP)
    with h5py.File(mixed) as a, h5py.File(tmp_path / "out.h5") as b:
        np.testing.assert_allclose(b["fc/w"][:], np.full((5, 5), 0.2), rtol=1e-6)
        assert (a["fc/row"][:].tobytes(), a["log"][:].tobytes()) == (b["fc/row"][:].tobytes(), b["log"][:].tobytes())
        assert (b["ragged"][0].tolist(), b["words"][()]) == ([3, 4], b"hello")
        assert b["fc/row"].is_scale


def test_other_formats_cannot_hold_the_mark(mixed: Path, tmp_path: Path) -> None:
    """A conversion writes the numbers, and names the mark that is lost with all that is left out."""
    report = apply(mixed, tmp_path / "out.npz", **CLIP)
    [told] = [note.text for note in report.notes if note.kind == "not-convertible"]
    assert "not numbers log, ragged, words" in told
    [lost] = [note for note in report.notes if note.kind == "marks-lost"]
    assert lost.text.endswith("its format cannot mark what is no gradient, so fc/row count there as gradients")
    assert lost.changes_figures
    assert np.load(tmp_path / "out.npz")["fc/row"].tolist() == [0, 30, 40, 0, 0]


def test_a_difference_in_them_is_no_norm(mixed: Path, tmp_path: Path) -> None:
    """`diff` says whether they differ, without a norm, and its total is of the gradients."""
    out = tmp_path / "out.h5"
    out.write_bytes(mixed.read_bytes())
    with h5py.File(out, "r+") as file:
        file["fc/row"][0] = 7.0
    report = diff(mixed, out)
    [row] = [row for row in report.params if row.name == "fc/row"]
    assert (row.status, row.norm_a, row.norm_b, row.max_abs_diff) == ("differs", None, None, 7.0)
    assert (report.equal, report.overall.status, report.overall.norm_a) == (False, "same", 5.0)


def test_a_lone_one_has_no_norm(mixed: Path, tmp_path: Path) -> None:
    """What only one of two dumps has is measured only if it is a gradient."""
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["fc/w"] = np.ones((5, 5), np.float32)
    [row] = [row for row in diff(mixed, other).params if row.name == "fc/row"]
    assert (row.status, row.norm_a) == ("only-a", None)


@pytest.mark.parametrize(
    ("include", "norm", "noted"),
    [
        (("fc/row",), 50.0, []),
        (("fc/row", "fc/w"), 2525**0.5, []),
        (("fc/*",), 2525**0.5, ["counted-by-include"]),
        (("fc/w",), 5.0, []),
    ],
)
def test_include_brings_them_in(include: tuple[str, ...], norm: float, noted: list[str], mixed: Path) -> None:
    """A pattern of --include counts what it matches, which is said unless it names it in full; the words are no tensor."""
    report = stats(mixed, include=include)
    assert report.dumps[0].norm == pytest.approx(norm, rel=1e-12)
    assert kinds(report.notes) == sorted(["not-numbers", *noted])


def test_what_is_excluded_needs_no_note(mixed: Path) -> None:
    """What the user has left out by name is not said again."""
    assert kinds(stats(mixed, exclude=("fc/row", "log", "ragged")).notes) == ["not-numbers"]
    [note] = [note for note in stats(mixed, exclude=("log",)).notes if note.kind == "floats-in-records"]
    assert ("ragged" in note.text, "log" in note.text, note.changes_figures) == (True, False, True)


def test_objects_are_said_alike_in_every_file(tmp_path: Path) -> None:
    """Pickled objects and records of npz are noted unless they are left out by name, also those of a later micro-batch."""
    hidden: dict[str, Any] = {"ragged": np.array([[1.0], [1.0, 2.0]], object), "table": np.zeros(2, [("g", "f4")])}
    np.savez(tmp_path / "step_1_micro_0.npz", w=np.ones(2))
    np.savez(tmp_path / "step_1_micro_1.npz", w=np.ones(2), **hidden)
    ways: list[dict[str, Any]] = [
        {"inputs": tmp_path / "step_1_micro_1.npz"},
        {"inputs": tmp_path, "accumulate": "sum"},
    ]
    for given in ways:
        notes = {note.kind: note for note in stats(**given).notes}
        assert ": ragged;" in notes["pickled"].text
        assert ": table;" in notes["floats-in-records"].text
        assert notes["pickled"].changes_figures
        assert notes["floats-in-records"].changes_figures
        assert kinds(stats(**given, exclude=("ragged",)).notes) == sorted({*kinds(stats(**given).notes)} - {"pickled"})
