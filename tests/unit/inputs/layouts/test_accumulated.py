"""Micro-batches of a step become one dump, named after the step."""

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.layouts.accumulated import Accumulated, accumulated, name_without
from gradclip_cli.inputs.layouts.numbered import FINDER
from gradclip_cli.inputs.layouts.single import single


def test_micro_batches_of_a_step_are_one_dump() -> None:
    """Files are put together by folder and step, in natural order, and written as one file without the second number."""
    paths = [f"{run}/step_{step}_micro_{k}.npz" for run in ("a", "b") for step in (2, 1) for k in (10, 9)]
    found = accumulated(list(map(single, paths)), "mean")
    assert [(source.step, source.files) for source in found] == [
        (step, (f"{run}/step_{step}_micro_9.npz", f"{run}/step_{step}_micro_10.npz"))
        for run in ("a", "b")
        for step in (2, 1)
    ]
    first = found[0]
    assert (first.location, first.label) == (first.files[0], list(first.files))
    assert (first.layout.accumulate, first.layout.single, first.layout.in_pieces) == ("mean", True, False)
    assert first.layout.output_names(first) == ("a/step_2.npz",)
    output = first.layout.output_files(first, "out/step_2.npz")
    assert (output.files, first.layout.label(output.location, output.files)) == (("out/step_2.npz",), "out/step_2.npz")


def test_the_mode_is_part_of_a_layout() -> None:
    """A mean is another dump than a sum of the same files."""
    assert Accumulated("mean") == Accumulated("mean")
    assert len({Accumulated("mean"), Accumulated("sum"), Accumulated("sum")}) == 2


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["step_0_micro_0.safetensors", "step_0_micro_1.safetensors"], "step_0.safetensors"),
        (["step_0_micro_batch_0.npz", "step_0_micro_batch_1.npz"], "step_0.npz"),
        (["step_0_grads_micro_3.npz", "step_0_grads_micro_4.npz"], "step_0_grads.npz"),
        (["micro0_step5.h5", "micro1_step5.h5"], "step5.h5"),
        (["step-7.0.npz", "step-7.1.npz"], "step-7.npz"),
        (["step_0_m0_grads.npz", "step_0_m1_grads.npz"], "step_0_grads.npz"),
        (["run/step_5/m0.npz", "run/step_5/m1.npz"], "step_5.npz"),
        (["run/step_5/0.npz", "run/step_5/1.npz"], "step_5.npz"),
    ],
)
def test_the_second_number_goes_with_its_word(names: list[str], expected: str) -> None:
    """A dump is called by its first file without the number of the micro-batch; by its folder if nothing else is left."""
    assert name_without(names) == expected


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (["step_1_micro_0.npz"], "two files or more of each step in one folder"),
        (["step_1.npz", "step_2.npz"], "step_1.npz is one of 1 file of its step"),
        (
            ["step_1_m0.npz", "step_1_m1.npz", "step_2_m0.npz"],
            "step_2_m0.npz is one of 1 file .* step_1_m0.npz is one of 2 files",
        ),
        (["g_1_0.npz", "g_1_1.npz", "g_2_0.npz"], "differ in one number; g_1_0.npz and g_2_0.npz do not"),
        (["step_1_a.npz", "step_1_b.npz"], "differ in one number"),
        (["a/step_1.npz", "b/step_1.npz"], "in one folder"),
    ],
)
def test_what_are_no_micro_batches(paths: list[str], reason: str) -> None:
    """Too few files, steps with more files than others, and names that differ otherwise are wrong usage."""
    with pytest.raises(UsageError, match=reason):
        accumulated(list(map(single, paths)), "sum")


def test_a_set_is_no_micro_batch() -> None:
    """What is one dump of several files already is left out by the user."""
    sources = [source for source, *_ in FINDER.find(["g-1-of-2.safetensors"])]
    with pytest.raises(UsageError, match=r"g-1-of-2\.safetensors is one dump with all its files already"):
        accumulated([*sources, single("a")], "sum")
