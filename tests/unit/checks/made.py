"""Series of dumps for checks, and the tests that all checks share."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.findings import Arrays, Seen, seen, series
from support.matrices import crossed

SUFFIXES = (".safetensors", ".h5", ".npz")

Found = Mapping[str, tuple[Sequence[Arrays], dict[str, Any], list[Seen]]]
"""For each case, the dumps, the options, and what is found."""

Silent = Mapping[str, tuple[Sequence[Arrays], dict[str, Any]]]
"""For each case, the dumps and the options; nothing is found."""


def judging_tests(found: Found, silent: Silent) -> tuple[Callable[..., None], Callable[..., None]]:
    """Return the tests of what a check finds and of what it leaves alone, in every format."""

    @pytest.mark.parametrize(("case", "suffix"), crossed(found, SUFFIXES))
    def test_found(case: str, suffix: str, tmp_path: Path) -> None:
        """What is beyond a limit is found, once, at the first step and with the tensor's name; nothing else is."""
        dumps, options, expected = found[case]
        assert seen(series(tmp_path, dumps, suffix), **options) == expected

    @pytest.mark.parametrize(("case", "suffix"), crossed(silent, SUFFIXES))
    def test_silent(case: str, suffix: str, tmp_path: Path) -> None:
        """What is at a limit, and what only looks wrong, is not found."""
        dumps, options = silent[case]
        assert seen(series(tmp_path, dumps, suffix), **options) == []

    return test_found, test_silent


def norms(*values: float, **others: float) -> list[Arrays]:
    """Return dumps of a layer `fc` with these norms, beside others of the same norm throughout; no two dumps are alike."""
    signs = (1 - 2 * (k % 2) for k in range(len(values)))
    steps = zip(signs, values, strict=True)
    return [
        {"fc.w": [sign * float(value)], **{name: [sign * other] for name, other in others.items()}}
        for sign, value in steps
    ]


def steady(*values: float) -> list[Arrays]:
    """Return dumps of a layer `fc` with these values."""
    return [{"fc.w": [float(value)]} for value in values]
