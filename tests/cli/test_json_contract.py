"""The JSON of every command: its keys in order, and strict numbers."""

import json
import math
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from support.command import Run, Save

import gradclip_cli
from gradclip_cli.strategies import STRATEGIES, Group

Tree = dict[str, Any]

SUMMARY = ["count", "nonfinite", "mean", "std", "median", "mad", "min", "max", "p90", "p95", "p99"]
NORMS = ["norm_before", "norm_after"]
PEAKS = ["max_abs_before", "max_abs_after"]
BESIDE = ["weight_norm", "ratio", "update_ratio"]
PLACE = ["name", "layer", "param", "shape", "dtype"]
RULE = ["strategy", "threshold"]
WORST = ["worst_norm_a", "worst_norm_b", "worst_ratio", "worst_cosine", "worst_rel_diff"]
COMPARED = ["norm_a", "norm_b", "norm_ratio", "cosine", "rel_diff"]

KEYS: dict[str, dict[str, list[str]]] = {
    "apply": {
        "": [
            *["schema", "version", "strategy", "threshold", "norm_type", "epsilon", "nonfinite", "dumps", "notes"],
            *[
                "clipped_dumps",
                "clipped_steps",
                "mean_factor",
                "output_dtype",
                "rule",
                "skipped_dumps",
                "skipped_steps",
            ],
        ],
        "dumps": ["input", "output", "step", "total", "layers", "params", "blocks"],
        "dumps.total": [
            *["tensors", "elements", *NORMS, *PEAKS, "groups", "clipped_groups", "clipped_elements"],
            *["mean_factor", "underflowed", "overflowed", "replaced", "finite_norm_before", "skipped_groups"],
        ],
        "dumps.layers": ["layer", "params", "elements", *NORMS, "factor", "clipped", *RULE],
        "dumps.blocks": ["block", "params", "elements", *NORMS, "share", "factor", "clipped"],
        "dumps.params": [
            *[*PLACE, "elements", *NORMS, *PEAKS, "factor", "clipped", "clipped_elements"],
            *["zeros", "nonfinite", "underflowed", *RULE, "overflowed", "replaced"],
            *["units", "clipped_units", "min_factor"],
        ],
    },
    "stats": {
        "": [
            *["schema", "version", "norm_type", "dumps", "total", "blocks", "layers", "params"],
            *["suggestions", "candidates", "notes", "own", "advice", "nonfinite", "exploding", "first", "growing"],
            *["vanishing", "peak", "trend", "size", "series", "shares"],
        ],
        "dumps": ["input", "step", "norm", "max_abs", "nonfinite", *BESIDE],
        "total": SUMMARY,
        "blocks": ["block", "tensors", *SUMMARY, *BESIDE],
        "layers": ["layer", *SUMMARY, *BESIDE],
        "params": [*PLACE, *SUMMARY, *BESIDE],
        "suggestions": [
            "strategy",
            "rule",
            "samples",
            "threshold",
            "clip_rate",
            "mean_factor",
            "band",
            "note",
            "steps",
            "skip_rate",
            "skipped_steps",
        ],
        "candidates": ["strategy", "rule", "threshold", "clip_rate", "mean_factor", "steps"],
        "advice": ["strategy", "rule", "threshold", "clip_rate", "mean_factor", "steps", "reason"],
        "shares": ["block", "norm", "share", "rms", "max_abs", "zeros", "elements"],
    },
    "diff": {
        "": ["schema", "version", "equal", "params", "notes", "blocks"],
        "params": [
            *["name", "status", *COMPARED[:-1], "max_abs_diff", "max_rel_diff", "rel_diff", "first_step"],
        ],
        "blocks": ["block", "tensors", "differing", *COMPARED, "first_step", "worst_step", *WORST],
    },
    "check": {
        "": ["schema", "version", "findings", "dumps", "notes", "first"],
        "findings": [
            *("rule", "input", "step", "layer", "param", "value", "limit", "message"),
            *("block", "dumps", "steps", "worst", "index", "slice"),
        ],
    },
    "ls": {
        "": ["schema", "version", "tensors", "notes", "dumps"],
        "tensors": ["input", *PLACE, "bytes"],
        "dumps": [
            *["input", "step", "steps", "format", "layout", "files", "tensors", "values", "bytes", "dtypes"],
        ],
    },
    "strategies": {
        "": ["schema", "version", "strategies"],
        "strategies": ["name", "aliases", "group", "rule", "threshold", "source"],
    },
}
ARGV = {
    "apply": ["apply", "g.safetensors", "--dry-run", "-s", "clip-l2-per-layer", "-t", "1"],
    "stats": ["stats", "g.safetensors"],
    "diff": ["diff", "g.safetensors", "g.safetensors"],
    "check": ["check", "g.safetensors", "--dominated-share", "0.5"],
    "ls": ["ls", "g.safetensors"],
    "strategies": ["strategies"],
}


