"""Norms in text: which words before a number are a norm, and which number is the step."""

from pathlib import Path

import pytest

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.norm_logs.reading import read_log


def read(text: str, folder: Path) -> tuple[str, list[float], list[int] | None]:
    """The column, the norms and the steps of a text."""
    path = folder / "run.log"
    path.write_text(text)
    log = read_log(str(path))
    return log.column, log.norms.tolist(), None if log.steps is None else log.steps.tolist()


@pytest.mark.parametrize(
    ("line", "column", "norm", "step"),
    [
        ("step 7 grad_norm=1.5", "grad_norm", 1.5, 7),
        ("Iteration: 7, Grad Norm: 1.5e+2", "Grad Norm", 150.0, 7),
        ("iter 7: loss 2.0, gradient norm 2.", "gradient norm", 2.0, 7),
        ("train/global_step:7 train/grad_norm:.5", "train/grad_norm", 0.5, 7),
        ("{'global_step': 7, 'grad_norm': tensor(1.5, device='cuda:0')}", "grad_norm", 1.5, 7),
        ("step 7 total_grad_norm -inf.", "total_grad_norm", float("-inf"), 7),
        ("step=7 | max_grad_norm: 1.0 | layernorm 3 | grad_norm: 1.5", "grad_norm", 1.5, 7),
        ("step_time: 3 step: 7 steps: 9 grad_norm: 1.5", "grad_norm", 1.5, 7),
        ("step 7 norm 1.5 grad_norm/step: 2.5", "grad_norm/step", 2.5, 7),
        ("step 7 | norm: 1.5", "norm", 1.5, 7),
        ("grad_norm: 1.5 step: 12k", "grad_norm", 1.5, None),
        ("grad_norm: 1.5", "grad_norm", 1.5, None),
        ("v1.step 3 grad_norm: 1.5", "grad_norm", 1.5, None),
    ],
)
def test_words(line: str, column: str, norm: float, step: int | None, tmp_path: Path) -> None:
    """The word before a number decides, and the step is that of the line."""
    assert read(line + "\n", tmp_path) == (column, [norm], None if step is None else [step])


@pytest.mark.parametrize(
    "line",
    [
        "norm: 1.5",
        "(norm1): LayerNorm((768,), eps=1e-05)",
        "step 7 max_grad_norm: 1.0",
        "step 7 grad_norm: 1.5k",
        "step 7 grad_norm: 1.2.3",
        "step 7 grad_norm: None",
        "step 7 grad_norm_epoch: 1.5",
        "step 7 clip_grad_norm: 1.5",
    ],
)
def test_what_is_no_norm(line: str, tmp_path: Path) -> None:
    """Settings, layers, versions and plain `norm` without a step are none."""
    with pytest.raises(InputError, match="no gradient norm in 1 line,"):
        read(line + "\n", tmp_path)


def test_the_name_of_the_step_may_change(tmp_path: Path) -> None:
    """Lines of several programs stand in one log."""
    text = "iteration 1 grad_norm: 1.5\nstep 2 grad_norm: 2.5\nmy_step 8 num_updates 3 grad_norm: 3.5\n"
    assert read(text, tmp_path) == ("grad_norm", [1.5, 2.5, 3.5], [1, 2, 3])
