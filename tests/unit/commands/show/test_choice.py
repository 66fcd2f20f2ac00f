"""The tensor that a user names is found by its headers."""

from pathlib import Path

import numpy as np
import pytest
from support.official import save_as

from gradclip_cli.commands.plans import ShowPlan
from gradclip_cli.commands.show.choice import choose
from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.run import Run
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.selection import Selection

EVERY = Selection()
NAMES = ("h.0.attn.w", "h.1.attn.w", "h.1.mlp.w", "w[0]", "w0")


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """Write a dump of five tensors of floats and two of whole numbers."""
    arrays = {**{name: np.ones(2, np.float32) for name in NAMES}, "step": np.array([7]), "h.0.count": np.array([1])}
    return save_as(tmp_path / "g.npz", arrays)


def chosen(path: Path, pattern: str, selection: Selection = EVERY) -> list[str]:
    """Return the names that a pattern stands for."""
    with Threads(1) as workers:
        return choose(ShowPlan(single(str(path)), pattern, selection), pattern, Run(selection, workers)).names


def test_a_name_stands_for_itself(dump: Path) -> None:
    """A whole name is taken as it is, even if it reads like a pattern that matches another."""
    assert chosen(dump, "h.1.mlp.w") == ["h.1.mlp.w"]
    assert chosen(dump, "w[0]") == ["w[0]"]


def test_a_pattern_stands_for_the_gradients_that_it_matches(dump: Path) -> None:
    """A pattern stands for all it matches, in the order of the file, but for what is no gradient."""
    assert chosen(dump, "*attn*") == ["h.0.attn.w", "h.1.attn.w"]
    assert chosen(dump, "h.0.*") == ["h.0.attn.w"]


def test_what_the_user_left_out_is_not_there(dump: Path) -> None:
    """Only selected tensors can be named."""
    assert chosen(dump, "h.*.w", Selection(exclude=("*attn*",))) == ["h.1.mlp.w"]
    with pytest.raises(UsageError, match=r"matches no tensor"):
        chosen(dump, "h.1.mlp.w", Selection(include=("*attn*",)))


def test_a_name_that_is_not_there_is_answered(dump: Path) -> None:
    """The error says how many names hold the text, or else which is near, or how to list them."""
    with pytest.raises(UsageError, match=r"^TENSOR attn matches no tensor; '\*attn\*' would match 2$"):
        chosen(dump, "attn")
    with pytest.raises(UsageError, match=r"did you mean h\.1\.mlp\.w\?"):
        chosen(dump, "h.1.mpl.w")
    with pytest.raises(UsageError, match=r"`gradclip ls` lists the tensors"):
        chosen(dump, "zzzzzzzzz")


def test_what_is_no_gradient_is_named_so(dump: Path) -> None:
    """Whole numbers are refused by their dtype, one or several."""
    with pytest.raises(UsageError, match=r"step is int64, and no gradient"):
        chosen(dump, "step")
    with pytest.raises(UsageError, match=r"no gradients among the 2 tensors that match: "):
        chosen(dump, "[sh]*[pt]")


def test_a_series_in_one_file_is_named_by_step_or_inside_it(tmp_path: Path) -> None:
    """Where a file has a group for each step, a name may be whole, or stand for that tensor in every group."""
    arrays = {f"step{k}/lstm/w": np.ones(2, np.float32) for k in (1, 2)}
    path = save_as(tmp_path / "g.h5", arrays)
    assert chosen(path, "step2/lstm/w") == ["step2/lstm/w"]
    assert chosen(path, "lstm/w") == ["step1/lstm/w", "step2/lstm/w"]
