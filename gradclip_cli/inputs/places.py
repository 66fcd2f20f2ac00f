"""Hold the layers and params of many tensors as columns: most of a million tensors share both with others."""

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.inputs.naming import LayerParam, Naming, natural
from gradclip_cli.lazy_rows import Coded
from gradclip_cli.numerics.groups import Groups, NamedGroups

Codes = NDArray[np.int32]


class Places(Sequence[LayerParam]):
    """The layer and param of each tensor of a dump, made on access; `layer_of` and `param_of` say which of those known it has."""

    def __init__(self, layers: Sequence[str], params: Sequence[str], layer_of: Codes, param_of: Codes) -> None:
        self.layers, self.params, self.layer_of, self.param_of = layers, params, layer_of, param_of

    @classmethod
    def of(cls, places: Iterable[LayerParam]) -> "Places":
        """Take the places of the tensors of a dump, one by one."""
        layers, params, layer_of, param_of = dict[str, int](), dict[str, int](), array("i"), array("i")
        for layer, param in places:
            layer_of.append(layers.setdefault(layer, len(layers)))
            param_of.append(params.setdefault(param, len(params)))
        codes = np.frombuffer(layer_of, np.int32), np.frombuffer(param_of, np.int32)
        return cls(list(layers), list(params), *codes)

    def __len__(self) -> int:
        return self.layer_of.size

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        return LayerParam(self.layers[self.layer_of[index]], self.params[self.param_of[index]])

    def __iter__(self) -> Iterator[LayerParam]:
        return map(LayerParam, layers_of(self), params_of(self))

    def take(self, rows: NDArray[np.int64]) -> "Places":
        """Return the places of some of the tensors."""
        return Places(self.layers, self.params, self.layer_of[rows], self.param_of[rows])

    def by_layer(self, indices: Sequence[int]) -> NamedGroups:
        """Group tensors (ascending indices) by layer; layers are in natural order."""
        at = np.asarray(indices, np.int64)
        of, rank = self.layer_of[at], np.zeros(len(self.layers), np.int64)
        known, firsts = np.unique(of, return_index=True)
        there = known[np.argsort(firsts)].tolist()
        there.sort(key=lambda layer: natural(self.layers[layer]))
        rank[there] = np.arange(len(there))
        order = np.argsort(rank[of], kind="stable")
        starts = np.searchsorted(rank[of[order]], np.arange(len(there) + 1))
        return NamedGroups([self.layers[layer] for layer in there], Groups(at[order], starts))


_MANY = 20_000
"""More tensors than a usual model has; the places of so many are worth columns."""


def places_of(naming: Naming, names: Sequence[str]) -> Sequence[LayerParam]:
    """Return the layer and param of each tensor of one dump."""
    return naming.places(names) if len(names) <= _MANY else Places.of(naming.placed(names))


def layers_of(places: Sequence[LayerParam]) -> Sequence[str]:
    """Return the layer of each tensor."""
    if isinstance(places, Places):
        return Coded(places.layers, places.layer_of)
    return [place.layer for place in places]


def params_of(places: Sequence[LayerParam]) -> Sequence[str]:
    """Return the param of each tensor."""
    if isinstance(places, Places):
        return Coded(places.params, places.param_of)
    return [place.param for place in places]


def picked_places(places: Sequence[LayerParam], rows: NDArray[np.int64]) -> Sequence[LayerParam]:
    """Return the places of some tensors; all of them in order are what they were."""
    if isinstance(places, Places):
        whole = rows.size == len(places) and (rows == np.arange(rows.size)).all()
        return places if whole else places.take(rows)
    return [places[row] for row in rows.tolist()]


class NamedPlaces(Mapping[str, LayerParam]):
    """Map the names of tensors to their places; names are looked up in a mapping of the same names, in the same order."""

    def __init__(self, names: Collection[str], places: Sequence[LayerParam]) -> None:
        self.names, self.places = names, places

    @cached_property
    def _row(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.names)}

    def __getitem__(self, name: str) -> LayerParam:
        return self.places[self._row[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def places_by_name(named: Mapping[str, LayerParam], names: Sequence[str]) -> Sequence[LayerParam]:
    """Return the places of some tensors, in their order."""
    if isinstance(named, NamedPlaces) and list(named.names) == list(names):
        return named.places
    return [named[name] for name in names]
