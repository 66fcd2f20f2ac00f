"""The pieces of a dump of ranks are found by name, in the order of the files; of copies the first one is left."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.official import save

from gradclip_cli.engine.copies import Pieces
from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.rank_pieces import pieces_by_name
from gradclip_cli.engine.run import Run
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts.ranks import by_rank
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.selection import Selection

COPY = np.arange(12.0).reshape(3, 4)


def found(folder: Path, ranks: Sequence[dict[str, NDArray[np.float64]]], selection: Selection) -> tuple[Pieces, int]:
    """Find the pieces in files of ranks; also return the bytes that were reported."""
    (source,) = by_rank([single(str(save(folder, "npz", arrays, f"rank{k}"))) for k, arrays in enumerate(ranks)])
    told: list[int] = []
    with Threads(1) as workers:
        run = Run(selection, workers, lambda count, path: told.append(count))
        with run.open(source) as dump:
            dump.all()
            return pieces_by_name(dump, run), sum(told)


def test_pieces_are_in_the_order_of_files(tmp_path: Path) -> None:
    """Indices are those of the dump, of tensors that the user has selected."""
    ranks = [{"a": COPY, "b": COPY}, {"b": COPY}, {"b": COPY, "a": COPY}]
    assert found(tmp_path, ranks, Selection()) == ({"a": [0, 4], "b": [1, 2, 3]}, 0)
    assert found(tmp_path, ranks, Selection(exclude=("b",))) == ({"a": [0, 4]}, 0)


def test_the_first_copy_counts(tmp_path: Path) -> None:
    """Other copies are left out once they are seen to be the same, and their bytes are done."""
    ranks = [{"a": COPY, "b": COPY}, {"a": COPY, "b": -COPY}]
    assert found(tmp_path, ranks, Selection(replicated=("a*",))) == ({"a": [0], "b": [1, 3]}, COPY.nbytes)


@pytest.mark.parametrize("other", [-COPY, COPY[:2], COPY.astype(np.float32), np.asfortranarray(COPY)])
def test_what_is_no_copy(other: NDArray[np.float64], tmp_path: Path) -> None:
    """Other bits, and another shape, dtype or order of elements, are errors that name both files."""
    with pytest.raises(InputError, match=r"rank1\.npz: a: is not the same as in .*rank0\.npz"):
        found(tmp_path, [{"a": COPY}, {"a": other}], Selection(replicated=("a",)))
