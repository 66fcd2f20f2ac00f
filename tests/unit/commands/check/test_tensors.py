"""The tensors of a series stand in natural order, by layer and then by name."""

from typing import NamedTuple

import pytest

from gradclip_cli.checks.base import ManyTensors, Tensor, column_of
from gradclip_cli.commands.check.tensors import series_tensors
from gradclip_cli.inputs.naming import Naming, natural


class Dump(NamedTuple):
    """What is asked of a dump."""

    tensors: ManyTensors


def dump(*names: str, dtype: str = "float32") -> Dump:
    """A dump with tensors of these names."""
    places = Naming().places(names)
    layers, params = [place.layer for place in places], [place.param for place in places]
    return Dump(ManyTensors(list(names), layers, params, [dtype] * len(names)))


@pytest.mark.parametrize(
    "names",
    [
        ["layers.10.w", "layers.9.w2", "layers.9.w10", "head.w"],
        ["l.1.b", "l.01.w", "l.1.a", "l.01.c"],  # equal numbers, so that the names of both layers mix
        ["a/b/c", "a/b10/c", "a/b9/c", "x"],
    ],
)
def test_natural_order(names: list[str]) -> None:
    """Layers are compared first, then names, numbers as numbers; blocks are those of the layers."""
    naming = Naming()
    places = dict(zip(names, naming.places(names), strict=True))
    expected = sorted(names, key=lambda name: (natural(places[name].layer), natural(name)))
    found = series_tensors([dump(*names)], places, naming)
    assert [tensor.name for tensor in found] == expected
    assert list(found) == [
        Tensor(name, *places[name], "float32", naming.block(places[name].layer)) for name in expected
    ]
    assert list(column_of(found, "name")) == column_of(list(found), "name") == expected


def test_tensors_of_any_dump() -> None:
    """A tensor that only a later dump has is one of the series; the first dump that has it gives the dtype."""
    dumps = [dump("b.w"), dump("a.w", "b.w", dtype="float64")]
    found = series_tensors(dumps, dict(zip(["a.w", "b.w"], Naming().places(["a.w", "b.w"]), strict=True)), Naming())
    assert [(tensor.name, tensor.dtype) for tensor in found] == [("a.w", "float64"), ("b.w", "float32")]
