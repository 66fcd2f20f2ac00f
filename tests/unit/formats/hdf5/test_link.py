"""A child that dies over several datasets is blamed on the one that it had begun."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gradclip_cli.errors import InputError
from gradclip_cli.formats.hdf5.link import Link

NAMES = ["a", "b", "c"]


@pytest.fixture
def link(tmp_path: Path, misbehaving: None) -> Iterator[Link]:
    """A file that a child which misbehaves has open."""
    with open(tmp_path / "g.h5", "wb") as file:
        opened = Link(file.fileno(), "r", 0, "in.h5", "out.h5")
        yield opened
        opened.close()


@pytest.mark.parametrize(("begun", "blamed"), [(0, "a"), (1, "a"), (2, "b"), (3, "c"), (9, "c")])
def test_the_last_that_was_begun_is_blamed(link: Link, begun: int, blamed: str) -> None:
    """The error names it and the file that has the structure; a child that had begun none is blamed on the first."""
    with pytest.raises(InputError, match="SIGSEGV") as caught:
        link.ask("begin and die", begun, tensors=NAMES)
    assert (caught.value.path, caught.value.tensor) == ("in.h5", blamed)
    assert [*link.fatal] == [blamed]


def test_nothing_more_is_asked_about_it(link: Link) -> None:
    """A dataset of which a child has died is the same error again, and no other child dies of it; others can be asked about."""
    with pytest.raises(InputError) as first:
        link.ask("begin and die", 2, tensors=NAMES)
    with pytest.raises(InputError) as second:
        link.ask("echo", tensors=["b"])
    assert str(second.value) == str(first.value)
    assert link.ask("echo", 5, tensors=["c"]).value[-1] == 5


def test_marks_of_a_request_are_its_own(link: Link) -> None:
    """What an earlier request had begun does not count."""
    link.ask("begin", 3, tensors=NAMES)
    with pytest.raises(InputError) as caught:
        link.ask("begin and die", 1, tensors=NAMES)
    assert caught.value.tensor == "a"
