"""The first dump that holds two tensors decides whether they are tied in a series."""

from gradclip_cli.engine.known_ties import KnownTies


def test_ties_of_the_first_dump_are_those_of_all() -> None:
    """What is tied once stays tied where both are there, whether or not their bits are the same there."""
    known = KnownTies()
    assert known.settle("abc", [("a", "b", "c")]) == ({"b": "a", "c": "a"}, {})
    assert known.settle("abcd", []) == ({"b": "a", "c": "a"}, {})
    assert known.settle("bd", []) == ({}, {})


def test_ties_of_a_later_dump_are_none() -> None:
    """Tensors that stood apart in a dump before stay apart, and are told; new ones may be tied."""
    known = KnownTies()
    assert known.settle("ab", []) == ({}, {})
    assert known.settle("abcd", [("a", "b"), ("c", "d")]) == ({"d": "c"}, {"b": "a"})


def test_ties_that_meet() -> None:
    """A tensor that is tied to a tied one counts with the first that a dump holds."""
    known = KnownTies()
    known.settle("ab", [("a", "b")])
    assert known.settle("bc", [("b", "c")]) == ({"c": "b"}, {})
    assert known.settle("abc", [("a", "b", "c")]) == ({"b": "a", "c": "a"}, {})
    assert known.settle("ac", [("a", "c")]) == ({"c": "a"}, {})


def test_what_earlier_dumps_held_goes_on() -> None:
    """A tensor that was alone in earlier dumps counts under its name, and not under that of one that is tied to it later."""
    known = KnownTies()
    assert known.settle(["wte"], []) == ({}, {})
    assert known.settle(["head", "wte"], [("head", "wte")]) == ({"head": "wte"}, {})
