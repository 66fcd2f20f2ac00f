"""Sums of fixed numbers have the very bits that other machines found: `make golden` writes the file anew."""

import json
from typing import Any

import pytest
from golden import fixed, sums


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    """Provide what was found once."""
    found: dict[str, Any] = json.loads(sums.FILE.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("case", list(sums.cases()), ids=lambda case: case.name)
def test_the_same_bits_as_in_the_file(case: sums.Case, golden: dict[str, Any]) -> None:
    """Block sums, norms, clamped sums and products are those of the file, to the last bit."""
    assert sums.record(case) == golden[case.name]


def test_every_record_is_held_against_something(golden: dict[str, Any]) -> None:
    """The file holds the cases and no others."""
    assert list(golden) == [case.name for case in sums.cases()]


def test_the_numbers_are_fixed() -> None:
    """The numbers that are added come from SplitMix64, whose first words for the seed 0 are well known."""
    first = 0xE220A8397B1DCDAF
    assert fixed.words(3, 0).tolist() == [first, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    sign, place, digits = -1, (first & 0xFFF) // 2 % 10, 1 + (first >> 12) / 2**52
    assert fixed.numbers(1, 0).tolist() == [sign * digits * 2.0 ** (place - 8)]
