"""Tell datasets of numbers that are no gradients, such as coordinates and indexes, by the attributes that mark them.

This module runs in the child process.
"""

import re
from typing import Any

from h5py import h5a

from gradclip_cli.formats.hdf5.attributes import text_of
from gradclip_cli.formats.hdf5.walker import Dataset

DIMENSION_SCALES, COORDINATES = "dimension scales", "coordinates"
PANDAS_AXES, PYTABLES_INDEXES = "pandas axes", "PyTables indexes"
MATLAB_EMPTY = "sizes of empty MATLAB arrays"
_PANDAS_AXIS = re.compile(r"(axis\d+|index)(_.*)?|block\d+_items(_.*)?|.*_items")
"""The names of axes, and of the parts of those with several levels."""


class Roles:
    """The roles of the datasets of one file; groups must be seen before what is in them."""

    def __init__(self) -> None:
        self._groups: dict[str, str] = {}  # those whose members may have a role
        self._coordinates: list[tuple[str, str]] = []  # names, and the group that they are in

    def see_group(self, group: Any, name: str, attributed: bool) -> None:
        """Look whether a group is one of pandas, or holds the indexes of a PyTables table."""
        if self._groups.get(parent_of(name)) == PYTABLES_INDEXES:
            self._groups[name] = PYTABLES_INDEXES
        elif attributed and h5a.exists(group, b"pandas_type"):
            self._groups[name] = PANDAS_AXES
        elif attributed and text_of(group, b"CLASS") == "TINDEX":
            self._groups[name] = PYTABLES_INDEXES
        if attributed:
            self._see_coordinates(group, name)

    def of_dataset(self, dataset: Any, name: str, attributed: bool) -> str | None:
        """Return what a dataset is, in the plural; None if it may be a gradient."""
        group = parent_of(name)
        kind = self._groups.get(group)
        if attributed:
            self._see_coordinates(dataset, group)
            if text_of(dataset, b"CLASS") == "DIMENSION_SCALE":
                return DIMENSION_SCALES
            if h5a.exists(dataset, b"MATLAB_empty"):
                return MATLAB_EMPTY
        if kind == PANDAS_AXES and not _PANDAS_AXIS.fullmatch(name.rpartition("/")[2]):
            return None
        return kind

    def with_coordinates(self, datasets: list[Dataset]) -> list[Dataset]:
        """Mark the datasets that a `coordinates` attribute names, which is how the CF conventions of netCDF tell them."""
        if not self._coordinates:
            return datasets
        named = {f"{group}/{one}".lstrip("/") for group, names in self._coordinates for one in names.split()}
        return [one._replace(role=COORDINATES) if one.role is None and one.name in named else one for one in datasets]

    def _see_coordinates(self, thing: Any, group: str) -> None:
        if names := text_of(thing, b"coordinates"):
            self._coordinates.append((group, names))


def parent_of(name: str) -> str:
    """Return the name of the group that an object is in; the root group has none.

    >>> parent_of("layer/w"), parent_of("w")
    ('layer', '')
    """
    return name.rpartition("/")[0]
