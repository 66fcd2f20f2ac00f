"""The figures of a log: the norm of each step as a whole, and an element for each tensor whose norm is logged."""

from pathlib import Path

import numpy as np
import pytest

from gradclip_cli.checks import NAMES
from gradclip_cli.checks.limits import Limits
from gradclip_cli.commands.check.logged import judged_rules, logged_figures
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.norm_logs.base import LogOptions
from gradclip_cli.inputs.norm_logs.joining import join_logs


def test_figures(tmp_path: Path) -> None:
    """What is not finite is NaN in the whole; a tensor that a step lacks has no element there."""
    path = tmp_path / "m.csv"
    path.write_text(
        "step,grad_norm,grad_2.0_norm/h.1.w,grad_2.0_norm/h.0.w\n"
        "3,5.0,3.0,4.0\n4,inf,inf,0.0\n5,1.0,,1.0\n"
    )  # fmt: skip
    joined = join_logs([str(path)], LogOptions())
    figures = logged_figures(joined, Naming())
    assert [(tensor.layer, tensor.param, tensor.block) for tensor in figures.tensors] == [
        ("h.0", "w", "h.0"),
        ("h.1", "w", "h.1"),
    ]
    assert np.array_equal(figures.dump_norms, [5.0, np.nan, 1.0], equal_nan=True)
    assert figures.elements.tolist() == [[1, 1], [1, 1], [1, 0]]
    assert figures.nonfinite.tolist() == [[0, 0], [0, 1], [0, 0]]
    assert figures.zeros.tolist() == [[0, 0], [1, 0], [0, 0]]
    assert (figures.dumps, figures.noun, joined.column) == (["step 3", "step 4", "step 5"], "step", "grad_norm")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("step: 1 grad_norm: 2.0\n", "accumulating, vanishing, dead, unchanged, underflow, dominated, spread, ratio"),
        ("step,grad_norm,grad_2.0_norm/w\n1,2.0,2.0\n", "accumulating, dead, unchanged, underflow, ratio"),
    ],
)
def test_rules(text: str, left: str, tmp_path: Path) -> None:
    """What needs gradients is left out with a note, and a limit of it is refused."""
    path = tmp_path / "log"
    path.write_text(text)
    figures = logged_figures(join_logs([str(path)], LogOptions()), Naming())
    rules, (note,) = judged_rules(NAMES, figures, Limits(), "log")
    assert set(rules) | set(left.split(", ")) == set(NAMES)
    assert f"not checked for {left}: " in note.text
    assert judged_rules(["nonfinite"], figures, Limits(exploding_factor=3.0), "log") == (["nonfinite"], [])
    for limits in (Limits(dead_share=0.5), Limits(underflow_dtype=("float16",)), Limits(vanishing_mean=1.0)):
        with pytest.raises(UsageError, match=r"needs gradients, and log is a log of norms; leave it out"):
            judged_rules(NAMES, figures, limits, "log")
