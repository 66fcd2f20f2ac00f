"""The advised rule at the command line: `--rule auto`, `-t auto`, and what is to be pasted."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.command import Run, Save


@pytest.fixture
def falling(save: Save) -> list[float]:
    """Write a run whose norms fall from 10 to 2 in 20 of its 40 steps; return the norms."""
    Path("run").mkdir()
    norms = [10.0 - 0.4 * k for k in range(20)] + [2.0, 2.1] * 10
    for k, norm in enumerate(norms):
        save(f"run/step_{k}.npz", **{"fc.w": np.array([norm])})
    return norms


def test_the_advised_number_is_printed(falling: list[float], run: Run) -> None:
    """`--print-threshold` stays with the mean, and doubts it; with `--rule auto` it is the 90th percentile."""
    mean = run("stats", "run", "-s", "clip-by-global-norm", "--print-threshold")
    assert float(mean.out) == pytest.approx(np.mean(falling))
    assert mean.err.startswith("note: mean may be no guide here: take ")
    auto = run("stats", "run", "-s", "clip-by-global-norm", "--rule", "auto", "--print-threshold")
    assert float(auto.out) == pytest.approx(np.percentile(falling, 90))
    assert auto.err == ""


def test_apply_takes_what_is_advised(falling: list[float], run: Run) -> None:
    """`-t auto` is that number, and a note says which rule it is by."""
    result = run("apply", "run", "--dry-run", "-s", "clip-by-global-norm", "-t", "auto", "-f", "json")
    tree = json.loads(result.out)
    assert (tree["rule"], tree["threshold"]) == ("percentile:90", pytest.approx(np.percentile(falling, 90)))
    assert result.err == f"note: -t auto: clip-by-global-norm at {tree['threshold']:.6g}, by percentile:90\n"


def test_one_dump_is_refused(falling: list[float], run: Run) -> None:
    """One sample chooses nothing: exit 3, and nothing on standard output."""
    for argv in (
        ["apply", "run/step_0.npz", "--dry-run", "-s", "clip-by-global-norm", "-t", "auto"],
        ["stats", "run/step_0.npz", "-s", "clip-by-global-norm", "--rule", "auto", "--print-threshold"],
        ["stats", "run/step_0.npz", "--paste", "torch"],
    ):
        result = run(*argv)
        assert (result.code, result.out) == (3, "")
        assert "one step does not tell how norms vary" in result.err


def test_the_advice_is_pasted_alone(falling: list[float], run: Run) -> None:
    """The line is all of standard output; with `--rule` it has that rule's threshold."""
    assert run("stats", "run", "--paste", "hf").out == f"max_grad_norm={np.percentile(falling, 90):.4g}\n"
    told = run("stats", "run", "--paste", "keras", "-s", "clip-by-norm", "--rule", "mean").out
    assert told == f"clipnorm={np.mean(falling):.4g}\n"


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--paste", "hf", "-s", "clip-l2-per-layer"], "hf has no clip-l2-per-layer"),
        (["--paste", "torch", "-s", "all"], "--paste needs one strategy"),
        (["--paste", "torch", "--by", "layer"], "--paste prints no table"),
        (["--paste", "torch", "--print-threshold", "-s", "clip-by-norm"], "exclude each other"),
        (["--print-threshold", "-s", "all"], "--print-threshold needs one strategy"),
        (["--paste", "torch", "--try", "1"], "--paste prints no report; leave out --try"),
        (["--paste", "torch", "-f", "md"], "--paste prints no report; leave out --format"),
        (["--print-threshold", "-s", "clip-by-norm", "--json"], "--print-threshold prints no report; leave out --json"),
        (["--print-threshold", "-s", "clip-by-norm", "--csv"], "--print-threshold prints no report; leave out --csv"),
        (["--paste", "jax"], "'jax' is not one of"),
        (["--by", "layer,param"], "'layer,param' is none of"),
    ],
)
def test_what_is_wrong_usage(argv: list[str], told: str, falling: list[float], run: Run) -> None:
    """Exit 2, with the reason."""
    result = run("stats", "run", *argv)
    assert (result.code, result.out) == (2, "")
    assert told in result.err


