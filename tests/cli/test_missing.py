"""Series of which dumps lack tensors: every command counts in each dump what it has, and all find the same numbers."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command import Run, Save
from support.matrices import crossed
from support.official import Array, load, save_as

STRATEGIES = ("clip-by-global-norm", "clip-l2-per-layer", "clip-by-norm", "clip-by-value")
RULES = ("mean", "median", "percentile:75", "mad:2", "zscore:1")
STEPS = 32
GONE = 7
"""A step that has nothing at all."""

Step = dict[str, Array]


def series() -> list[Step]:
    """Return steps with experts that are there in turn, a layer of two tensors of which one comes late, and one empty step."""
    rng = np.random.default_rng(5)
    sizes = {"attn.w": 40, "x.10.w": 30, "x.2.w": 30, "x.2.b": 7, "x.0.w": 300, "enc_w": 20, "enc_b": 5}
    steps = []
    for k in range(STEPS):
        absent = {"x.2.w" if k % 3 else "x.10.w", *(["x.0.w"] if k % 2 else []), *(["enc_b"] if k < 4 else [])}
        absent |= set(sizes) if k == GONE else {"x.2.b"} if k % 5 == 2 else set()
        scale = rng.lognormal(0, 0.5)
        steps.append(
            {
                name: (scale * rng.standard_normal(size)).astype(np.float32)
                for name, size in sizes.items()
                if name not in absent
            }
        )
    return steps


def layer_of(name: str) -> str:
    """Return the layer of a tensor in the series, in which there is `enc_b` beside `enc_w`."""
    return name.rpartition("." if "." in name else "_")[0]


def norm(arrays: list[Array]) -> float:
    """Return the L2 norm of several arrays together, added exactly."""
    return math.sqrt(math.fsum(value * value for array in arrays for value in array.astype(np.float64).tolist()))


def samples(strategy: str, step: Step) -> dict[str, float]:
    """Return what a strategy compares in one step, by group; what is not there has no sample."""
    if strategy == "clip-by-value":
        return {name: float(np.abs(array).max()) for name, array in step.items()}
    groups: dict[str, list[Array]] = {}
    for name, array in step.items():
        key = {"clip-by-global-norm": "", "clip-l2-per-layer": layer_of(name)}.get(strategy, name)
        groups.setdefault(key, []).append(array)
    return {key: norm(arrays) for key, arrays in groups.items()}


def chosen(rule: str, values: list[float]) -> float:
    """Return what a rule chooses, by numpy."""
    name, _, argument = rule.partition(":")
    median = float(np.median(values))
    return {
        "mean": lambda: float(np.mean(values)),
        "median": lambda: median,
        "percentile": lambda: float(np.percentile(values, float(argument))),
        "mad": lambda: median + float(argument) * 1.4826 * float(np.median(np.abs(np.array(values) - median))),
        "zscore": lambda: float(np.mean(values) + float(argument) * np.std(values)),
    }[name]()


@pytest.fixture
def steps(save: Save) -> list[Step]:
    """Write the steps to `run/`."""
    Path("run").mkdir()
    found = series()
    for k, step in enumerate(found):
        save_as(Path(f"run/step_{k:02}.safetensors"), {**step, "n": np.arange(2)})
    return found


def read(run: Run, *argv: str | Path) -> Any:
    """Return the report of a command as it is in JSON."""
    result = run(*argv, "-f", "json")
    assert result.code == 0, result.err
    return json.loads(result.out)


@pytest.mark.parametrize(("strategy", "rule"), crossed(STRATEGIES, RULES))
def test_the_same_number_everywhere(strategy: str, rule: str, steps: list[Step], run: Run) -> None:
    """What is printed, suggested and applied is one number to the bit: numpy's over what each dump has."""
    missing = ("run", "--allow-missing", "-s", strategy)
    printed = float(run("stats", *missing, "--rule", rule, "--print-threshold").out)
    [suggested] = read(run, "stats", *missing, "--rule", rule)["suggestions"]
    applied = read(run, "apply", *missing, "-t", rule, "--dry-run")
    assert printed == suggested["threshold"] == applied["threshold"]
    values = [value for step in steps for value in samples(strategy, step).values()]
    assert suggested["samples"] == len(values)
    assert printed == pytest.approx(chosen(rule, values), rel=1e-12)
    clipped = sum(value > printed for value in values)
    assert suggested["clip_rate"] == clipped / len(values)
    if strategy != "clip-by-value":
        assert sum(dump["total"]["clipped_groups"] for dump in applied["dumps"]) == clipped


