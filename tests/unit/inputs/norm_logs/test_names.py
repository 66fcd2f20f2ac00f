"""Which names of columns are those of norms, of tensors and of steps."""

import math

import pytest

from gradclip_cli.inputs.norm_logs.names import STEPS, first_of, is_norm, number, tensor_in, whole


@pytest.mark.parametrize(
    "name",
    [
        "grad_norm", "GRAD_NORM", "gradient_norm", "gnorm", "grad norm", "grad_2.0_norm_total", "total_grad_norm",
        "grad_l2_norm/step", "train/grad_norm", "actor/grad_norm", "my run - train/grad_norm", "optim/total_grad_norm",
        "grad_norm/total", "global_grad_norm", "train_grad_norm", "grad_norm_step", "l2_norm/grad/global", "GradNorm",
    ],
)  # fmt: skip
def test_norms(name: str) -> None:
    """Known names, with any prefix and in any case."""
    assert is_norm(name)
    assert tensor_in(name) is None


@pytest.mark.parametrize(
    "name",
    ["max_grad_norm", "clip_grad_norm", "grad_norm__MIN", "grad_norm_epoch", "grad_norm_clipped", "param_norm", "norm", "layernorm", "x" * 5000 + "/grad_norm"],  # noqa: E501
)  # fmt: skip
def test_other_names(name: str) -> None:
    """Settings, ends of ranges, means of epochs and norms of parameters are not meant."""
    assert not is_norm(name)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("grad_2.0_norm/h.0.w", "h.0.w"),
        ("grad_2.0_norm_h.0.w", "h.0.w"),
        ("layer_grad_l2_norm/fc.weight", "fc.weight"),
        ("l2_norm/grad/fc.weight", "fc.weight"),
        ("grad/blocks.1.w.norm", "blocks.1.w"),
        ("run - optim/grad/w.norm", "w"),
        ("grad_norm/encoder", "encoder"),
        ("grad_2.0_norm/w__MAX", None),
        ("param/w.norm", None),
    ],
)
def test_tensors(name: str, tensor: str | None) -> None:
    """The norm of a tensor or layer is named after it."""
    assert tensor_in(name) == tensor


def test_the_first_name_of_a_step_counts() -> None:
    """`step` before others, in any case, and behind the name of a run."""
    assert first_of(["iter", "Step"], STEPS) == "Step"
    assert first_of(["run - train/global_step"], STEPS) == "run - train/global_step"


def test_numbers() -> None:
    """NaN has many spellings; a huge whole number is infinite; True is no number."""
    for text in ("nan", "NaN", "null", "1.#QNAN", None):
        assert math.isnan(number(text) or 0)
    assert (number("Infinity"), number("-inf"), number(10**400)) == (math.inf, -math.inf, math.inf)
    assert number(True) is number("") is number([1]) is number("None") is number("1,5") is None
    assert (number("1,234.5"), number(" 1.5 ")) == (1234.5, 1.5)
    assert [whole(one) for one in ("3", 3.0, "3.0", -1, "x", math.nan, math.inf)] == [3, 3, 3, -1, -1, -1, -1]
