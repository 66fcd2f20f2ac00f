"""The tensors of a series are followed by name from dump to dump, and what differs is refused or said."""

from dataclasses import replace

import numpy as np
import pytest
from support.tensors import dump_of

from gradclip_cli.engine.series_tensors import SeriesTensors
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.selection import Selection

ONE = np.ones(1)


def dumps(*names: str) -> list[MeasuredDump]:
    """Return dumps of tensors of one element; `names` are separated by spaces."""
    return [dump_of(dict.fromkeys(each.split(), ONE), path=f"d{k}.npz") for k, each in enumerate(names)]


def taken(series: SeriesTensors, *names: str) -> list[list[str]]:
    """Return the names of tensors in the series, for each dump."""
    return [sorted(series.take(dump).named) for dump in dumps(*names)]


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ("a.w", "has other tensors than the first dump: it lacks b.w; give --allow-missing"),
        ("a.w b.w c.w", "it also has c.w"),
        ("a.w module.c.w", "it lacks b.w and also has module.c.w"),
        ("a.w module.b.w b.w", "it also has module.b.w"),
    ],
)
def test_all_dumps_have_the_tensors_of_the_first(second: str, reason: str) -> None:
    """Other names are an error that says what to do; two names that wrappers alone distinguish are two tensors."""
    with pytest.raises(InputError, match=reason) as caught:
        taken(SeriesTensors(Naming()), "a.w b.w", second)
    assert caught.value.path == "d1.npz"


def test_names_under_wrappers_are_those_of_the_first_dump() -> None:
    """A tensor has its first name in all dumps, whichever of them is wrapped, and each wrapped dump is noted."""
    series = SeriesTensors(Naming())
    assert taken(series, "module.a.w b.w", "a.w module._orig_mod.b.w", "module.a.w b.w") == [["b.w", "module.a.w"]] * 3
    assert [note.text for note in series.notes] == [
        "d1.npz: a.w is taken for module.a.w, since only wrappers of training tools differ"
    ]


def test_missing_tensors_are_collected_and_counted() -> None:
    """With `allow_missing` the tensors are those of all dumps, by their first names; a note counts what is missing somewhere."""
    series = SeriesTensors(Naming(), allow_missing=True)
    assert taken(series, "a.w b.w", "module.a.w c.w", "b.w") == [["a.w", "b.w"], ["a.w", "c.w"], ["b.w"]]
    assert list(series.shapes) == ["a.w", "b.w", "c.w"]
    assert [note.kind for note in series.notes] == ["wrappers", "missing"]
    assert (
        series.notes[-1].text == "d0.npz: 3 of 3 tensors missing in some dumps, where they add nothing: a.w, b.w, c.w"
    )


def test_the_first_dump_may_be_the_one_that_lacks() -> None:
    """The note is about the first dump that lacks any tensor, also where that is the first of all."""
    for names, path in ((("a.w", "a.w b.w"), "d0.npz"), (("a.w b.w", "a.w b.w", "a.w", "b.w"), "d2.npz")):
        series = SeriesTensors(Naming(), allow_missing=True)
        taken(series, *names)
        assert [note.text.partition(":")[0] for note in series.notes] == [path]


def test_nothing_is_said_of_dumps_that_are_alike() -> None:
    """Where no dump differs, `allow_missing` changes and says nothing."""
    series = SeriesTensors(Naming(), allow_missing=True)
    taken(series, "a.w b.w", "b.w a.w")
    assert series.notes == []


def test_a_name_that_was_taken_for_another_cannot_stand_beside_it() -> None:
    """Where names were one tensor in dumps before, a dump with both of them is an error, since figures would be mixed up."""
    series = SeriesTensors(Naming(), allow_missing=True)
    with pytest.raises(
        InputError, match=r"holds a\.w and module\.a\.w, which are one tensor in dumps before"
    ) as caught:
        taken(series, "a.w", "module.a.w", "a.w module.a.w")
    assert caught.value.path == "d2.npz"