def refuse(text: str) -> NoReturn:
    """Refuse NaN and Infinity, which are no JSON."""
    raise ValueError(f"{text} is not JSON")


def parse(text: str) -> Tree:
    """Parse strict JSON."""
    tree: Tree = json.loads(text, parse_constant=refuse)
    return tree


def at(tree: Any, path: str) -> list[Tree]:
    """Return all tables at a path of keys."""
    tables = [tree]
    for key in filter(None, path.split(".")):
        tables = [row for table in tables for row in (table[key] if isinstance(table[key], list) else [table[key]])]
    return tables


@pytest.mark.parametrize("command", KEYS)
def test_keys(command: str, network: Path, run: Run) -> None:
    """Every table of a command's JSON has exactly the keys of the contract, in its order."""
    result = run(*ARGV[command], "-f", "json")
    tree = parse(result.out)
    assert tree["schema"] == f"gradclip.{command}/1"
    assert tree["version"] == gradclip_cli.__version__
    for path, keys in KEYS[command].items():
        tables = at(tree, path)
        assert tables
        assert all(list(table) == keys for table in tables)


def test_apply_values(network: Path, run: Run) -> None:
    """`apply` reports norms, factors and counts; tensors that are not gradients have null figures and stand in no total."""
    tree = parse(run("apply", network, "-o", "out.npz", "-s", "ClipL2PerLayer", "-t", "1", "-f", "json").out)
    head = {key: tree[key] for key in KEYS["apply"][""][2:7]}
    assert head == {
        "strategy": "clip-l2-per-layer",
        "threshold": 1.0,
        "norm_type": 2.0,
        "epsilon": 0.0,
        "nonfinite": "error",
    }
    [dump] = tree["dumps"]
    assert (dump["input"], dump["output"], dump["step"]) == ("g.safetensors", "out.npz", None)
    total = dump["total"]
    assert [total[key] for key in ("tensors", "elements", "groups", "clipped_groups", "clipped_elements")] == [
        3,
        8,
        2,
        1,
        6,
    ]
    layers = {row["layer"]: row for row in dump["layers"]}
    assert list(layers) == ["head", "lstm"]
    assert layers["lstm"]["factor"] == pytest.approx(1 / 13, rel=1e-12)
    assert (layers["head"]["factor"], layers["head"]["clipped"], layers["lstm"]["params"]) == (1.0, False, 2)
    params = {row["name"]: row for row in dump["params"]}
    assert (params["lstm.weight"]["norm_before"], params["lstm.weight"]["zeros"]) == (5.0, 2)
    assert params["lstm.weight"]["shape"] == [2, 2]
    counter = params["step.count"]
    assert (counter["dtype"], counter["clipped"]) == ("int64", False)
    assert [counter[key] for key in (*NORMS, *PEAKS, "factor")] == [None] * 5


def test_elementwise_values(network: Path, run: Run) -> None:
    """Element-wise, groups and factors are null, and `clipped_elements` counts |g| > c."""
    tree = parse(run("apply", network, "--dry-run", "-s", "clip-by-value", "-t", "3", "-f", "json").out)
    [dump] = tree["dumps"]
    assert [dump["total"][key] for key in KEYS["apply"]["dumps.total"][6:9]] == [None, None, 2]
    assert {row["factor"] for row in [*dump["layers"], *dump["params"]]} == {None}
    assert {row["name"]: row["clipped_elements"] for row in dump["params"] if row["norm_before"] is not None} == {
        "head.weight": 0,
        "lstm.bias": 1,
        "lstm.weight": 1,
    }


def test_layer_factor_is_shared_or_null(save: Save, run: Run) -> None:
    """A layer's factor is null unless all its params share it."""
    save(**{"a.w": [3.0, 4.0], "a.b": [0.1], "b.w": [3.0], "b.b": [3.0]})
    tree = parse(run("apply", "g.safetensors", "--dry-run", "-s", "clip-by-norm", "-t", "1", "-f", "json").out)
    [first, second] = tree["dumps"][0]["layers"]
    assert (first["factor"], first["clipped"]) == (None, True)
    assert second["factor"] == pytest.approx(1 / 3)


def test_what_is_not_finite_is_text(save: Save, run: Run) -> None:
    """NaN and infinities are the texts "nan", "inf" and "-inf"."""
    save(**{"a.w": [np.nan, 1.0], "b.w": [-np.inf, 1.0], "c.w": [2.0]})
    argv = [
        "apply",
        "g.safetensors",
        "--dry-run",
        "-s",
        "clip-by-norm",
        "-t",
        "inf",
        "--nonfinite",
        "skip",
        "-f",
        "json",
    ]
    tree = parse(run(*argv).out)
    assert tree["threshold"] == "inf"
    assert [row["norm_before"] for row in tree["dumps"][0]["layers"]] == ["nan", "inf", 2.0]
    stats = parse(run("stats", "g.safetensors", "-f", "json").out)
    assert (stats["dumps"][0]["norm"], stats["dumps"][0]["nonfinite"]) == ("nan", 2)
    assert (stats["total"]["count"], stats["total"]["nonfinite"]) == (0, 1)


