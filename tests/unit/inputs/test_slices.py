"""What is taken apart along axis 0, and what only looks as if it should be."""

import re

import pytest

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.slices import check_roles, is_log, log_notes, scalar_notes, slice_count, step_tensors
from gradclip_cli.numerics.dtypes import FLOAT32, DType
from gradclip_cli.tensors import TensorSpec

INT = DType("int64", 8, "int")


def growing(*names: str, shape: tuple[int, ...] = (5, 3)) -> list[TensorSpec]:
    """Gradients in a file that can grow."""
    return [TensorSpec(name, FLOAT32, shape, grows=True) for name in names]


def test_only_axis_0_is_taken() -> None:
    """Another axis is wrong usage; 0 and none are not."""
    assert Selection(along=0).along == 0
    assert Selection().along is None
    for axis in (1, -1):
        with pytest.raises(UsageError, match=f"axis 0 only, not {axis}"):
            Selection(along=axis)


def test_slices_are_as_many_as_axis_0_is_long() -> None:
    """One length in all gradients is the number of slices."""
    assert slice_count([TensorSpec("a", FLOAT32, (4, 3)), TensorSpec("b", FLOAT32, (4,), fortran=True)], "f") == 4


@pytest.mark.parametrize(
    ("specs", "reason"),
    [
        ([TensorSpec("a", FLOAT32, (4, 3)), TensorSpec("s", FLOAT32, ())], "s has not; leave it out with --exclude"),
        (
            [TensorSpec("a", FLOAT32, (4, 3)), TensorSpec("b", FLOAT32, (5,))],
            "a has 4.*choose with --include or --exclude",
        ),
        ([TensorSpec("a", FLOAT32, (4, 3), fortran=True)], "column-major order.*: a; save it in C order"),
        ([TensorSpec("a", FLOAT32, (0, 3))], "its length is 0"),
        ([TensorSpec("a", FLOAT32, (1 << 40, 0))], "at most 20,000,000"),
    ],
)
def test_what_has_no_slices_is_refused(specs: list[TensorSpec], reason: str) -> None:
    """No axis 0, several lengths, slices that do not lie together, none at all, or too many: the tensors are named."""
    with pytest.raises(InputError, match=reason):
        slice_count(specs, "f")


def test_steps_are_read_from_what_is_called_so() -> None:
    """The last component is `step`, or ends in `_step`; `step` goes first. Other lengths, dtypes and shapes are none."""
    specs = [
        TensorSpec("train/global_step", INT, (5, 1)),
        TensorSpec("log.step", INT, (5,)),
        TensorSpec("step_float", INT, (5,)),
        TensorSpec("a/step", FLOAT32, (5,)),
        TensorSpec("b/step", INT, (4,)),
        TensorSpec("c/step", INT, (5, 2)),
        TensorSpec("footstep", INT, (5,)),
        TensorSpec("d/step", INT, (1, 5)),
    ]
    assert step_tensors(specs, 5) == [1, 0]
    assert step_tensors(specs, 4) == [4]
    assert step_tensors(specs, None) == [1, 4, 0]


@pytest.mark.parametrize(
    ("specs", "log"),
    [
        (growing("a", "b"), True),
        (growing("a", shape=(1, 3)), False),
        (growing("a") + growing("b", shape=(4, 3)), True),
        ([*growing("a"), TensorSpec("b", FLOAT32, (5, 3))], False),
        ([TensorSpec("b", FLOAT32, (5, 3))], False),
        ([], False),
    ],
)
def test_a_log_is_known_by_its_growing_axis(specs: list[TensorSpec], log: bool) -> None:
    """All gradients can grow along axis 0, and one has a length above 1: a note names the option."""
    assert is_log(specs) is log
    notes = log_notes(specs, "run.h5")
    assert [note.changes_figures for note in notes] == [True] * log
    assert all(note.text.startswith("run.h5: ") and "--along 0" in note.text for note in notes)


@pytest.mark.parametrize(
    ("shapes", "noted"), [([(5, 3), (5,)], True), ([(5, 3), (4,)], False), ([(1, 3), (1,)], False), ([()], False)]
)
def test_gradients_of_samples_are_known_by_their_name(shapes: list[tuple[int, ...]], noted: bool) -> None:
    """As Opacus calls them, with one length above 1 along axis 0: a note names the option."""
    specs = [TensorSpec(f"fc.{k}.grad_sample", FLOAT32, shape) for k, shape in enumerate(shapes)]
    notes = log_notes(specs, "g.npz")
    assert [(note.kind, note.changes_figures) for note in notes] == [("samples", True)] * noted
    assert all(
        note.text.startswith("g.npz: ") and "5 samples" in note.text and "--along 0" in note.text for note in notes
    )


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (["a_g", "a_p", "a_lr", "b_g"], "*_g, *_p, *_lr; choose one, such as --include '*_g'"),
        (["fc/grad", "fc/weight"], "*/grad, */weight; choose one, such as --include '*/grad'"),
        (["fc.weight", "fc.weight.grad"], "*.grad, no ending; choose one, such as --include '*.grad'"),
        (["a_grads", "a_momentum", "loss"], "*_grads, *_momentum; choose one, such as --include '*_grads'"),
    ],
)
def test_roles_are_not_mixed(names: list[str], listed: str) -> None:
    """Gradients beside weights or learning rates of the same layers are wrong usage, which lists the roles; in no log they are not."""
    with pytest.raises(UsageError, match=re.escape(listed)):
        check_roles(growing(*names), "run.h5")
    check_roles([TensorSpec(name, FLOAT32, (5, 3)) for name in names], "run.h5")


@pytest.mark.parametrize(
    "names",
    [["a_g", "b_g"], ["a_p", "a_lr"], ["fc.weight", "fc.bias"], ["lstm_i", "lstm_f", "lstm_g", "lstm_o"], ["a", "g"]],
)
def test_names_of_one_role_are_fine(names: list[str]) -> None:
    """One role, none, or the gates of an LSTM: nothing is refused."""
    check_roles(growing(*names), "run.h5")


def test_a_loss_is_named() -> None:
    """One number in each slice beside longer ones is named, since it may be no gradient; alone it is not."""
    loss = growing("loss", shape=(5,))
    (note,) = scalar_notes(growing("a") + loss, "run.h5")
    assert (
        note.text
        == "run.h5: one number in each slice, counted as gradients: loss; leave out with --exclude what is none"
    )
    assert scalar_notes(loss, "run.h5") == scalar_notes(growing("a"), "run.h5") == []
