"""Norms that grow slowly are found, of the dumps and of layers; a run that is healthy or explodes has none."""

from pathlib import Path

import numpy as np
from support.findings import Arrays, Seen, seen, series

from gradclip_cli import check
from unit.checks.made import Found, Silent, judging_tests, norms


def layers(steps: int, **grow: float) -> list[Arrays]:
    """Dumps of six layers with a noise of a twentieth; those of `grow` come to so many times their norm over all steps."""
    rng = np.random.default_rng(0)
    return [
        {
            f"{name}.w": np.array([grow.get(name, 1.0) ** (step / (steps - 1)) * np.exp(0.05 * rng.standard_normal())])
            for name in "abcdef"
        }
        for step in range(steps)
    ]


OTHERS = {"ignore": ["unchanged", "dominated"]}

FOUND: Found = {
    "two layers that drift": (
        layers(50, b=3.0, e=4.0),
        OTHERS,
        [Seen("growing", 7, "b", None), Seen("growing", 7, "e", None)],
    ),
    "the last ten steps": (
        norms(*(1 + 0.001 * k for k in range(40)), *(1.2**k for k in range(1, 11))),
        {"ignore": ["exploding"]},
        [Seen("growing", 40, None, None)],
    ),
    "a factor of 3": (
        layers(50, b=6.0),
        OTHERS | {"growing_factor": 3.0},
        [Seen("growing", 7, "b", None)],
    ),
    "all layers grow": (layers(40, **dict.fromkeys("abcdef", 4.0)), OTHERS, [Seen("growing", 5, None, None)]),
}

SILENT: Silent = {
    "steady": (layers(60), OTHERS),
    "grows too little": (layers(50, b=4.0), OTHERS | {"growing_factor": 5.0}),
    "nine dumps": (norms(*(1.3**k for k in range(9))), {"ignore": ["exploding"]}),
    "falls": (norms(*(1 + 8 * 0.9**k for k in range(60))), {}),
    "warms up": (norms(*(min(1.0, 0.3 + 0.1 * k) + 0.001 * (k % 7) for k in range(60))), {}),
    "rounding beside large layers": (
        norms(*(1e-9 * 1.05**k for k in range(60)), **{"big.w": 1.0}),
        {"ignore": ["dominated", "spread", "vanishing", "unchanged"]},
    ),
}

test_found, test_silent = judging_tests(FOUND, SILENT)


def test_a_finding_says_from_to_and_since_when(tmp_path: Path) -> None:
    """A layer that grows is told with its levels before and after, how many times that is, and in which dumps."""
    whole, one = check(series(tmp_path, layers(50, b=8.0)), ignore=["unchanged", "dominated"]).findings
    assert (whole.rule, whole.layer, whole.param) == ("growing", None, None)
    assert ", with 1 of 6 layers: what drifts up" in whole.message
    assert (one.rule, one.layer) == ("growing", "b")
    assert 6 < one.value < 8
    assert one.message.startswith("the norm of the layer grows from 1.")
    assert f"to {one.value:.4g}, " in one.message
    assert one.message.endswith("(in 44 of 50 dumps: step 7 to step 50)")
    assert one.limit < one.value / 2


def test_most_layers_are_told_with_the_dump(tmp_path: Path) -> None:
    """Where most layers grow with the dump they are counted, and only one that grows twice as much is a finding of its own."""
    grow = dict.fromkeys("abcde", 4.0) | {"f": 30.0}
    dumps = [
        {name: value * (0.2 if name == "f.w" else 1) for name, value in dump.items()} for dump in layers(40, **grow)
    ]
    found = check(series(tmp_path, dumps), ignore=["unchanged", "dominated"]).findings
    assert [(one.rule, one.layer) for one in found] == [("growing", None), ("growing", "f")]
    assert found[0].message.startswith("the norm of the dump grows from 2.")
    assert ", with 6 of 6 layers: what drifts up" in found[0].message


def test_a_layer_must_matter_to_grow(tmp_path: Path) -> None:
    """Of three layers that drift to ten times their norm, those that come to hold a tenth of the square are found."""
    grow = {"b": 10.0, "c": 10.0, "d": 10.0}
    size = {"b.w": 1.0, "c.w": 0.2, "d.w": 0.02}  # at the end 10, 2 and 0.2 beside 3 of 1: 93 %, 3.7 % and less
    dumps = [{name: value * size.get(name, 1.0) for name, value in dump.items()} for dump in layers(50, **grow)]
    found = check(series(tmp_path, dumps), ignore=["unchanged", "dominated"]).findings
    assert [one.layer for one in found] == [None, "b"]
    size["b.w"], size["c.w"] = 0.2, 0.15  # 2 and 1.5 beside 3 of 1: 43 % and 24 %
    dumps = [{name: value * size.get(name, 1.0) for name, value in dump.items()} for dump in layers(50, **grow)]
    assert {one.layer for one in check(series(tmp_path, dumps), ignore=["unchanged", "dominated"]).findings} >= {
        "b",
        "c",
    }


def test_layers_that_grow_are_counted_however_small(tmp_path: Path) -> None:
    """A dump whose 60 layers grow together is one finding: none of them holds more than an equal share, and all are counted."""
    rng = np.random.default_rng(0)
    dumps = [
        {f"l{k}.w": np.array([4 ** (step / 39) * np.exp(0.05 * rng.standard_normal())]) for k in range(60)}
        for step in range(40)
    ]
    [one] = check(series(tmp_path, dumps), ignore=["unchanged"]).findings
    assert (one.layer, ", with 60 of 60 layers" in one.message) == (None, True)


def test_few_dumps_may_be_judged(tmp_path: Path) -> None:
    """With fewer dumps than a level needs, nothing grows, whatever the limits."""
    assert seen(series(tmp_path, norms(1, 1.5, 2, 4)), growing_dumps=2, growing_factor=0) == []
