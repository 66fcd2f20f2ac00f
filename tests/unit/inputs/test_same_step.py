"""Several dumps of one step: kinds, micro-batches, resumed runs and two runs."""

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.choices import DEFAULT, Choices
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.same_step import of_one_kind, refuse_micro_batches, repeated_steps
from gradclip_cli.inputs.source import DumpSource


def sources(*paths: str) -> list[DumpSource]:
    """Return the dumps in files, which need not exist."""
    return [single(path) for path in paths]


def test_one_kind_of_each_step() -> None:
    """In each folder and step gradients are taken; beside them what has no step must be called after gradients, too."""
    given = sources("step_1/grads.npz", "step_1/model.npz", "step_2/grads.npz", "last_grads.npz", "last_model.npz")
    taken, notes = of_one_kind(given)
    assert [source.location for source in taken] == ["step_1/grads.npz", "step_2/grads.npz", "last_grads.npz"]
    assert [(note.kind, note.times) for note in notes] == [("other-kinds", 1), ("files-without-gradients", 1)]
    lone = sources("x/model.npz", "x/other.npz", "step_1.npz")
    assert of_one_kind(lone) == (lone, [])


def test_a_step_without_gradients() -> None:
    """What is left out of one step is left out of all, with a note; files of yet another kind are refused."""
    given = sources("step_1/grads.npz", "step_1/model.npz", "step_2/model.npz")
    taken, notes = of_one_kind(given)
    assert taken == given[:1]
    assert [(note.kind, note.changes_figures) for note in notes] == [
        ("other-kinds", False),
        ("files-without-gradients", True),
    ]
    with pytest.raises(UsageError, match=r"grads\.npz, weights\.npz; choose with --files"):
        of_one_kind([*given, *sources("step_3/weights.npz")])


def test_a_series_of_two_kinds() -> None:
    """A series of which only some files are called after gradients is taken, and noted."""
    given = sources("step_1.npz", "step_2.npz", "grads_step_3.npz")
    taken, (note,) = of_one_kind(given)
    assert (taken, note.kind, note.changes_figures) == (given, "kinds", True)
    assert of_one_kind(sources("a/step_1_grad.npz", "a/grads_step_2.npz"))[1] == []


@pytest.mark.parametrize(
    ("paths", "advice"),
    [
        (("step_1/model.npz", "step_1/optimizer.npz"), r"--files 'model\*'"),
        (("step_1.npz", "step_1.safetensors"), r"--files '\*\.npz'"),
        (("step_1/grads_a.npz", "step_1/grads_b.npz"), r"grads_a\.npz, grads_b\.npz; choose with --files '\*a\*'"),
        (("step_1_model.npz", "step_1_adam.npz"), r"--files '\*model\*'"),
    ],
)
def test_kinds_that_cannot_be_told(paths: tuple[str, ...], advice: str) -> None:
    """Where nothing or several things are called after gradients, the error lists them and gives a pattern that chooses."""
    with pytest.raises(UsageError, match=advice):
        of_one_kind(sources(*paths))


def test_micro_batches() -> None:
    """Two dumps of one step in one folder are refused; in two folders, or of two epochs, they are not."""
    refuse_micro_batches(sources("a/step_1.npz", "b/step_1.npz", "a/step_2.npz", "a/x.npz", "a/y.npz"))
    refuse_micro_batches(
        [source._replace(epoch=k) for k, source in enumerate(sources("a/step_1.npz", "a/step_1_b.npz"))]
    )
    with pytest.raises(UsageError, match=r"a/step_1_m0\.npz and step_1_m1\.npz are both of step 1"):
        refuse_micro_batches(sources("a/step_1_m0.npz", "a/step_1_m1.npz"))


def test_a_step_that_came_twice() -> None:
    """The natural order of paths decides which is the last; a run that begins later was resumed."""
    given = sources("job_10/step_2.npz", "job_9/step_1.npz", "job_9/step_2.npz")
    taken, (note,) = repeated_steps(given, DEFAULT)
    assert [source.location for source in taken] == ["job_10/step_2.npz", "job_9/step_1.npz"]
    assert (note.kind, note.times, note.changes_figures) == ("repeated", 1, True)
    taken, _ = repeated_steps(given, Choices(repeated="first"))
    assert [source.location for source in taken] == ["job_9/step_1.npz", "job_9/step_2.npz"]
    assert repeated_steps(given, Choices(repeated="keep")) == (given, [])
    with pytest.raises(UsageError, match="1 step came twice"):
        repeated_steps(given, Choices(repeated="error"))


@pytest.mark.parametrize("names", [("a/step_{}.npz", "b/step_{}.npz"), ("a/100{}/g.npz", "b/100{}/g.npz")])
def test_two_runs(names: tuple[str, str]) -> None:
    """Two folders that begin at the same step are two runs; a choice about repeated steps takes them for one."""
    given = [single(name.format(k))._replace(step=k) for name in names for k in (1, 2)]
    with pytest.raises(UsageError, match="a and b both begin at step 1, so they are two runs and no series"):
        repeated_steps(given, DEFAULT)
    assert len(repeated_steps(given, Choices(repeated="last"))[0]) == 2


@pytest.mark.parametrize("name", ["rank_{}/step_{}.npz", "a/step_{1}/micro_{0}/g.npz", "mp_rank_0{}/iter_{}.npz"])
def test_ranks_are_no_resumed_run(name: str) -> None:
    """Folders of ranks, of which one lacks a step, are refused, and not taken for a run that was resumed, unless the user says so."""
    given = [single(name.format(rank, step))._replace(step=step) for rank, step in ((0, 1), (0, 2), (1, 2), (1, 3))]
    with pytest.raises(UsageError, match="are both of step 2, in folders of parts"):
        repeated_steps(given, DEFAULT)
    found, (note,) = repeated_steps(given, Choices(repeated="last"))
    assert ([source.step for source in found], note.changes_figures) == ([1, 2, 3], True)


@pytest.mark.parametrize("run", ["version_{}", "rank_0/job_{}"])
def test_what_is_no_part_is_resumed(run: str) -> None:
    """Lightning writes a resumed run to the next `version_1`, and a folder that both have in common tells nothing."""
    names = [f"{run.format(k)}/step_{step}.npz" for k, step in ((0, 1), (0, 2), (1, 2), (1, 3))]
    given = [single(name)._replace(step=step) for name, step in zip(names, (1, 2, 2, 3), strict=True)]
    assert [source.location for source in repeated_steps(given, DEFAULT)[0]] == [names[0], *names[2:]]


def test_an_unknown_choice() -> None:
    """What can be done about repeated steps is one of four words."""
    with pytest.raises(UsageError, match="repeated must be one of first, last, keep, error, not 'both'"):
        Choices(repeated="both")
