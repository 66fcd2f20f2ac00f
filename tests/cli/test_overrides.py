"""--layer and --config: another strategy or threshold for some layers, from the command line or a file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from support.command import Run, Save

Clip = Callable[..., dict[str, tuple[str, float | None]]]


@pytest.fixture
def layers(save: Save, run: Run) -> Clip:
    """Write layers `a`, `b` and `a=b:c`; run `apply` and return strategy and threshold of each."""
    save(**{"a.w": [3.0, 4.0], "b.w": [6.0, 8.0], "a=b:c.w": [0.3, 0.4]})

    def clip(*argv: str) -> dict[str, tuple[str, float | None]]:
        result = run("apply", "g.safetensors", "-o", "out.safetensors", "--overwrite", "-f", "json", *argv)
        assert result.code == 0
        [dump] = json.loads(result.out)["dumps"]
        return {row["layer"]: (row["strategy"], row["threshold"]) for row in dump["layers"]}

    return clip


GLOBAL = ["-s", "clip-by-global-norm", "-t", "2"]
USUAL = ("clip-by-global-norm", 2.0)
NONE = ("none", None)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--layer", "b=none"], {"b": NONE}),
        (["--layer", "b=:5"], {"b": ("clip-by-global-norm", 5.0)}),
        (["--layer", "b=ClipL2PerLayer:0.25"], {"b": ("clip-l2-per-layer", 0.25)}),
        (["--layer", "b=clip-by-norm"], {"b": ("clip-l2-per-param-type", 2.0)}),
        (["--layer", "?=none"], {"a": NONE, "b": NONE}),
        (["--layer", "[!b]=none"], {"a": NONE}),
        (["--layer", "*=none", "--layer", "b=:5"], {"a": NONE, "a=b:c": NONE, "b": ("clip-by-global-norm", 5.0)}),
        (["--layer", "b=:5", "--layer", "*=none"], {"a": NONE, "a=b:c": NONE, "b": NONE}),
        (["--layer", "a=b:c=none"], {"a=b:c": NONE}),
        (["--layer", "a=b:c=clip-by-norm:0.1"], {"a=b:c": ("clip-l2-per-param-type", 0.1)}),
        (["--layer", "a=b:c=:7e-1"], {"a=b:c": ("clip-by-global-norm", 0.7)}),
        (["--layer", "b=renormalize-l2-per-layer"], {"b": ("renormalize-l2-per-layer", None)}),
        (["--layer", "b=:mean"], {"b": ("clip-by-global-norm", 10.0)}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_layer(argv: list[str], expected: dict[str, Any], layers: Clip) -> None:
    """PATTERN=STRATEGY:THRESHOLD is split at the last `=` and then the first `:`; parts fall back; the last match wins."""
    assert layers(*GLOBAL, *argv) == {"a": USUAL, "b": USUAL, "a=b:c": USUAL} | expected


def test_one_global_group_for_each_threshold(layers: Clip) -> None:
    """Layers under clip-by-global-norm share one norm for each distinct threshold."""
    layers("-s", "clip-by-global-norm", "-t", "1", "--layer", "b=:5")
    found = safetensors.numpy.load_file("out.safetensors")
    rest = np.hypot(5.0, 0.5)
    np.testing.assert_allclose(found["a.w"], np.array([3.0, 4.0]) / rest, rtol=1e-6)
    np.testing.assert_allclose(found["a=b:c.w"], np.array([0.3, 0.4]) / rest, rtol=1e-6)
    np.testing.assert_allclose(found["b.w"], [3.0, 4.0], rtol=1e-6)


def test_overridden_layers_leave_the_global_group(layers: Clip) -> None:
    """A layer of another strategy counts in no global norm, and is treated by its own rule."""
    layers("-s", "clip-by-global-norm", "-t", "1", "--layer", "b=clip-by-value:7", "--layer", "a=b:c=none")
    found = safetensors.numpy.load_file("out.safetensors")
    np.testing.assert_allclose(found["a.w"], [0.6, 0.8], rtol=1e-6)
    np.testing.assert_array_equal(found["b.w"], np.array([6.0, 7.0], np.float32))
    np.testing.assert_array_equal(found["a=b:c.w"], np.array([0.3, 0.4], np.float32))


def test_only_an_override_clips(layers: Clip) -> None:
    """With `none` for a strategy, -t is fine if a layer's own strategy uses it."""
    assert layers("-s", "none", "-t", "3", "--layer", "b=clip-by-norm") == {
        "a": NONE,
        "a=b:c": NONE,
        "b": ("clip-l2-per-param-type", 3.0),
    }