@pytest.mark.parametrize("number", [0.1, 1 / 3, 1e-300, 5e-324, 1.7976931348623157e308, 123456789.123456789])
def test_numbers_read_back(number: float, save: Save, run: Run) -> None:
    """Numbers are the shortest that read back as the same float64."""
    save(w=np.array([number]))
    text = run("stats", "g.safetensors", "-f", "json").out
    assert parse(text)["dumps"][0]["max_abs"] == number
    assert f": {number!r}" in text


def test_stats_values(save: Save, run: Run) -> None:
    """Summaries are over the norms of the dumps, in the order of their steps."""
    norms = [4.0, 1.0, 2.0, 10.0]
    paths = [save(f"step{k}.npz", w=np.array([norm])) for k, norm in zip((12, 3, 7, 100), norms, strict=True)]
    tree = parse(run("stats", *paths, "-f", "json").out)
    assert [(row["step"], row["norm"]) for row in tree["dumps"]] == [(3, 1.0), (7, 2.0), (12, 4.0), (100, 10.0)]
    wanted = {
        "count": 4,
        "nonfinite": 0,
        "mean": np.mean(norms),
        "std": np.std(norms),
        "median": 3.0,
        "mad": 1.5,
        "min": 1.0,
        "max": 10.0,
        "p90": np.percentile(norms, 90),
        "p95": np.percentile(norms, 95),
        "p99": np.percentile(norms, 99),
    }
    for summary in (tree["total"], *tree["layers"], *tree["params"]):
        assert {key: summary[key] for key in SUMMARY} == pytest.approx(wanted, rel=1e-12)
    wanted_suggestion = {"samples": 4, "threshold": 4.25, "clip_rate": 0.25, "mean_factor": (3 + 0.425) / 4}
    for row in tree["suggestions"]:
        assert {key: row[key] for key in wanted_suggestion} == pytest.approx(wanted_suggestion, rel=1e-12)
        assert row["band"] == pytest.approx([2.125, 42.5], rel=1e-12)


def test_one_suggestion_for_each_kind_of_group(network: Path, run: Run) -> None:
    """`stats` suggests a threshold for every strategy that compares norms of groups; -s limits that to one."""
    tree = parse(run("stats", network, "-f", "json").out)
    thresholds = {row["strategy"]: row["threshold"] for row in tree["suggestions"]}
    usual = [one for one in STRATEGIES if one.takes_threshold and not one.of_mean and one.group is not Group.UNIT]
    assert list(thresholds) == [strategy.name for strategy in usual]
    assert thresholds["clip-by-global-norm"] == pytest.approx(math.hypot(13, 0.5), rel=1e-7)
    assert thresholds["clip-l2-per-layer"] == pytest.approx((13 + 0.5) / 2, rel=1e-7)
    assert thresholds["clip-l2-per-param-type"] == pytest.approx((5 + 12 + 0.5) / 3, rel=1e-7)
    assert thresholds["clip-elementwise-absolute-value"] == pytest.approx((4 + 12 + 0.4) / 3, rel=1e-7)
    one = parse(run("stats", network, "-s", "ClipL2PerLayer", "-f", "json").out)
    assert [row["strategy"] for row in one["suggestions"]] == ["clip-l2-per-layer"]


def test_ls_values(network: Path, run: Run) -> None:
    """`ls` lists names, layers, shapes, dtypes and sizes as the header has them."""
    rows = {row["name"]: row for row in parse(run("ls", network, "-f", "json").out)["tensors"]}
    assert rows["lstm.weight"] == {
        "input": "g.safetensors",
        "name": "lstm.weight",
        "layer": "lstm",
        "param": "weight",
        "shape": [2, 2],
        "dtype": "float32",
        "bytes": 16,
    }
    assert (rows["step.count"]["dtype"], rows["step.count"]["bytes"]) == ("int64", 8)


