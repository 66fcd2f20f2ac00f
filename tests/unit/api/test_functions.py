"""The functions for Python do what the command line does, and return reports."""

import inspect
import math
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.official import savez

import gradclip_cli
from gradclip_cli import GradclipError, UsageError, apply, pipeline, stats
from gradclip_cli.checks.limits import Limits
from gradclip_cli.commands.plans import CheckPlan
from gradclip_cli.strategies import find
from gradclip_cli.thresholds.rules import RULES

ARRAYS: dict[str, NDArray[Any]] = {
    "a.w": np.array([[3, 4]], np.float32),
    "a.b": np.array([12], np.float32),
    "b.w": np.array([0.5, -0.25], np.float64),
    "ids": np.array([1, 2], np.int64),
}


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """A small dump: layer a has norm 13, layer b a norm below 1."""
    savez(tmp_path / "step3.npz", **ARRAYS)
    return tmp_path / "step3.npz"


def load(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an archive."""
    with np.load(path) as found:
        return {name: found[name] for name in found.files}


def test_applying_writes_and_reports(dump: Path, tmp_path: Path) -> None:
    """The output holds the clipped gradients, and the report what was measured before and after."""
    report = apply(dump, tmp_path / "out.npz", strategy="ClipL2PerLayer", threshold=1.0)
    found = load(tmp_path / "out.npz")
    for name, array in ARRAYS.items():
        expected = (array.astype(np.float64) / 13).astype(array.dtype) if name[0] == "a" else array
        np.testing.assert_allclose(found[name], expected, rtol=1.2e-7 if name[0] == "a" else 0)
    assert [(row.layer, row.norm_before, row.clipped, row.params) for row in report.dumps[0].layers] == [
        ("a", 13, True, 2),
        ("b", math.hypot(0.5, 0.25), False, 1),
    ]
    assert next(row.norm_after for row in report.dumps[0].layers) == pytest.approx(1, rel=1e-7)
    assert (report.dumps[0].step, report.dumps[0].output) == (3, str(tmp_path / "out.npz"))


def test_totals_and_what_does_not_count(dump: Path) -> None:
    """Totals are over what counts; tensors that are no gradients stand among the params without figures."""
    (found,) = apply(dump, strategy="clip-by-global-norm", threshold=1, dry_run=True).dumps
    norm = math.sqrt(169 + 0.25 + 0.0625)
    assert (found.total.tensors, found.total.elements, found.total.groups, found.total.clipped_groups) == (3, 5, 1, 1)
    assert found.total.norm_before == pytest.approx(norm, rel=1e-15)
    assert {row.factor for row in found.params} == {1 / norm, None}
    assert [(row.name, row.norm_before, row.clipped) for row in found.params if row.factor is None] == [
        ("ids", None, False)
    ]


def test_a_dry_run_writes_nothing(dump: Path) -> None:
    """Without writing, the figures are those of a real run, and no file appears."""
    dry = apply(dump, strategy="clip-l2-per-layer", threshold=1, dry_run=True)
    assert os.listdir(dump.parent) == [dump.name]
    wet = apply(dump, strategy="clip-l2-per-layer", threshold=1, in_place=True)
    assert (dry.dumps[0].layers, dry.dumps[0].params) == (wet.dumps[0].layers, wet.dumps[0].params)


def test_in_place_replaces_the_input(dump: Path) -> None:
    """In place the input itself is replaced, without being asked to overwrite."""
    apply(dump, strategy="none", in_place=True)
    assert {name: array.tobytes() for name, array in load(dump).items()} == {
        name: a.tobytes() for name, a in ARRAYS.items()
    }


def test_elementwise_counts_elements(dump: Path) -> None:
    """Element by element, groups and factors are None, and elements above the threshold are counted."""
    (found,) = apply(dump, strategy="clip-by-value", threshold=3.5, dry_run=True).dumps
    assert (found.total.groups, found.total.clipped_groups, found.total.clipped_elements) == (None, None, 2)
    assert {row.name: row.clipped_elements for row in found.params} == {"a.w": 1, "a.b": 1, "b.w": 0, "ids": 0}
    assert found.total.max_abs_after == 3.5


def test_layers_have_their_own_strategy(dump: Path) -> None:
    """Overrides give strategy and threshold, either of which may be None."""
    (found,) = apply(
        dump,
        strategy="clip-l2-per-layer",
        threshold=1,
        layers={"b": ("renormalize-l2-per-layer", None), "a": (None, 6.5)},
        dry_run=True,
    ).dumps
    assert [(row.strategy, row.threshold, row.factor) for row in found.layers] == [
        ("clip-l2-per-layer", 6.5, 0.5),
        ("renormalize-l2-per-layer", None, 1 / math.hypot(0.5, 0.25)),
    ]


def test_a_threshold_may_be_a_rule(dump: Path) -> None:
    """A text is a rule, or a number as it is typed on the command line; the report has the number."""
    mean = (13 + math.hypot(0.5, 0.25)) / 2
    assert apply(dump, strategy="clip-l2-per-layer", threshold="mean", dry_run=True).threshold == pytest.approx(
        mean, rel=1e-15
    )
    assert apply(dump, strategy="clip-l2-per-layer", threshold="2.5", dry_run=True).threshold == 2.5


def test_several_dumps_go_into_a_directory(dump: Path, tmp_path: Path) -> None:
    """Several inputs keep their names in a directory that is made, in the order of their steps."""
    savez(tmp_path / "step1.npz", **ARRAYS)
    report = apply([dump, tmp_path / "step1.npz"], tmp_path / "new", strategy="none")
    assert [found.step for found in report.dumps] == [1, 3]
    assert sorted(os.listdir(tmp_path / "new")) == ["step1.npz", "step3.npz"]


def test_a_directory_is_a_series(dump: Path, tmp_path: Path) -> None:
    """A directory stands for its dumps, and statistics are over all of them."""
    savez(tmp_path / "step10.npz", **{name: array * 2 for name, array in ARRAYS.items()})
    report = stats(tmp_path, strategy="clip-l2-per-layer")
    assert [found.step for found in report.dumps] == [3, 10]
    assert report.layers[0].summary.mean == 19.5
    assert len(report.suggestions) == 1


@pytest.mark.parametrize("target", ["out.safetensors", "out.h5"])
def test_the_suffix_of_the_output_says_its_format(dump: Path, tmp_path: Path, target: str) -> None:
    """What is written has the format of its suffix, and the same norms."""
    apply(dump, tmp_path / target, strategy="none")
    first, second = stats(dump), stats(tmp_path / target)
    assert first.total == second.total
    assert first.layers == second.layers


def test_what_is_left_out_counts_in_no_norm(dump: Path, tmp_path: Path) -> None:
    """Excluded tensors are written unchanged and are in no norm."""
    (found,) = apply(dump, tmp_path / "out.npz", strategy="clip-l2-per-layer", threshold=1, exclude=["a.b"]).dumps
    assert next((row.layer, row.norm_before) for row in found.layers) == ("a", 5)
    assert load(tmp_path / "out.npz")["a.b"].tolist() == [12]


@pytest.mark.parametrize("policy", ["error", "zero", "skip", "propagate"])
def test_policies(tmp_path: Path, policy: str) -> None:
    """NaN is refused by default, becomes 0, is left with its group, or makes the whole group NaN, zeros too."""
    savez(tmp_path / "a.npz", **{"a.w": np.array([3, np.nan, 4]), "a.b": np.zeros(2), "c.w": np.array([2.0])})

    def run() -> dict[str, list[float]]:
        apply(tmp_path / "a.npz", tmp_path / "b.npz", strategy="clip-l2-per-layer", threshold=1, nonfinite=policy)
        return {name: array.tolist() for name, array in load(tmp_path / "b.npz").items()}

    if policy == "error":
        with pytest.raises(GradclipError, match=r"a\.w \(1 NaN\)"):
            run()
        assert not (tmp_path / "b.npz").exists()
        return
    a, b = {
        "zero": ([3 * (1 / 5), 0, 4 * (1 / 5)], [0, 0]),
        "skip": ([3, math.nan, 4], [0, 0]),
        "propagate": ([math.nan] * 3, [math.nan] * 2),
    }[policy]
    found = run()
    np.testing.assert_array_equal(found["a.w"], a)
    np.testing.assert_array_equal(found["a.b"], b)
    assert found["c.w"] == [1.0]


def test_refused_tensors_are_named_with_their_counts(tmp_path: Path) -> None:
    """Up to eight tensors that are not finite are named with what they hold, the others are counted."""
    broken = np.array([np.nan, np.inf, np.inf, -np.inf, 1])
    savez(tmp_path / "a.npz", **{f"t{k}": broken for k in range(10)})
    with pytest.raises(GradclipError) as caught:
        apply(tmp_path / "a.npz", strategy="none", dry_run=True)
    assert caught.value.exit_code == 4
    assert caught.value.message.count("(1 NaN, 2 +Inf, 1 -Inf)") == 8
    assert "and 2 more" in caught.value.message


def test_complex_tensors_count_unless_left_out(tmp_path: Path) -> None:
    """A complex tensor counts by its moduli; left out, it is written unchanged."""
    np.savez(tmp_path / "a.npz", z=np.array([3 + 4j]), w=np.array([2.0]))
    report = apply(tmp_path / "a.npz", strategy="clip-by-norm", threshold=1, dry_run=True)
    assert {row.name: row.norm_before for row in report.dumps[0].params} == {"z": 5.0, "w": 2.0}
    apply(tmp_path / "a.npz", tmp_path / "b.npz", strategy="clip-by-norm", threshold=1, exclude=["z"])
    assert {name: array.tolist() for name, array in load(tmp_path / "b.npz").items()} == {"z": [3 + 4j], "w": [1.0]}


@pytest.mark.parametrize("arrays", [{}, {"ids": np.arange(3)}], ids=["empty", "integers"])
def test_a_dump_without_gradients_is_valid(tmp_path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Where no tensor is a gradient, the norm is 0 and nothing is wrong."""
    savez(tmp_path / "a.npz", **arrays)
    (found,) = apply(tmp_path / "a.npz", tmp_path / "b.npz", strategy="clip-by-global-norm", threshold=1).dumps
    assert (found.total.tensors, found.total.norm_before, found.total.norm_after) == (0, 0, 0)
    assert [row.norm_before for row in found.params] == [None] * len(arrays)


def test_underflow_to_zero_is_counted(tmp_path: Path) -> None:
    """Elements that the factor makes zero are counted and noted."""
    np.savez(tmp_path / "a.npz", w=np.array([1e-45, 1.0, 0.0], np.float32))
    report = apply(tmp_path / "a.npz", strategy="clip-l2-per-layer", threshold=1e-3, dry_run=True)
    assert report.dumps[0].params[0].underflowed == 1
    assert any("1 element rounded to zero" in note.text for note in report.notes)


@pytest.mark.parametrize(
    "wrong",
    [
        {"strategy": "nonsense"},
        {"strategy": "clip-l2-per-layer"},
        {"strategy": "clip-l2-per-layer", "threshold": 0},
        {"strategy": "clip-l2-per-layer", "threshold": "nan"},
        {"strategy": "none", "nonfinite": "ignore"},
        {"strategy": "none", "group_depth": 0},
        {"strategy": "none", "layers": {"zzz": ("clip-l2-per-layer", 1)}},
        {"strategy": "none", "include": ["zzz"]},
        {"strategy": "none", "input_format": "nonsense"},
        {"strategy": "none", "output_format": "nonsense"},
        {"strategy": "none", "output_format": "base"},
        {"strategy": "none", "void_dtype": "float16"},
        {"strategy": "none", "jobs": 0},
    ],
    ids=",".join,
)
def test_wrong_usage_is_an_error_of_ours(dump: Path, tmp_path: Path, wrong: dict[str, Any]) -> None:
    """Whatever cannot be asked for raises the one root of all our errors, with the exit code of wrong usage."""
    with pytest.raises(GradclipError) as caught:
        apply(dump, tmp_path / "out.npz", **wrong)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "out.npz").exists()