def test_layers_depend_on_all_names_where_a_rule_says_so() -> None:
    """`enc_w` is of the layer `enc` as soon as any dump has `enc_b`; names with a dot are settled at once."""
    series = SeriesTensors(Naming(), allow_missing=True)
    first, second = (series.take(dump) for dump in dumps("enc_w a.w", "enc_b a.w"))
    assert not series.settled
    series.settle()
    assert {name: place.layer for name, place in series.places.items()} == {"enc_w": "enc", "a.w": "a", "enc_b": "enc"}
    assert [list(series.placed(dump).layers) for dump in (first, second)] == [["a", "enc"]] * 2
    settled = SeriesTensors(Naming(), allow_missing=True)
    taken(settled, "a.w 0_W", "b/w")
    assert settled.settled
    assert [place.layer for place in settled.places.values()] == ["0", "a", "b"]


def test_a_dump_has_the_layers_of_the_first() -> None:
    """A regular expression may find other layers under a wrapper; those of the first dump count in all of them."""
    naming = Naming.parse(r"(?P<layer>[^.]+)\.(?P<param>.*)", None)
    series = SeriesTensors(naming)
    first, second = (series.take(dump_of({name: ONE, "b.w": ONE}, path=name)) for name in ("enc.a.w", "module.enc.a.w"))
    series.settle()
    assert list(series.placed(second).layers) == list(series.placed(first).layers)


@pytest.mark.parametrize(("allowed", "before"), [(False, "the first dump"), (True, "earlier dumps")])
def test_other_shapes(allowed: bool, before: str) -> None:
    """Other shapes are an error, or a note where they may differ; the tensor has no single shape then."""
    shapes = [dump_of({"a": np.ones(size), "b": np.ones((size, 2))}, path=f"d{size}.npz") for size in (2, 3)]
    strict = SeriesTensors(Naming())
    strict.take(shapes[0])
    with pytest.raises(InputError, match=r"d3\.npz: has other shapes .*: a is \(3,\), not \(2,\), and 1 other; give"):
        strict.take(shapes[1])
    series = SeriesTensors(Naming(), allowed, any_shape=True)
    for dump in shapes:
        series.take(dump)
    assert series.reshaped == {"a", "b"}
    what = f"d3.npz: has other shapes than {before}: a is (3,), not (2,), and 1 other"
    assert [note.text for note in series.notes] == [what]


def test_an_include_matches_in_any_dump() -> None:
    """With `allow_missing` a pattern has to match a tensor of any dump, measured or not."""
    series = SeriesTensors(Naming(), allow_missing=True)
    taken(series, "a.w", "b.w")
    series.check_taken(Selection(("b*",)))
    with pytest.raises(UsageError, match="zz"):
        series.check_taken(Selection(("zz",)))


def test_a_dump_shares_nothing_with_one_of_other_shapes() -> None:
    """Where names and places are those of the dump before, but shapes are others, the dump is refused as any other is."""
    series = SeriesTensors(Naming())
    first = dump_of({"a.w": np.ones(2), "b.w": np.ones(3)})
    series.take(first)
    again = replace(first)
    assert series.take(again).named is first.named
    other = replace(dump_of({"a.w": np.ones(2), "b.w": np.ones(4)}), places=first.places)
    with pytest.raises(InputError, match="other shapes"):
        series.take(other)


def test_a_dump_of_fewer_tensors_shares_no_names() -> None:
    """With the places of the dump before, but without one of its tensors, a dump has only what it has."""
    series = SeriesTensors(Naming(), allow_missing=True)
    first = dump_of({"a.w": np.ones(2), "b.w": np.ones(3)})
    series.take(first)
    less = series.take(replace(first, stats=first.stats.only([1])))
    assert (less.named, less.layers) == ({"b.w": [1]}, {"b": [1]})
