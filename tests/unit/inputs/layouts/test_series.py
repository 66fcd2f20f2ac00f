"""A file is a series if all of its tensors are in groups named after steps, and two steps at least."""

import pytest

from gradclip_cli.inputs.layouts.series import outside_note, step_groups


def test_groups_are_in_the_order_of_steps() -> None:
    """Tensors have their names inside the groups."""
    found = step_groups(["step10/a/w", "step9/a/w", "step10/b"])
    assert list(found.groups.items()) == [("step9", [1]), ("step10", [0, 2])]
    assert found.names == ["a/w", "a/w", "b"]


@pytest.mark.parametrize(
    ("names", "outside"),
    [
        (["step1/w"], []),
        (["lstm/w", "head/w"], []),
        (["step1/w", "step2/w", "scale"], ["scale"]),
        (["step1/w", "scale"], []),
    ],
)
def test_one_dump(names: list[str], outside: list[str]) -> None:
    """One step is no series; where there are several, what is outside of them says why the file is none."""
    found = step_groups(names)
    assert (found.groups, found.outside) == ({}, outside)


def test_the_note_names_what_is_outside() -> None:
    """A user learns why a file with steps is taken for one dump."""
    note = outside_note("a.h5", ["scale", "lr"])
    assert note.text.startswith("a.h5: taken for one dump, not for a series, since it holds more than groups")
    assert note.text.endswith("scale, lr")
