"""Norms in text: which words before a number are a norm, and which number is the step."""

import math
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
        "step 7 grad_norm_epoch: 1.5",
        "step 7 clip_grad_norm: 1.5",
    ],
)
def test_what_is_no_norm(line: str, tmp_path: Path) -> None:
    """Settings, layers, versions and plain `norm` without a step are none."""
    with pytest.raises(InputError, match="no gradient norm in 1 line,"):
        read(line + "\n", tmp_path)


@pytest.mark.parametrize(
    "value",
    [
        "1.5k",
        "1.2.3",
        "None",
        "N/A",
        "1,5",
        "1,234",
        "1.5,2.5",
        "2.5%",
        "2 %",
        "7.25ms",
        "1.5D+02",
        "0x1p3",
        "1 234.5",
        "1_234.5",
    ],
)
def test_what_may_be_one_number_or_another(value: str, tmp_path: Path) -> None:
    """Units, commas that may separate decimals, and what is no number are never read for a part of them; they are counted."""
    with pytest.raises(
        InputError, match=r"text, but no value of grad_norm can be told, such as '.*'; write numbers with"
    ):
        read(f"step 7 grad_norm: {value}\n", tmp_path)
    path = tmp_path / "two.log"
    path.write_text(f"step 7 grad_norm: {value} | lr: 1e-5\nstep 8 grad_norm: 2.5\n")
    log = read_log(str(path))
    assert (log.steps and log.steps.tolist(), log.norms.tolist()) == ([8], [2.5])
    assert "1 value of grad_norm cannot be told, such as" in log.notes[0].text


@pytest.mark.parametrize(
    ("value", "norm"),
    [("1,234.5", 1234.5), ("1,234,567", 1234567.0), ("1'234.5", 1234.5), ("1.#QNAN", math.nan), ("-1.#IND", math.nan),
     ("nan(ind)", math.nan), ("null", math.nan), ("tensor(nan, device='cuda:0')", math.nan), ("tensor(1.5)", 1.5), ("-1", math.nan)],
)  # fmt: skip
def test_other_spellings(value: str, norm: float, tmp_path: Path) -> None:
    """Thousands that are told apart, and NaN as C and DeepSpeed write it."""
    column, norms, steps = read(f"step 7 grad_norm: {value}, lr: 1e-5\n", tmp_path)
    assert (column, steps) == ("grad_norm", [7])
    assert norms == [norm] or (math.isnan(norm) and math.isnan(norms[0]))


def test_a_norm_below_0(tmp_path: Path) -> None:
    """No norm is below 0, so a column of such is another one."""
    with pytest.raises(InputError, match=r"holds a norm of -0\.5, and no norm is below 0"):
        read("step 7 grad_norm: -0.5\n", tmp_path)


def test_steps_with_thousands(tmp_path: Path) -> None:
    """A step may be written with separators; what is no whole number is no step."""
    assert read("step: 1,000 grad_norm: 1.5\nstep: 1,010 grad_norm: 2.5\n", tmp_path)[2] == [1000, 1010]
    assert read("step: 1,5 grad_norm: 1.5\n", tmp_path)[2] is None
    assert read("step: 1k grad_norm: 1.5\n", tmp_path)[2] is None


def test_a_line_without_an_end(tmp_path: Path) -> None:
    """A number at the very end of a log may lack digits, so it is not read, which is said; behind a line's end it is."""
    assert read("step 1 grad_norm: 1.5\nstep 2 grad_norm: 12", tmp_path)[1] == [1.5]
    assert read("step 1 grad_norm: 1.5\nstep 2 grad_norm: 12.", tmp_path)[1] == [1.5]
    assert read("step 1 grad_norm: 1.5\nstep 2 grad_norm: 12.5\n", tmp_path)[1] == [1.5, 12.5]
    assert read("{'grad_norm': 1.5}\n{'grad_norm': 12.5}", tmp_path)[1] == [1.5, 12.5]
    path = tmp_path / "cut.log"
    path.write_text("step 1 grad_norm: 1.5\nstep 2 grad_norm: 12")
    assert read_log(str(path)).notes[0].kind == "still-written"


def test_a_bar_of_progress(tmp_path: Path) -> None:
    """A bar writes the same state again and again; each norm counts once where no step tells them apart."""
    bars = [f"{k:3}%|# | {k}/9 [00:0{k}<00:09, grad_norm={norm}]\r" for k, norm in enumerate([1.5, 1.5, 2.5, 2.5, 1.5])]
    assert read("".join(bars), tmp_path)[1] == [1.5, 2.5, 1.5]
    assert read("grad_norm: 1.5\ngrad_norm: 1.5\n", tmp_path)[1] == [1.5, 1.5]


def test_the_name_of_the_step_may_change(tmp_path: Path) -> None:
    """Lines of several programs stand in one log."""
    text = "iteration 1 grad_norm: 1.5\nstep 2 grad_norm: 2.5\nmy_step 8 num_updates 3 grad_norm: 3.5\n"
    assert read(text, tmp_path) == ("grad_norm", [1.5, 2.5, 3.5], [1, 2, 3])
