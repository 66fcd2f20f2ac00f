"""Files of ranks are one dump for each step, where the user says so."""

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.layouts.numbered import FINDER
from gradclip_cli.inputs.layouts.ranks import by_rank, hint
from gradclip_cli.inputs.layouts.single import single


def test_ranks_of_a_step_are_one_dump() -> None:
    """Files are put together by their steps, and each dump goes by the first of its files."""
    paths = [f"step_{step}/rank{rank}.npz" for step in (2, 1) for rank in (0, 1)]
    found = by_rank(list(map(single, paths)))
    assert [(source.step, source.files) for source in found] == [(2, tuple(paths[:2])), (1, tuple(paths[2:]))]
    assert [source.location for source in found] == [paths[0], paths[2]]
    assert all(source.layout.in_pieces and source.label == list(source.files) for source in found)
    found[0].layout.check(found[0], [["w"], ["w"]])


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (["a.npz"], "two ranks or more"),
        (["step_1/a.npz", "b.npz"], "b.npz names none"),
        (["step_1/a.npz", "step_1/b.npz", "step_2/a.npz"], "step 2 has 1 file and step 1 has 2 files"),
    ],
)
def test_ranks_that_do_not_belong_together(paths: list[str], reason: str) -> None:
    """Too few files, and steps with more files than others, are wrong usage."""
    with pytest.raises(UsageError, match=reason):
        by_rank(list(map(single, paths)))


def test_a_set_is_no_rank() -> None:
    """What is one dump of several files already is left out by the user."""
    sources = [source for source, *_ in FINDER.find(["g-1-of-2.safetensors"])]
    with pytest.raises(UsageError, match=r"g-1-of-2\.safetensors is one dump with all its files already"):
        by_rank([*sources, single("a")])


def test_ranks_that_were_not_put_together_are_pointed_out() -> None:
    """Names that differ by a rank alone give a note, unless they are one dump already."""
    sources = [single(f"step_1/rank{rank}.npz") for rank in (0, 1)]
    (note,) = hint(sources)
    assert note.text.startswith("step_1/rank0.npz and rank1.npz are taken for two dumps")
    assert hint(by_rank(sources)) == hint(sources[:1]) == hint([single("a.npz"), single("b.npz")]) == []