def test_strategies_are_the_registry(run: Run) -> None:
    """`strategies` lists the registry, and the names that the contract promises are there."""
    rows = parse(run("strategies", "-f", "json").out)["strategies"]
    assert [row["name"] for row in rows] == [strategy.name for strategy in STRATEGIES]
    found = {row["name"]: (row["group"], row["threshold"], row["aliases"]) for row in rows}
    promised = {
        "none": ("-", False, ["None"]),
        "renormalize-l2-per-layer": ("layer", False, ["RenormalizeL2PerLayer"]),
        "renormalize-l2-per-param-type": ("tensor", False, ["RenormalizeL2PerParamType"]),
        "clip-elementwise-absolute-value": (
            "element",
            True,
            ["ClipElementWiseAbsoluteValue", "clip-by-value", "clip_grad_value_", "clipvalue", "clip_gradient"],
        ),
        "clip-l2-per-layer": ("layer", True, ["ClipL2PerLayer"]),
        "clip-l2-per-param-type": ("tensor", True, ["ClipL2PerParamType", "clip-by-norm", "clipnorm"]),
        "clip-by-global-norm": (
            "dump",
            True,
            [
                *["clip-global-norm", "clip_grad_norm_", "global_norm", "global_clipnorm"],
                *["max_grad_norm", "gradient_clip_val", "gradient_clipping", "clip_grad"],
            ],
        ),
    }
    assert {name: found[name] for name in promised} == promised


@pytest.mark.parametrize("rule", [[], ["--rule", "mean"]])
def test_print_threshold(rule: list[str], save: Save, run: Run) -> None:
    """--print-threshold prints the bare number and nothing else, fit for -t."""
    paths = [save(f"step{k}.npz", w=np.array([norm])) for k, norm in enumerate((1.0, 0.1, 0.3))]
    result = run("stats", *paths, "-s", "clip-by-norm", "--print-threshold", *rule)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"{float(result.out)!r}\n"
    assert float(result.out) == pytest.approx(1.4 / 3, rel=1e-15)
    used = run("apply", paths[0], "-o", "o.npz", "-s", "clip-by-norm", "-t", result.out.strip(), "-f", "json")
    assert parse(used.out)["threshold"] == float(result.out)


@pytest.mark.parametrize(("norms", "told"), [([1.0] * 9 + [200.0], "mad:5"), ([3.0] * 10, "already been clipped at 3")])
def test_print_threshold_warns_where_it_is_no_guide(norms: list[float], told: str, save: Save, run: Run) -> None:
    """One line on standard error says so where the advice is another; the number stands alone, and -q leaves the line out."""
    for k, norm in enumerate(norms):
        save(f"step{k}.npz", w=np.array([norm]))
    argv = ("stats", ".", "-s", "clip-by-global-norm", "--print-threshold")
    result = run(*argv)
    assert (result.code, float(result.out)) == (0, sum(norms) / 10)
    assert result.err.startswith("note: mean may be no guide here: ")
    assert told in result.err
    assert result.err.count("\n") == 1
    assert run(*argv, "-q").err == ""
    assert run(*argv, "-q").out == result.out


def test_print_threshold_prints_nothing_where_there_is_none(save: Save, run: Run) -> None:
    """Where no threshold can be chosen, --print-threshold prints nothing: exit 3."""
    save(w=[0.0])
    result = run("stats", "g.safetensors", "-s", "clip-by-norm", "--print-threshold")
    assert (result.code, result.out) == (3, "")


@pytest.mark.parametrize("command", ["apply", "stats"])
def test_threshold_of_one_sample_warns(command: str, save: Save, run: Run) -> None:
    """A rule over one sample warns that nothing will be clipped."""
    save(w=[3.0, 4.0])
    argv = {"apply": ["--dry-run", "-t", "mean"], "stats": ["--by", "total"]}[command]
    result = run(command, "g.safetensors", "-s", "clip-by-norm", *argv)
    assert result.code == 0
    assert "clipped" in (result.err if command == "apply" else result.out + result.err)


@pytest.mark.parametrize("rule", ["mean", "autoclip"])
def test_an_epsilon_clips_what_is_its_own_threshold(rule: str, save: Save, run: Run) -> None:
    """With --epsilon a norm that is its own threshold is clipped, and the warning does not say that it is not."""
    save(w=[3.0, 4.0])
    result = run(
        "apply", "g.safetensors", "--dry-run", "-s", "clip-by-norm", "-t", rule, "--epsilon", "5", "-f", "json"
    )
    [param] = json.loads(result.out)["dumps"][0]["params"]
    assert (param["clipped"], param["factor"]) == (True, 0.5)
    assert "only one norm" in result.err
    assert "nothing" not in result.err
    assert "clipped by --epsilon 5" in result.err


@pytest.mark.parametrize(
    "command", [["apply", "--dry-run", "-s", "none"], ["stats"], ["check"], ["ls"]], ids=lambda c: c[0]
)
def test_a_dump_without_tensors(command: list[str], save: Save, run: Run) -> None:
    """A dump of nothing is a report of nothing."""
    done = run(*command, save("empty.npz"), "-f", "json")
    note = "note: no gradient in 1 dump: nothing was checked\n" if command == ["check"] else ""
    assert (done.code, done.err) == (0, note)
    assert json.loads(done.out)["schema"] == f"gradclip.{command[0]}/1"
