"""Tensors are copies if they are the same bits."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from gradclip_cli.engine.copies import check_copies, digests, replica_notes
from gradclip_cli.engine.executors.threads import Threads
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


def test_replicas_are_noted_by_name() -> None:
    """What all ranks hold is noted with the option that counts it once; what some of them hold, without."""
    pieces = {"norm.a": [0, 2], "norm.b": [1, 3], "fc": [4, 5, 6], "own": [7, 8]}
    alike = [[[0], [2]], [[1], [3]], [[4], [6]]]
    every, some = replica_notes("rank0.npz", pieces, alike)
    assert every.text == (
        "rank0.npz: the same in all ranks, and counted once for each: norm.a, norm.b; "
        "give --replicated 'norm.a' --replicated 'norm.b' if they are copies"
    )
    assert (every.times, some.times, some.kind) == (2, 1, "partial-replicas")
    assert some.text.startswith("rank0.npz: the same in some ranks, and counted once for each: fc; give one file")
    assert replica_notes("rank0.npz", pieces, []) == []
