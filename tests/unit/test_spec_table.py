"""A table of specs is a sequence of the same specs, and all that is asked of it is what a list of them would answer."""

import pickle
import random

import numpy as np
import pytest

from gradclip_cli import spec_table
from gradclip_cli.numerics import dtypes
from gradclip_cli.numerics.norms import BLOCK
from gradclip_cli.spec_table import Columns, SpecTable
from gradclip_cli.tensors import TensorSpec, split

INT = dtypes.DType("int64", 8, "int")


def random_specs(seed: int, count: int = 40) -> list[TensorSpec]:
    """Tensors of several dtypes and sizes, some of them with gaps between them."""
    chance, at = random.Random(seed), 100
    found = []
    for k in range(count):
        dtype = chance.choice([dtypes.FLOAT32, dtypes.FLOAT32, dtypes.FLOAT32, dtypes.BFLOAT16, INT])
        shape = chance.choice([(), (0,), (3,), (2, 3), (100, 7), (BLOCK,), (BLOCK + 1,), (3, BLOCK)])
        found.append(TensorSpec(f"t{k}", dtype, shape, at))
        at += found[-1].nbytes + chance.choice([0, 0, 0, 4])
    return found


def table_of(specs: list[TensorSpec]) -> SpecTable:
    """The same tensors as a table."""
    kinds, shapes = list({spec.dtype for spec in specs}), list({spec.shape for spec in specs})
    return SpecTable(
        Columns(
            [spec.name for spec in specs],
            tuple(kinds),
            np.array([kinds.index(spec.dtype) for spec in specs], np.int16),
            tuple(shapes),
            np.array([shapes.index(spec.shape) for spec in specs], np.int32),
            np.array([spec.offset for spec in specs], np.int64),
            np.array([spec.size for spec in specs], np.int64),
        )
    )


def test_a_table_is_a_sequence_of_specs() -> None:
    """It has a length, and its specs by index, from the end, by slice and one after the other."""
    specs = random_specs(0, 2500)
    table = table_of(specs)
    assert (len(table), list(table), table[7], table[-1]) == (2500, specs, specs[7], specs[-1])
    assert list(table[3:9]) == specs[3:9]
    with pytest.raises(IndexError):
        table[2500]


@pytest.mark.parametrize("name", ["w", "a\0b"])
def test_a_table_is_pickled(name: str) -> None:
    """Another process gets the same specs, whatever is in their names, in less than 40 bytes a tensor."""
    specs = [TensorSpec(f"{name}{k}", dtypes.FLOAT32, (2,), 8 * k) for k in range(1000)]
    data = pickle.dumps(table_of(specs), 5)
    assert list(pickle.loads(data)) == specs
    assert len(data) < 40_000
    assert list(pickle.loads(pickle.dumps(table_of([])))) == []


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("piece_bytes", [1, 5000, 1 << 20])
def test_a_table_is_cut_as_a_list_is(seed: int, piece_bytes: int) -> None:
    """All of the tensors, or some of them, are cut into the same pieces."""
    specs = random_specs(seed)
    some = [k for k in range(len(specs)) if random.Random(seed + k).random() < 0.8]
    for wanted in (range(len(specs)), some, []):
        assert list(split(table_of(specs), wanted, piece_bytes)) == list(split(specs, wanted, piece_bytes))


@pytest.mark.parametrize("seed", range(5))
def test_what_is_asked_of_all_tensors(seed: int) -> None:
    """A table answers what a list of the same specs does."""
    specs = random_specs(seed)
    table, rows = table_of(specs), [1, 2, 5, 30]
    for ask in (spec_table.names_of, spec_table.sizes_of, spec_table.shapes_of, spec_table.dtypes_of,
                spec_table.dtype_names, spec_table.nbytes_of, spec_table.marked, spec_table.without_elements):  # fmt: skip
        assert list(ask(table)) == list(ask(specs))
    assert list(spec_table.picked(table, rows)) == spec_table.picked(specs, rows)
    assert list(spec_table.of_kind(table, "int")) == spec_table.of_kind(specs, "int")
    assert list(spec_table.renamed(table, ["x"] * len(specs))) == spec_table.renamed(specs, ["x"] * len(specs))
    for wanted in (range(len(specs)), rows):
        assert list(spec_table.rows_of(table, lambda dtype: dtype.is_float, wanted)) == spec_table.rows_of(
            specs, lambda dtype: dtype.is_float, wanted
        )
    for some in (slice(0, 1), slice(3, 6), slice(10, 20)):
        assert spec_table.adjoining(table[some]) == spec_table.adjoining(specs[some])


def test_all_rows_in_order_are_the_table_itself() -> None:
    """Nothing is copied where nothing is left out."""
    table = table_of(random_specs(0))
    assert spec_table.picked(table, range(len(table))) is table
    assert spec_table.rows_of(table, lambda _: True, rows := range(len(table))) is rows


def test_the_tensors_of_several_files() -> None:
    """Tables that follow each other are one table, a table and a list are a list, and a list grows in place."""
    one, other = random_specs(1), random_specs(2)
    first = spec_table.extended([], table_of(one))
    both = spec_table.extended(first, table_of(other))
    assert isinstance(both, SpecTable)
    assert list(both) == one + other
    assert spec_table.extended(first, other) == one + other
    held: list[TensorSpec] = []
    assert spec_table.extended(held, one) is held
    assert list(first) == one
