"""Tensors are copies if they are the same bits."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from gradclip_cli.engine.copies import check_copies, digests
from gradclip_cli.engine.executors import Threads
from gradclip_cli.engine.run import Run
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts.numbered import NUMBERED
from gradclip_cli.inputs.opened import OpenDump
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource


def opened(folder: Path, *arrays: NDArray[np.float32]) -> OpenDump:
    """Open the headers of a dump with a file for each array, all called `w`, after a counter."""
    paths = [str(folder / f"{k}.safetensors") for k in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        save_file({"n": np.arange(3), "w": array}, path)
    dump = OpenDump(DumpSource(paths[0], tuple(paths), NUMBERED), Selection())
    for _ in dump.each():
        pass
    return dump


def test_bits_tell_copies(tmp_path: Path) -> None:
    """Equal bits have equal digests, +0 and -0 are not the same, and NaN is the same as itself."""
    zero, nan = np.zeros(4, np.float32), np.full(4, np.nan, np.float32)
    dump = opened(tmp_path, zero, zero, -zero, nan, nan)
    where = [k for k, spec in enumerate(dump.tensors) if spec.name == "w"]
    with Threads(1) as workers:
        run = Run(Selection(), workers)
        found = digests(dump.files, where, run)
        assert [found[k] == found[where[0]] for k in where] == [True, True, False, False, False]
        assert found[where[3]] == found[where[4]]
        check_copies({where[1]: where[0], where[4]: where[3]}, dump.files, dump.tensors, run)
        with pytest.raises(InputError, match=r"not the same as in 0\.safetensors") as caught:
            check_copies({where[2]: where[0]}, dump.files, dump.tensors, run)
    assert (caught.value.path, caught.value.tensor) == (str(tmp_path / "2.safetensors"), "w")
