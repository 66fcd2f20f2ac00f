"""The places of extremes do not depend on the order in which pieces come."""

from itertools import permutations

from gradclip_cli.numerics.value_counts import Finder


def test_the_lowest_order_and_then_the_first_place_is_kept() -> None:
    """Of equal elements the first in row-major order is kept, in whatever order they are taken."""
    found = [(3, (0, 9)), (2, (5, 0)), (2, (4, 7)), (2, (4, 8))]
    for some in permutations(found):
        finder = Finder()
        for order, place in some:
            if finder.is_better("smallest", order):
                finder.take("smallest", order, place)
        assert finder.extreme("smallest", float) == (2.0, (4, 7))


def test_what_was_never_seen_is_nowhere() -> None:
    """Without an element of a kind there is no place, and any is better."""
    finder = Finder()
    assert finder.is_better("nan", 0)
    assert (finder.place("nan"), finder.extreme("largest", float)) == (None, None)