def test_what_a_configuration_says_of_reports_is_overruled(falling: list[float], run: Run) -> None:
    """A format or a trial for all calls does not forbid the bare number; nor does the format that it would be."""
    Path("c.toml").write_text('format = "json"\ntry = ["1"]\n', encoding="utf-8")
    bare = ("stats", "run", "-s", "clip-by-global-norm", "--rule", "auto", "--print-threshold")
    plain = run(*bare)
    assert plain.code == 0
    assert run(*bare, "--config", "c.toml") == plain
    assert run(*bare, "-f", "table") == plain


def test_the_advice_in_json(falling: list[float], run: Run) -> None:
    """The rule, its number, the steps it clips as ranges, and the reason; the trend with what the part after gives."""
    tree = json.loads(run("stats", "run", "-f", "json").out)
    c = float(np.percentile(falling, 90))
    above = [k for k, norm in enumerate(falling) if norm > c]
    assert (tree["advice"]["rule"], tree["advice"]["threshold"]) == ("percentile:90", pytest.approx(c))
    assert tree["advice"]["steps"] == [[above[0], above[-1]]]
    assert tree["advice"]["reason"].startswith("the norms fall from 10 to 2.05, and the mean would clip 38 % ")
    assert (tree["trend"]["kind"], tree["trend"]["start"]) == ("falls", 10.0)
    assert tree["series"]["steps"] == list(range(40))
    assert tree["series"]["layers"] == {"names": ["fc"], "norms": [pytest.approx(falling)]}


def test_a_row_for_each_layer_and_step(falling: list[float], run: Run) -> None:
    """A pair of kinds has rows of its own, in either order, and nothing else."""
    rows = [json.loads(line) for line in run("stats", "run", "-f", "ndjson", "--by", "step,layer").out.splitlines()]
    assert [row["norm"] for row in rows] == pytest.approx(falling)
    assert rows[3] == {
        "scope": "layer,step",
        "input": "run/step_3.npz",
        "step": 3,
        "layer": "fc",
        "norm": rows[3]["norm"],
    }
    table = run("stats", "run", "--by", "block,step").out.splitlines()
    assert table[0] == "L2 norm of each block in each dump"
    assert len(table) == 3 + 40 + 1  # with an empty line at the end


def test_blocks_have_a_table(save: Save, run: Run) -> None:
    """`--by block` sums up the norms of blocks; `--by all` has it among the tables."""
    save(**{"h.0.a.w": [3.0], "h.0.b.w": [4.0], "x.w": [12.0]})
    out = run("stats", "g.safetensors", "--by", "block").out
    assert out.splitlines()[0] == "L2 norm of each block in one dump"
    assert out.splitlines()[3].split()[:3] == ["h.0", "1", "5"]
    assert "L2 norm of each block in one dump" in run("stats", "g.safetensors", "--by", "all").out


def test_few_dumps_are_said(save: Save, run: Run) -> None:
    """A threshold that is chosen from few dumps says so, to apply and to paste."""
    for step, norm in enumerate((3.0, 3.1, 3.2)):
        save(f"step_{step}.npz", w=[norm])
    few = "from 3 dumps only, which is few"
    assert few in run("apply", ".", "-t", "auto", "--dry-run").err
    assert few in run("stats", ".", "--paste", "torch").err


def test_one_dump_is_tried_on(save: Save, run: Run) -> None:
    """What a threshold would do is shown for one dump, too."""
    save("g.npz", w=[3.0, 4.0])
    told = run("stats", "g.npz", "--try", "clip-by-global-norm:1").out
    assert "what if" in told
    assert "0.2" in told[told.index("what if") :]


def test_where_nothing_is_advised_the_cure_fits(save: Save, run: Run) -> None:
    """One dump, or zeros only, are no fault of the file."""
    save("g.npz", w=[3.0, 4.0])
    result = run("apply", "g.npz", "-t", "auto", "--dry-run")
    assert result.code == 3
    assert result.err.rstrip().endswith("give a number instead of auto")
