"""Layers and params of many tensors are those of each by itself."""

import numpy as np

from gradclip_cli.inputs import places
from gradclip_cli.inputs.naming import LayerParam, Naming
from gradclip_cli.inputs.places import (
    NamedPlaces,
    Places,
    layers_of,
    params_of,
    picked_places,
    places_by_name,
    places_of,
)

NAMES = ["layers.10.w", "layers.9.b", "layers.10.b", "mod.module.x", "head", "a/b/c", "layers.9.w", "l.01.w", "l.1.w"]


def test_columns_are_the_places_one_by_one() -> None:
    """By index, by slice, and one after the other."""
    plain = Naming().places(NAMES)
    found = Places.of(plain)
    assert (len(found), list(found), found[3], found[-1], list(found[2:4])) == (
        9,
        plain,
        plain[3],
        plain[-1],
        plain[2:4],
    )
    assert list(layers_of(found)) == layers_of(plain)
    assert list(params_of(found)) == params_of(plain)
    rows = np.array([4, 1])
    assert list(picked_places(found, rows)) == picked_places(plain, rows) == [plain[4], plain[1]]
    assert picked_places(found, np.arange(9)) is found


def test_tensors_are_grouped_by_layer() -> None:
    """Layers stand in natural order, layers that are equal in it as they come, and tensors ascend; others are left out."""
    found = Places.of(Naming().places(NAMES)).by_layer([0, 1, 2, 4, 6, 7, 8])
    assert list(found.items()) == [
        ("head", [4]), ("l.01", [7]), ("l.1", [8]), ("layers.9", [1, 6]), ("layers.10", [0, 2])
    ]  # fmt: skip
    assert list(Places.of(Naming().places(["b.w", "l.1.w", "l.01.w", "l.1.b"])).by_layer([2, 3])) == ["l.01", "l.1"]


def test_many_tensors_have_columns() -> None:
    """A dump of more than 20,000 tensors has its places as columns, whatever the rule; a smaller one as a list."""
    names = [f"layers.{k}.w" for k in range(places._MANY + 1)]
    assert isinstance(places_of(Naming(), names[1:]), list)
    for naming in (Naming(), Naming(depth=1)):
        found = places_of(naming, names)
        assert isinstance(found, Places)
        assert list(found) == naming.places(names)


def test_places_by_name() -> None:
    """Names give their places; all in order give the sequence itself."""
    sequence = [LayerParam("a", "w"), LayerParam("b", "w")]
    named = NamedPlaces(["a.w", "b.w"], sequence)
    assert dict(named) == {"a.w": sequence[0], "b.w": sequence[1]}
    assert places_by_name(named, ["a.w", "b.w"]) is sequence
    assert places_by_name(named, ["b.w"]) == places_by_name(dict(named), ["b.w"]) == [sequence[1]]
