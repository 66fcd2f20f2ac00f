"""What every rank holds is counted as the user says, and otherwise pointed out once for all tensors."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.official import save

from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.replicated import count_replicated
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import MeasuredDump, measure_dump
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts.ranks import by_rank
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.selection import Selection

COPY = np.arange(1.0, 6.0)


def counted(folder: Path, ranks: list[dict[str, NDArray[np.float64]]], *patterns: str) -> MeasuredDump:
    """Count the copies among the tensors of each rank."""
    paths = [save(folder, "npz", arrays, f"rank{k}") for k, arrays in enumerate(ranks)]
    (source,) = by_rank([single(str(path)) for path in paths])
    with Threads(2) as workers:
        run = Run(Selection(replicated=patterns), workers)
        return count_replicated(measure_dump(source, (2.0,), run), run)


def test_copies_are_noted(tmp_path: Path) -> None:
    """A tensor that is the same in all ranks may be a copy; one that only has the same norm is a piece, as is one of one rank."""
    dump = counted(tmp_path, [{"copy": COPY, "piece": COPY * sign, f"own{sign}": COPY} for sign in (1, -1)])
    assert {name: len(indices) for name, indices in dump.named.items() if len(indices) > 1} == {"copy": 2, "piece": 2}
    assert [(note.kind, note.times, note.text) for note in dump.notes] == [
        (
            "replicas",
            1,
            f"{tmp_path / 'rank0.npz'}: the same in all ranks, and counted once for each: copy; "
            "give --replicated 'copy' if they are copies",
        )
    ]


def test_copies_count_once(tmp_path: Path) -> None:
    """The first piece of a tensor that a pattern matches counts, and the others are its copies."""
    dump = counted(tmp_path, [{"copy": COPY, "piece": COPY * k} for k in (1, 2, 3)], "c*")
    assert {name: len(indices) for name, indices in dump.named.items()} == {"copy": 1, "piece": 3}
    assert (dump.notes, dump.left_out, dump.tied) == ([], [], {})
    assert {copy: dump.tensors[first].name for copy, first in dump.copies.items()} == {2: "copy", 4: "copy"}


@pytest.mark.parametrize("other", [-COPY, COPY[:4], COPY * 2, COPY.reshape(1, 5)])
def test_what_is_no_copy(other: NDArray[np.float64], tmp_path: Path) -> None:
    """Other elements, another shape or another norm is an error of the input that names both files."""
    with pytest.raises(InputError, match=r"rank1\.npz: w: is not the same as in .*rank0\.npz"):
        counted(tmp_path, [{"w": COPY}, {"w": other}], "w")