@pytest.mark.parametrize("rule", ["autoclip:40", "zclip"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_threshold_at_each_step(strategy: str, rule: str, steps: list[Step], run: Run) -> None:
    """The history of a group covers the dumps that have it: what `stats` replays is what `apply` does, to the bit."""
    replayed = read(run, "stats", "run", "--allow-missing", "-s", strategy, "--rule", rule)
    applied = read(run, "apply", "run", "--allow-missing", "-s", strategy, "-t", rule, "--dry-run")
    rows = [dict(thresholds(strategy, dump)) for dump in applied["dumps"]]
    assert [set(row) for row in rows] == [set(samples(strategy, step)) for step in steps]
    if strategy == STRATEGIES[0]:
        assert [{"": row["threshold"]} for row in replayed["replay"] if row["step"] != GONE] == [
            row for row in rows if row
        ]
        assert replayed["suggestions"][0]["threshold"] == rows[-1][""]
    last = {name: threshold for row in rows for name, threshold in row.items()}
    for row in replayed["replay_groups"]:
        name = row["name"] or row["layer"]
        assert (row["threshold"], row["samples"]) == (last[name], sum(name in one for one in rows))
    if rule == "zclip":
        return
    history: dict[str, list[float]] = {}
    for row, step in zip(rows, steps, strict=True):
        for name, value in samples(strategy, step).items():
            history.setdefault(name, []).append(value)
            assert row[name] == pytest.approx(np.percentile(history[name], 40), rel=1e-12)


def thresholds(strategy: str, dump: Any) -> Iterator[tuple[str, float | str]]:
    """Yield the thresholds of the groups of a dump that was measured, by their names."""
    for row in dump["layers"] if strategy in STRATEGIES[:2] else dump["params"]:
        if row["threshold"] is not None:
            yield "" if strategy == STRATEGIES[0] else row.get("name", row["layer"]), row["threshold"]


def test_the_rest_is_as_if_what_is_left_out_was_not_there(steps: list[Step], run: Run) -> None:
    """Skipped steps and broken dumps add no tensor, no layer and no sample."""
    whole = read(run, "stats", *sorted(Path("run").iterdir())[9:], "--allow-missing", "--try", "clip-by-norm:mean")
    assert whole == read(run, "stats", "run", "--allow-missing", "--skip-steps", "9", "--try", "clip-by-norm:mean")
    for path in sorted(Path("run").iterdir())[:9]:
        path.write_bytes(path.read_bytes()[:-1])
    result = run("stats", "run", "--allow-missing", "--keep-going", "--try", "clip-by-norm:mean", "-f", "json")
    assert (result.code, json.loads(result.out)) == (3, whole)


def test_steps_in_one_file(steps: list[Step], run: Run) -> None:
    """A series in one file has the figures of the same series in many, for every command."""
    save_as(Path("all.h5"), {f"step_{k}/{name}": array for k, step in enumerate(steps) for name, array in step.items()})
    Path(f"run/step_{GONE:02}.safetensors").unlink()  # a file cannot hold a step without any tensor
    for argv in (
        ("stats", "--try", "clip-l2-per-layer:1"),
        ("stats", "--rule", "autoclip", "-s", "clip-by-norm"),
        ("check",),
    ):
        files, one = (read(run, *argv, path, "--allow-missing") for path in ("run", "all.h5"))
        for report in (files, one):
            report.pop("notes")
            for row in [*report.get("dumps", ()), *report.get("replay", ())] if argv[0] == "stats" else ():
                row.pop("input")
            for row in report.get("findings", ()):
                row.pop("input")
            for name in ("peak", "exploding", "first"):
                (report.get(name) or {}).pop("input", None)
        assert files == one


@pytest.mark.parametrize("text", [*(f"{strategy}:1.5" for strategy in STRATEGIES), "renormalize-l2-per-layer"])
def test_what_is_tried_is_what_is_done(text: str, steps: list[Step], run: Run) -> None:
    """Energy and cosine are those of the files that `apply` writes; a step lacks nothing that it does not have."""
    strategy, _, threshold = text.partition(":")
    given = ("-s", strategy, *(("-t", threshold) if threshold else ()))
    assert run("apply", "run", "--allow-missing", *given, "-o", "out", "-q").code == 0
    [row] = read(run, "stats", "run", "--allow-missing", "--try", text)["tries"]
    cosines, before, after = [], 0.0, 0.0
    for k, step in enumerate(steps):
        written = load(Path(f"out/step_{k:02}.safetensors"))
        assert written.keys() == {*step, "n"}
        a, b = (
            np.concatenate([np.zeros(0), *(tensors[name].astype(np.float64) for name in sorted(step))])
            for tensors in (step, written)
        )
        before, after = before + a @ a, after + b @ b
        cosines += [a @ b / math.sqrt(a @ a) / math.sqrt(b @ b)] if len(a) else []
    assert row["lost_energy"] == pytest.approx(1 - after / before, abs=1e-6)
    assert row["cosine"] == pytest.approx(np.mean(cosines), abs=1e-6)
    assert row["least_cosine"] == pytest.approx(min(cosines), abs=1e-6)
    assert row["note"] is None


def test_most_clipped_counts_the_steps_that_have_a_layer(save: Save, run: Run) -> None:
    """A layer that is clipped in each of its two steps is clipped in all of them."""
    for k in range(4):
        save(f"step_{k}.npz", **{"a.w": [1.0 + 2 * (k == 0)], **({"e.w": [5.0 + k]} if k > 1 else {})})
    [row] = read(run, "stats", ".", "--allow-missing", "--try", "clip-l2-per-layer:2")["tries"]
    assert (row["layers"], row["clip_rate"], row["note"]) == ({"e": 1.0, "a": 0.25}, 3 / 6, None)


def test_tables_for_machines(steps: list[Step], run: Run) -> None:
    """csv and ndjson have a row for each tensor, layer and step of the series, and counts of how often it was there."""
    result = run("stats", "run", "--allow-missing", "-f", "ndjson")
    rows = [json.loads(line) for line in result.out.splitlines()]
    for row in rows:
        name = row["name"] if row["scope"] == "param" else row["layer"]
        if row["scope"] in ("param", "layer"):
            key = "clip-by-norm" if row["scope"] == "param" else "clip-l2-per-layer"
            assert row["count"] == sum(name in samples(key, step) for step in steps), row
    names = [row["name"] for row in rows if row["scope"] == "param"]
    assert names == ["attn.w", "enc_w", "enc_b", "x.0.w", "x.2.b", "x.2.w", "x.10.w"]
    assert sum(row["scope"] == "step" for row in rows) == STEPS
    lines = run("stats", "run", "--allow-missing", "-f", "csv").out.splitlines()
    assert len(lines) == len(rows) + 1


def test_check_does_not_judge_what_is_absent(steps: list[Step], run: Run) -> None:
    """A tensor that is absent is neither dead nor unchanged nor vanishing, and nothing explodes where one comes back."""
    assert (
        read(run, "check", "run", "--allow-missing", "--dead-share", "0.01", "--spread-ratio", "1e9")["findings"] == []
    )


def test_findings_name_the_step_that_has_them(save: Save, run: Run) -> None:
    """What is wrong with a tensor is said of the steps that have it, whichever these are."""
    for k in range(1, 7):
        expert = {"e.w": [0.0 if k == 3 else math.nan if k == 5 else 1.0 + k]} if k % 2 else {}
        save(f"step_{k}.npz", **{"a.w": [1.5 * k, 2.0], **expert})
    result = run("check", ".", "--allow-missing", "-f", "json")
    found = json.loads(result.out)["findings"]
    assert result.code == 1
    assert [(row["rule"], row["step"], row["layer"]) for row in found] == [("nonfinite", 5, "e"), ("dead", 3, "e")]


def test_wrapped_steps_are_of_one_series(save: Save, run: Run) -> None:
    """Where a run was wrapped later, all commands take its tensors for the same, say so once, and write names as they were."""
    names = "enc.module.w", "dec.w"
    for k in range(1, 4):
        prefix = "" if k == 1 else "module." if k == 2 else "_orig_mod.module."
        save(f"step_{k}.safetensors", **{f"{prefix}{name}": np.array([3.0 * k, 4.0 * k]) for name in names})
    told = "step_2.safetensors: module.dec.w is taken for dec.w, since only wrappers of training tools differ"
    argv = ("apply", ".", "-o", "out", "-s", "clip-l2-per-layer", "-t", "median")
    results = [run(*one) for one in (("stats", ".", "-f", "json"), ("check", "."), argv)]
    assert [(one.code, one.err.count("note: "), told in one.err) for one in results] == [(0, 1, True)] * 3
    rows = json.loads(results[0].out)["params"]
    assert [(row["name"], row["layer"], row["count"], row["mean"]) for row in rows] == [
        ("dec.w", "dec", 3, 10.0),
        ("enc.module.w", "enc.module", 3, 10.0),
    ]
    written = load(Path("out/step_3.safetensors"))
    assert {name: array.tolist() for name, array in written.items()} == {
        f"_orig_mod.module.{name}": pytest.approx([6.0, 8.0]) for name in names
    }


def test_the_same_values_under_a_wrapper_are_unchanged(save: Save, run: Run) -> None:
    """`check` compares a tensor with the dump before under whatever wrappers."""
    for k, prefix in enumerate(("", "module.", "")):
        save(f"step_{k}.npz", **{f"{prefix}a.w": [1.0, 2.0], f"{prefix}b.w": [1.0 + k, 2.0]})
    found = json.loads(run("check", ".", "-f", "json").out)["findings"]
    assert [(row["rule"], row["step"], row["layer"]) for row in found] == [("unchanged", 0, "a")]


def test_overrides_hold_for_a_layer_under_wrappers(save: Save, run: Run) -> None:
    """A pattern is of the layer of the series, also where a regular expression would find another one under a wrapper."""
    for k, prefix in enumerate(("", "module.")):
        save(f"step_{k}.npz", **{f"{prefix}enc.w": [3.0, 4.0], f"{prefix}dec.w": [3.0, 4.0]})
    regex = ("--layer-regex", r"(?P<layer>[^.]+)\.(?P<param>.*)")
    argv = ("apply", ".", "--dry-run", "-s", "clip-l2-per-layer", "-t", "mean", "--layer", "enc=:1")
    for options in ((), regex):
        dumps = read(run, *argv, *options)["dumps"]
        assert [[(row["layer"], row["threshold"]) for row in dump["layers"]] for dump in dumps] == [
            [("dec", 5.0), ("enc", 1.0)]
        ] * 2


def test_diff_of_a_wrapped_run(save: Save, run: Run) -> None:
    """A compiled run is compared with an eager one by the names of the first, and what is only in one of them is listed."""
    arrays = {"enc.w": np.array([1.0, 2.0]), "dec.w": np.array([3.0])}
    save("a.npz", **arrays)
    save("b.npz", **{f"_orig_mod.{name}": array for name, array in arrays.items()})
    save("c.npz", **{"module.enc.w": np.array([1.0, 2.5]), "module.new.w": np.array([3.0, 4.0])})
    result = run("diff", "a.npz", "b.npz", "-f", "json")
    report = json.loads(result.out)
    assert (result.code, report["equal"], [row["name"] for row in report["params"]]) == (0, True, ["dec.w", "enc.w"])
    assert "b.npz: _orig_mod.enc.w is taken for enc.w" in result.err
    assert run("diff", "a.npz", "b.npz", "-f", "csv").out.count("same") == 2
    result = run("diff", "a.npz", "c.npz", "-f", "json")
    rows = [(row["name"], row["status"], row["norm_a"], row["norm_b"]) for row in json.loads(result.out)["params"]]
    assert result.code == 1
    assert rows == [
        ("dec.w", "only-a", 3.0, None),
        ("enc.w", "differs", math.sqrt(5), math.sqrt(7.25)),
        ("module.new.w", "only-b", None, 5.0),
    ]
    save("both.npz", **{"enc.w": [1.0, 2.0], "module.enc.w": [1.0, 2.0]})
    status = [row["status"] for row in json.loads(run("diff", "a.npz", "both.npz", "-f", "json").out)["params"]]
    assert status == ["only-a", "same", "only-b"]
