"""Machines may share work if they run the same versions, and find the same sums."""

import math

import pytest

from gradclip_cli.engine.executors import canary
from gradclip_cli.engine.executors.canary import identity
from gradclip_cli.numerics import norms


def test_a_machine_can_work_for_itself() -> None:
    """Nothing speaks against the same versions and sums; each norm type has a hash of its own."""
    one = identity((1.0, 2.0, 3.0, math.inf))
    assert one.refusal(identity((1.0, 2.0, 3.0, math.inf))) is None
    assert len({found for _, found in one.sums}) == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "0.0.1"}, "runs gradclip 0.0.1, this is "),
        ({"numpy": "1.0"}, "has numpy 1.0, this one "),
        ({"sums": ((1.0, "a"), (2.5, "b"))}, "sums powers to other bits, for norms with p = 1, 2.5"),
    ],
)
def test_what_speaks_against_another(change: dict[str, object], said: str) -> None:
    """Another version, another numpy, and other bits are each said."""
    mine = identity((1.0, 2.5))
    assert said in str(mine.refusal(mine._replace(**change)))  # type: ignore[arg-type]


def test_other_arithmetic_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sum that is wrong in its last bit has another hash."""
    real = norms.block_sums

    def wrong(*given: object) -> object:
        exponents, sums = real(*given)  # type: ignore[arg-type]
        sums[0] = math.nextafter(sums[0], 0)
        return exponents, sums

    before = canary._hashed(2.0)
    monkeypatch.setattr(canary, "block_sums", wrong)
    assert canary._hashed(2.0) != before
