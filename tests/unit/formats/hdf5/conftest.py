"""Files that the tests of HDF5 read."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from unit.formats.hdf5.made import PACKED, numbers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test writes its file."""
    return tmp_path / "a.h5"


@pytest.fixture
def sample(path: Path) -> Path:
    """A file with layers, attributes, links, an empty group, texts and all kinds of storage."""
    with h5py.File(path, "w") as file:
        file.attrs["backend"] = "jax"
        for name, storage in PACKED.items():
            file.create_dataset(f"{name}/kernel", data=numbers(), **storage)
        file["chunked/kernel"].attrs["unit"] = [1.5, 2.5]
        file["chunked"].attrs["name"] = "my_layer"
        file.create_group("nothing")
        file["scalar"] = np.float32(2.5)
        file["vector"] = h5py.Empty("f4")
        file["words"] = "hello"
        file["steps"] = np.arange(5)
        file["soft"] = h5py.SoftLink("/gzip/kernel")
        file["broken"] = h5py.SoftLink("/not/there")
        file["zz/hard"] = file["chunked/kernel"]
    return path
