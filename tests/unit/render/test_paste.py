"""What is to be pasted is the framework's own clipping, with the threshold; what it has not is refused."""

import math

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.render.paste import pasted, usual_line
from gradclip_cli.strategies import STRATEGIES, Group, Strategy, find

GLOBAL = find("clip-by-global-norm")


@pytest.mark.parametrize(
    ("framework", "strategy", "expected"),
    [
        ("torch", "clip-by-global-norm", "torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=19.75)"),
        ("torch", "clip-by-value", "torch.nn.utils.clip_grad_value_(model.parameters(), clip_value=19.75)"),
        ("hf", "clip-by-global-norm", "max_grad_norm=19.75"),
        ("lightning", "clip-by-global-norm", 'gradient_clip_val=19.75, gradient_clip_algorithm="norm"'),
        ("lightning", "clip-by-value", 'gradient_clip_val=19.75, gradient_clip_algorithm="value"'),
        ("keras", "clip-by-global-norm", "global_clipnorm=19.75"),
        ("keras", "clip-by-norm", "clipnorm=19.75"),
        ("keras", "clip-by-value", "clipvalue=19.75"),
        ("optax", "clip-by-global-norm", "optax.clip_by_global_norm(19.75)"),
        ("optax", "clip-by-value", "optax.clip(19.75)"),
        ("deepspeed", "clip-by-global-norm", '"gradient_clipping": 19.75'),
    ],
)
def test_lines_to_paste(framework: str, strategy: str, expected: str) -> None:
    """Each framework has its own words, and the threshold has four digits."""
    assert pasted(framework, find(strategy), 19.753776875, 2.0) == expected


@pytest.mark.parametrize("strategy", ["clip-l2-per-layer", "clip-by-norm"])
def test_torch_clips_each_group_in_a_loop(strategy: str) -> None:
    """What PyTorch has no function for is a loop, which is valid Python."""
    code = pasted("torch", find(strategy), 0.5, 2.0)
    compile(code, "pasted", "exec")
    assert "max_norm=0.5)" in code
    assert code.startswith("for ")


def test_norm_types() -> None:
    """PyTorch takes the type of the norm; a framework that clips L2 norms only is no place for another."""
    assert pasted("torch", GLOBAL, 3.0, 1.0).endswith("max_norm=3, norm_type=1)")
    assert pasted("torch", GLOBAL, 3.0, math.inf).endswith('max_norm=3, norm_type=float("inf"))')
    with pytest.raises(UsageError, match="hf clips L2 norms only, not L1 norms; --paste torch"):
        pasted("hf", GLOBAL, 3.0, 1.0)


def test_what_a_framework_has_not_is_refused() -> None:
    """The error names what the framework clips, and which others have what was asked for."""
    with pytest.raises(UsageError, match="hf has no clip-l2-per-layer: it clips the global norm; --paste torch has it"):
        pasted("hf", find("clip-l2-per-layer"), 1.0, 2.0)
    with pytest.raises(UsageError, match=r"optax .* clips the global norm and values; --paste torch, keras have it"):
        pasted("optax", find("clip-by-norm"), 1.0, 2.0)


@pytest.mark.parametrize("strategy", [one for one in STRATEGIES if one.takes_threshold], ids=lambda one: one.name)
def test_torch_has_all(strategy: Strategy) -> None:
    """A screen shows PyTorch's line whatever the strategy is, or that of the framework that alone has it."""
    line = usual_line(strategy, 0.5, 2.0)
    if strategy.group is Group.UNIT or strategy.of_mean:
        assert line == {"agc": "optax.adaptive_grad_clip(0.5)", "rms": "optax.clip_by_block_rms(0.5)"}.get(
            "agc" if strategy.takes_weights else "rms" if strategy.of_mean else ""
        )
    else:
        assert line == pasted("torch", strategy, 0.5, 2.0)


def test_least_norm_of_weights() -> None:
    """optax's limit has a floor of its own, 1e-3 as here: another one is named, 0 too, and other strategies have none."""
    found = {least: pasted("optax", find("agc"), 0.14, 2.0, least) for least in (0.001, 0.1, 0.0)}
    assert found == {
        0.001: "optax.adaptive_grad_clip(0.14)",
        0.1: "optax.adaptive_grad_clip(0.14, eps=0.1)",
        0.0: "optax.adaptive_grad_clip(0.14, eps=0)",
    }
    assert usual_line(find("agc"), 0.14, 2.0, 0.1) == found[0.1]
    assert usual_line(find("clip-by-block-rms"), 0.14, 2.0, 0.1) == "optax.clip_by_block_rms(0.14)"
