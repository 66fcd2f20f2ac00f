"""Datasets of numbers that are no gradients are told by what netCDF, pandas, PyTables and MATLAB write beside them."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.tensors import read_all

from gradclip_cli.formats.hdf5 import roles

Expected = dict[str, str | None]


def netcdf(file: h5py.File) -> Expected:
    """A variable with a coordinate for each axis, one of them in a group, and a second coordinate that it names."""
    for name in ("time", "lat", "lr", "inner/x", "grad", "inner/grad"):
        file[name] = np.arange(3.0)
    file["time"].make_scale("time")
    file["inner/x"].make_scale("x")
    file["grad"].attrs["coordinates"] = np.bytes_("lr lat")
    file["inner/grad"].attrs["units"] = "1"
    scales, named = roles.DIMENSION_SCALES, roles.COORDINATES
    return {"grad": None, "inner/grad": None, "inner/x": scales, "lat": named, "lr": named, "time": scales}


def coordinates_of_all(file: h5py.File) -> Expected:
    """Coordinates that the file itself names, as xarray does for those of no variable; only those beside the attribute."""
    for name in ("epoch", "grad", "inner/epoch"):
        file[name] = np.arange(3.0)
    file.attrs["coordinates"] = "epoch missing"
    return {"epoch": roles.COORDINATES, "grad": None, "inner/epoch": None}


def pandas(file: h5py.File) -> Expected:
    """A frame, one with two levels of rows, a series, and a group of the same names that is not of pandas."""
    frames = {
        "frame": ["axis0", "axis1", "block0_items", "block0_values"],
        "levels": ["axis1_level0", "axis1_label0", "block10_items", "block10_values"],
        "series": ["index", "index_level1", "values"],
        "other": ["axis0", "index"],
    }
    for group, names in frames.items():
        for name in names:
            file[f"{group}/{name}"] = np.arange(3.0)
        if group != "other":
            file[group].attrs["pandas_type"] = "frame"
    gradients = {"frame/block0_values", "levels/block10_values", "series/values", "other/axis0", "other/index"}
    every = [f"{group}/{name}" for group, names in frames.items() for name in names]
    return {name: None if name in gradients else roles.PANDAS_AXES for name in every}


def a_frame_alone(file: h5py.File) -> Expected:
    """A frame that is the whole file."""
    file.attrs["pandas_type"] = "frame"
    file["axis1"], file["block0_values"] = np.arange(3.0), np.arange(3.0)
    return {"axis1": roles.PANDAS_AXES, "block0_values": None}


def pytables(file: h5py.File) -> Expected:
    """The indexes of two columns of a table, deep in groups, and an array."""
    file["_i_table/a/sorted"] = file["_i_table/a/deep/ranges"] = np.arange(3.0)
    file["_i_table"].attrs["CLASS"] = np.bytes_("TINDEX")
    file["w"] = np.arange(3.0)
    file["w"].attrs["CLASS"] = np.bytes_("ARRAY")
    return {"_i_table/a/deep/ranges": roles.PYTABLES_INDEXES, "_i_table/a/sorted": roles.PYTABLES_INDEXES, "w": None}


def matlab(file: h5py.File) -> Expected:
    """An empty array, which lies there as its sizes, and a full one."""
    file["nothing"], file["w"] = np.array([0.0, 5.0]), np.ones(3)
    file["nothing"].attrs["MATLAB_empty"] = np.uint8(1)
    file["w"].attrs["MATLAB_class"] = np.bytes_("double")
    return {"nothing": roles.MATLAB_EMPTY, "w": None}


@pytest.mark.parametrize("make", [netcdf, coordinates_of_all, pandas, a_frame_alone, pytables, matlab])
def test_each_role(make: Callable[[h5py.File], Expected], path: Path) -> None:
    """What a library marks has a role, and everything beside it none."""
    with h5py.File(path, "w") as file:
        expected = make(file)
    assert {name: spec.role for name, (spec, _) in read_all(path).items()} == expected


def test_a_class_that_is_no_text(path: Path) -> None:
    """An attribute of that name that says something else makes no role."""
    with h5py.File(path, "w") as file:
        file["w"] = np.ones(3)
        file["w"].attrs["CLASS"] = 3
        file["w"].attrs["coordinates"] = [1, 2]
    assert read_all(path)["w"][0].role is None