CONFIG = """
strategy = "clip-by-global-norm"
threshold = 2
norm_type = 1
nonfinite = "skip"
exclude = ["b.*"]

[[layer]]
pattern = "*"
strategy = "none"

[[layer]]
pattern = "a"
strategy = "ClipL2PerLayer"
threshold = 0.5
"""


@pytest.fixture
def config(layers: Clip) -> Path:
    """Write a file of options."""
    path = Path("options.toml")
    path.write_text(CONFIG, encoding="utf-8")
    return path


def applied(run: Run, *argv: str) -> dict[str, Any]:
    """Run `apply` and return its JSON."""
    result = run("apply", "g.safetensors", "--dry-run", "-f", "json", *argv)
    assert result.code == 0, result.err
    tree: dict[str, Any] = json.loads(result.out)
    return tree


def test_config_gives_every_option(config: Path, run: Run) -> None:
    """The keys of the file are the long option names with `_`, and [[layer]] tables are overrides in order."""
    tree = applied(run, "--config", str(config))
    head = [tree[key] for key in ("strategy", "threshold", "norm_type", "nonfinite")]
    assert head == ["clip-by-global-norm", 2.0, 1.0, "skip"]
    [dump] = tree["dumps"]
    assert {row["layer"]: (row["strategy"], row["threshold"]) for row in dump["layers"]} == {
        "a": ("clip-l2-per-layer", 0.5),
        "a=b:c": NONE,
    }


@pytest.mark.parametrize("first", [True, False])
def test_command_line_wins(first: bool, config: Path, run: Run) -> None:
    """What is given on the command line wins over the file, wherever --config stands."""
    own = ["-s", "clip-by-norm", "-t", "9", "--norm-type", "2", "--exclude", "nothing", "--layer", "b=:8"]
    file = ["--config", str(config)]
    tree = applied(run, *(file + own if first else own + file))
    assert [tree[key] for key in ("strategy", "threshold", "norm_type", "nonfinite")] == [
        "clip-l2-per-param-type",
        9.0,
        2.0,
        "skip",
    ]
    [dump] = tree["dumps"]
    assert {row["layer"]: row["threshold"] for row in dump["layers"]} == {"a": 9.0, "b": 8.0, "a=b:c": 9.0}


@pytest.mark.parametrize("value", ['"mean"', '"inf"', "inf", "4", "4.0", '"4"'])
def test_config_threshold(value: str, config: Path, run: Run) -> None:
    """A threshold in the file is a number or a text, and may be a rule."""
    config.write_text(f'strategy = "clip-by-global-norm"\nthreshold = {value}\n', encoding="utf-8")
    expected = {"mean": pytest.approx(np.hypot(np.hypot(5, 10), 0.5), rel=1e-6), "inf": "inf"}
    assert applied(run, "--config", str(config))["threshold"] == expected.get(value.strip('"'), 4.0)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("treshold = 1", "treshold"),
        ("norm-type = 1", "norm-type"),
        ("config = 'x.toml'", "config"),
        ("s = 'none'", "'s'"),
        ("overwrite = 'yes'", "overwrite"),
        ("exclude = 'w'", "exclude"),
        ("threshold = [1]", "threshold"),
        ("threshold = true", "threshold"),
        ("strategy = 'nosuch'", "nosuch"),
        ("layer = 'a=none'", "layer"),
        ("[[layer]]\nstrategy = 'none'", "pattern"),
        ("[[layer]]\npattern = 'a'", "strategy"),
        ("[[layer]]\npattern = 'a'\nthresh = 1", "thresh"),
        ("[[layer]]\npattern = 'a'\nstrategy = 'none'\nthreshold = 1", "threshold"),
        ("[[layer]]\npattern = 'a'\nthreshold = 0", "above 0"),
        ("[[layer]]\npattern = 'nosuch'\nstrategy = 'none'", "nosuch"),
    ],
)
def test_wrong_config(text: str, named: str, config: Path, run: Run) -> None:
    """A key that is not known, or a value that cannot be, is wrong usage, and the message names it."""
    usual = {"strategy": "'clip-by-norm'", "threshold": "1"}
    start = [f"{key} = {value}\n" for key, value in usual.items() if not text.startswith(key)]
    config.write_text("".join(start) + text, encoding="utf-8")
    result = run("apply", "g.safetensors", "--dry-run", "--config", config)
    assert (result.code, result.out) == (2, "")
    assert named in result.err.splitlines()[-1]
