"""What numpy saved is read as it lies in the archive."""

from pathlib import Path

import numpy as np
from support.tensors import read_all

from gradclip_cli.numerics.dtypes import from_numpy
from unit.formats.npz.made import ARRAYS, Save, savers


@savers
def test_what_numpy_saved_is_read(path: Path, save: Save) -> None:
    """Arrays of every kind, stored or deflated, are read as they lie in the file."""
    save(path, **ARRAYS)
    found = read_all(path)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        spec, data = found[name]
        assert (spec.shape, spec.dtype, data) == (array.shape, from_numpy(array.dtype), array.tobytes("A")), name
        assert spec.fortran == (name == "turned")
        assert (spec.offset is None) == (save is np.savez_compressed)
