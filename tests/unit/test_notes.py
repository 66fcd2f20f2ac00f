"""Notes are one line a kind, counted, and few."""

from gradclip_cli.notes import MOST, Note, lines, merged


def test_notes_of_one_kind_are_one() -> None:
    """The first of a kind speaks for all, says how many more there are, and counts what all of them count."""
    found = merged([Note("a", "x: one", 2), Note("b", "y"), Note("a", "z: two", 3), Note("a", "z: two", 3)])
    assert found == [Note("a", "x: one (and 1 more)", 5), Note("b", "y")]


def test_what_changes_figures_comes_first() -> None:
    """A user who wants no output but errors still hears of what changes the meaning of figures."""
    notes = [Note("a", "by the way"), Note("b", "half of it", changes_figures=True)]
    assert lines(notes) == ["half of it", "by the way"]
    assert lines(notes, quiet=True) == ["half of it"]


def test_lines_are_few() -> None:
    """There are at most eight lines; the last says how many kinds are left, and where they are."""
    notes = [Note(f"kind {k}", f"text {k}") for k in range(MOST + 3)]
    assert lines(notes[:MOST]) == [note.text for note in notes[:MOST]]
    assert len(lines(notes)) == MOST == 8
    assert lines(notes)[-1] == "4 more kinds of notes are in the report as JSON (-f json)"
