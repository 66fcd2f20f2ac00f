"""A dump that is compared holds each selected tensor under its name: whole, joined, or in pieces."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from support.official import save

from gradclip_cli.engine.compared_dump import opened
from gradclip_cli.engine.executors.threads import Threads
from gradclip_cli.engine.run import Run
from gradclip_cli.inputs.discovery import find_side
from gradclip_cli.inputs.layouts.ranks import by_rank
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource


def ranks(folder: Path) -> DumpSource:
    """Write a tensor in three pieces and one in the last rank only."""
    paths = [str(save(folder, "npz", {"w": np.ones(k + 1)}, f"rank{k}")) for k in range(2)]
    paths.append(str(save(folder, "npz", {"module.v": np.ones(5), "w": np.ones(3)}, "rank2")))
    (source,) = by_rank(list(map(single, paths)))
    return source


def test_all_pieces_of_ranks_are_there(tmp_path: Path) -> None:
    """Pieces are in the order of the files, each to be read from its own."""
    with Threads(1) as workers, opened(ranks(tmp_path), Run(Selection(), workers)) as dump:
        assert [(piece.file.path[-9:], piece.spec.shape) for piece in dump.pieces_of("w")] == [
            ("rank0.npz", (1,)),
            ("rank1.npz", (2,)),
            ("rank2.npz", (3,)),
        ]
        assert [piece.spec.shape for piece in dump.pieces_of("module.v")] == [(5,)]
        assert dump.pieces_of("nothing") == []
        assert {name: stored.spec.shape for name, stored in dump.tensors.items()} == {"w": (1,), "module.v": (5,)}


def test_pieces_take_other_names(tmp_path: Path) -> None:
    """Where only wrappers differ, pieces go by the names of the other dump, too."""
    other = single(str(save(tmp_path, "npz", {"module.w": np.ones(6), "v": np.ones(5)}, "other")))
    with Threads(1) as workers:
        run = Run(Selection(), workers)
        with opened(ranks(tmp_path), run) as dump, opened(other, run) as known:
            named = dump.named_as(known)
            assert named.tensors.keys() == {"module.w", "v"}
            assert [len(named.pieces_of(name)) for name in ("module.w", "v", "w")] == [3, 1, 0]
            assert len(known.pieces_of("module.w")) == 1
            assert known.pieces_of("w") == ()


def test_pieces_that_say_where_they_belong_are_joined(tmp_path: Path) -> None:
    """They are whole tensors, and no pieces of ranks."""
    for k in range(2):
        info = {"w": {"saved_offsets": [2 * k]}}
        path = tmp_path / f"shard-{k + 1:05d}-model-00001-of-00001.safetensors"
        save_file({"w": np.ones(2, np.float32)}, path, {"DCP_SHARDING_INFO": json.dumps(info)})
    (source,) = find_side(str(tmp_path)).sources
    with Threads(1) as workers, opened(source, Run(Selection(), workers)) as dump:
        assert dump.pieces is None
        assert [piece.spec.shape for piece in dump.pieces_of("w")] == [(4,)]
