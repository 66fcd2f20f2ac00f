"""List the tensors of a series in natural order, as columns: a dump may hold a million."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.checks.base import ManyTensors, Tensor, column_of
from gradclip_cli.inputs.naming import LayerParam, Naming, natural
from gradclip_cli.inputs.places import layers_of, params_of, places_by_name
from gradclip_cli.lazy_rows import Coded


class HasTensors(Protocol):
    """The figures of a dump."""

    @property
    def tensors(self) -> Sequence[Tensor]:
        """Its tensors, by their names in the series."""


def series_tensors(dumps: Sequence[HasTensors], places: Mapping[str, LayerParam], naming: Naming) -> Sequence[Tensor]:
    """Return the tensors of all dumps, by layers and names in natural order, with the dtype of the first dump that has each."""
    if len(dumps) == 1:
        names, dtypes = column_of(dumps[0].tensors, "name"), column_of(dumps[0].tensors, "dtype")
    else:
        known = {name: dtype for one in reversed(dumps) for name, dtype in zip(*_named(one.tensors), strict=True)}
        names, dtypes = list(known), list(known.values())
    own = places_by_name(places, names)
    layers, params = _coded(layers_of(own)), _coded(params_of(own))
    order = _order(names, layers, params)
    blocks = Coded([naming.block(layer) for layer in layers.values], layers.codes)
    found = ManyTensors(names, layers, params, _coded(dtypes), blocks)
    return found if (order == np.arange(order.size)).all() else found.take(order)


def _named(tensors: Sequence[Tensor]) -> tuple[Sequence[str], Sequence[str]]:
    return column_of(tensors, "name"), column_of(tensors, "dtype")


def _coded(texts: Sequence[str]) -> Coded[str]:
    """Hold each of some texts once."""
    known: dict[str, int] = {}
    codes = np.fromiter((known.setdefault(text, len(known)) for text in texts), np.int32, len(texts))
    return Coded(list(known), codes)


def _order(names: Sequence[str], layers: Coded[str], params: Coded[str]) -> NDArray[np.int64]:
    """Return the natural order of tensors, by layer and name.

    Where each name is its layer, a dot and its param, the order of params is that of names, and far fewer are compared.
    """
    if all(map(str.__eq__, names, map(".".join, zip(layers, params, strict=True)))):
        return np.lexsort((_ranks(params.values)[params.codes], _ranks(layers.values)[layers.codes]))
    ranks = _ranks(layers.values)[layers.codes].tolist()
    return np.array(sorted(range(len(names)), key=lambda k: (ranks[k], natural(names[k]))), np.int64)


def _ranks(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return the place of each text in natural order; texts that differ in leading zeros of numbers share one."""
    keys = list(map(natural, texts))
    place = {key: k for k, key in enumerate(sorted(set(keys)))}
    return np.array([place[key] for key in keys], np.int64)
