"""A file is a dump of its own, unless another layout says what it belongs to."""

from gradclip_cli.inputs.layouts.single import FINDER, SINGLE, single
from gradclip_cli.inputs.source import DumpOutput


def test_a_file_is_its_dump() -> None:
    """A dump goes by the path that a user gave, and is of the step that the path names."""
    source = single("run/step_00042.npz")
    assert (source.location, source.files, source.label, source.step) == (
        "run/step_00042.npz",
        ("run/step_00042.npz",),
        "run/step_00042.npz",
        42,
    )
    assert single("g.npz").step is None


def test_every_path_is_found() -> None:
    """No path is left over, and each accounts for itself, twice if it is given twice."""
    found = list(FINDER.find(["b.npz", "a.npz", "b.npz"]))
    assert [(one.source.location, list(one.positions)) for one in found] == [
        ("b.npz", [0]),
        ("a.npz", [1]),
        ("b.npz", [2]),
    ]


def test_it_is_written_to_the_output_itself() -> None:
    """The one file goes where the dump goes, nothing goes with it, and in a directory it keeps its name."""
    source = single("in/a.npz")
    assert SINGLE.output_files(source, "out.h5") == DumpOutput("out.h5", ("out.h5",))
    assert (SINGLE.companions(source), SINGLE.output_names(source)) == ((), ("in/a.npz",))
    assert (SINGLE.single, SINGLE.in_pieces) == (True, False)


def test_names_are_those_in_the_file() -> None:
    """Nothing is renamed, so nothing is copied."""
    names = ["a.w", "b.w"]
    assert SINGLE.tensor_names("a.npz", names) is names
