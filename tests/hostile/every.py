"""All hostile files, of all formats."""

from importlib import import_module

from hostile import hdf5_making, npz_making, safetensors_headers
from hostile.cases import Case

_MODULES = (
    "safetensors_tensors",
    "npz_archives",
    "npz_arrays",
    "hdf5_layouts",
    "hdf5_types",
    "hdf5_links",
    "hdf5_elsewhere",
    "hdf5_damage",
)
"""The modules that add cases to the collections of their format when they are imported."""

for _name in _MODULES:
    import_module(f"hostile.{_name}")

CASES: list[tuple[Case, str]] = [
    (case, files.suffix)
    for files in (safetensors_headers.FILES, npz_making.FILES, hdf5_making.FILES)
    for case in files.cases
]
"""Each case with the suffix of its files."""
