"""An option is given with few patterns that match just the names that are meant."""

from fnmatch import fnmatchcase

import pytest

from gradclip_cli.inputs.patterns import matching, options_for

LAYERS = [f"layers.{k}.{name}" for k in range(4) for name in ("ln.weight", "ln.bias", "fc.weight")]
NORMS = [name for name in LAYERS if "ln" in name]


@pytest.mark.parametrize(
    ("names", "others", "option"),
    [
        (["norm.weight"], ["fc.weight"], "-r 'norm.weight'"),
        (["norm.weight", "norm.bias"], ["fc.bias"], "-r 'norm.weight' -r 'norm.bias'"),
        (NORMS, [name for name in LAYERS if name not in NORMS], "-r 'layers.*.ln.weight' -r 'layers.*.ln.bias'"),
        (["b0.ln.weight", "b1.ln.weight"], ["b2.ln.bias", "b0.fc.weight"], "-r '*ln.weight'"),
        (["a", "b"], [], "-r '*'"),
        (["layers.0.w", "layers.1.w"], ["layers.2.w"], "-r 'layers.0.w' -r 'layers.1.w'"),
        (["w[0]"], ["w0"], "-r 'w[[]0]'"),
        (["it's"], [], "-r 'it'\"'\"'s'"),
        ([f"w{k}" for k in range(12)], ["w99"], "-r 'w0' -r 'w1' -r 'w2' (and 9 more)"),
    ],
)
def test_the_fewest_patterns(names: list[str], others: list[str], option: str) -> None:
    """Numbers of layers become `*`, or the end of a name is taken, unless that would match another name."""
    assert options_for("-r", names, others) == option


@pytest.mark.parametrize("patterns", [["*.ln.*", "layers.0.fc*"], ["[l]*weight"], ["nothing"], []])
def test_what_patterns_match(patterns: list[str]) -> None:
    """Names match as they do for --include."""
    assert matching(LAYERS, patterns) == [n for n in LAYERS if any(fnmatchcase(n, pattern) for pattern in patterns)]