def test_jobs_change_no_figure(dump: Path) -> None:
    """The number of threads changes nothing."""
    assert stats(dump, jobs=1) == stats(dump, jobs=4)


def test_nothing_is_printed(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The functions print nothing."""
    apply(dump, strategy="none", dry_run=True)
    stats(dump)
    assert capsys.readouterr() == ("", "")


def test_a_name_that_is_not_there() -> None:
    """The package has the names that it exports and no others."""
    with pytest.raises(AttributeError, match="nonsense"):
        _ = gradclip_cli.nonsense


def test_what_numpy_was_told_does_not_matter(dump: Path, tmp_path: Path) -> None:
    """A caller that has numpy raise at every underflow gets the same results."""
    savez(
        tmp_path / "small.npz",
        **{"a.w": np.array([1e-40, 1, 3], np.float32), "b.w": np.array([6e-8, 1, 3], np.float16)},
    )
    expected = apply(tmp_path / "small.npz", dry_run=True, strategy="clip-by-global-norm", threshold=0.1)
    with np.errstate(all="raise"):
        assert apply(tmp_path / "small.npz", dry_run=True, strategy="clip-by-global-norm", threshold=0.1) == expected
        assert stats(tmp_path / "small.npz").dumps[0].norm == expected.dumps[0].total.norm_before
        assert gradclip_cli.diff(dump, dump).equal
        assert gradclip_cli.check(dump).findings == []


def test_calls_in_several_threads(dump: Path, tmp_path: Path) -> None:
    """Calls with outputs of their own do not disturb each other."""
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(30):
                apply(
                    dump, tmp_path / f"{number}.npz", strategy="ClipL2PerLayer", threshold=1.0, overwrite=True, jobs=1
                )
        except BaseException as error:  # noqa: BLE001 (the test says what a thread raised)
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


FUNCTIONS: dict[str, dict[str, Any]] = {
    "apply": {"inputs": "step3.npz", "output": "out.npz", "strategy": "clip-by-norm", "threshold": 1},
    "stats": {"inputs": "step3.npz"},
    "check": {"inputs": "step3.npz"},
    "diff": {"a": "step3.npz", "b": "step3.npz"},
    "ls": {"inputs": "step3.npz"},
    "report": {"inputs": "step3.npz"},
}
"""The functions, and what they need."""

KEYWORDS = [
    (name, keyword) for name in FUNCTIONS for keyword in inspect.signature(getattr(gradclip_cli, name)).parameters
]
NO_TYPES: list[Any] = [object(), b"x", 1j, [object()], {b"x": 1}, (b"x", None)]
ODD_TEXTS = ["", "\0", "\udcff", "-1", "(", "9" * 5000, "a\nb" * 2000]


@pytest.mark.parametrize(("function", "keyword"), KEYWORDS)
def test_a_wrong_type_is_wrong_usage(function: str, keyword: str, dump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is given for whichever argument, a type that it cannot have is an error of ours that names it."""
    monkeypatch.chdir(dump.parent)
    for value in NO_TYPES:
        with pytest.raises(UsageError, match=f"^{keyword} must be "):
            getattr(gradclip_cli, function)(**{**FUNCTIONS[function], keyword: value})


@pytest.mark.parametrize(
    ("function", "keyword"),
    [pair for pair in KEYWORDS if pair[1] not in ("progress", "jobs", "output") or pair == ("apply", "output")],
)
def test_an_odd_text_brings_no_traceback(
    function: str, keyword: str, dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text that is no path, no pattern and no name is refused by an error of ours, or does what it says."""
    monkeypatch.chdir(dump.parent)
    for value in ODD_TEXTS:
        with suppress(GradclipError):
            getattr(gradclip_cli, function)(**{**FUNCTIONS[function], keyword: value})
        with suppress(GradclipError):
            getattr(gradclip_cli, function)(**{**FUNCTIONS[function], keyword: [value]})


def test_values_that_are_parsed_already(dump: Path) -> None:
    """Strategies, rules and overrides may be given as the values that their names stand for."""
    named = apply(dump, strategy="clip-l2-per-layer", threshold="mean", layers={"b": ("none", None)}, dry_run=True)
    layers = [gradclip_cli.Override.parse("b=none")]
    parsed = apply(dump, strategy=find("clip-l2-per-layer"), threshold=RULES[0], layers=layers, dry_run=True)
    assert parsed == named


@pytest.mark.parametrize("name", [one.name for one in fields(Limits)])
def test_every_limit_reaches_the_rules(name: str, dump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each limit is a keyword, and what is given for it is what the rules see."""
    seen: list[CheckPlan] = []
    monkeypatch.setattr(pipeline, "check", lambda plan, *_: seen.append(plan))
    value: Any = ("float16",) if name == "underflow_dtype" else 3 if name.endswith("dumps") else 0.25
    check: Any = gradclip_cli.check
    check(dump, **{name: value})
    assert seen[0].limits == replace(Limits(), **{name: value})


def test_progress_is_told_of_dumps_and_bytes(dump: Path) -> None:
    """The progress learns which dumps there are, how often they are read, and of every byte of each time."""
    told: list[tuple[Any, ...]] = []

    class Progress:
        def start(self, dumps: int, files: Iterable[str], passes: int) -> None:
            told.append((dumps, list(files), passes))

        def advance(self, count: int, path: str) -> None:
            told.append((count, path))

    stats(dump, progress=Progress())
    assert told[0] == (1, [str(dump)], 1)
    assert sum(count for count, path in told[1:] if path == str(dump)) >= sum(
        array.nbytes for name, array in ARRAYS.items() if name != "ids"
    )


def test_paths_may_come_from_a_glob(dump: Path) -> None:
    """Whatever yields paths does as inputs."""
    assert stats(dump.parent.glob("*.npz")) == stats([dump])


def test_the_tensors_of_a_dump_are_listed(dump: Path) -> None:
    """`ls` returns the report of the command."""
    found = gradclip_cli.ls(dump, include=["a.*"])
    assert [(row.name, row.layer, row.param, row.shape) for row in found.tensors] == [
        ("a.w", "a", "w", (1, 2)),
        ("a.b", "a", "b", (1,)),
    ]


@pytest.mark.parametrize("name", gradclip_cli.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """What is exported can be imported, and reports and their rows are types."""
    value = getattr(gradclip_cli, name)
    assert isinstance(value, type) or callable(value) or name == "__version__"


def test_what_is_public_is_listed() -> None:
    """Completion by `dir` finds the functions and types, also before they are imported."""
    assert dir(gradclip_cli) == sorted(gradclip_cli.__all__)
