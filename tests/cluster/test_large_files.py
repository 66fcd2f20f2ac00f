"""A file above 4 GiB is measured and changed in ranges, one tensor of it above 4 GiB, too."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laws.everywhere import digest
from support.dask_cluster import DaskCluster
from support.tensors import gradients

import gradclip_cli

pytestmark = [pytest.mark.remote, pytest.mark.heavy]

SHAPES = {"first": [1000], "large.w": [1025, 1 << 20], **{f"z.{k}.w": [4, 1 << 20] for k in range(4)}, "z.last": [7]}


def _planted(shape: Sequence[int]) -> int:
    """Return how many elements at the end of a tensor are not zero."""
    return min(1000, int(np.prod(shape)))


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """A sparse file: what is not written takes no room, and least time to read where files are in memory."""
    memory = Path("/dev/shm")
    path = (memory if os.access(memory, os.W_OK) else tmp_path) / f"{tmp_path.name}-{os.getpid()}.safetensors"
    header, end = dict[str, Any](), 0
    for name, shape in SHAPES.items():
        begin, end = end, end + 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    try:
        with path.open("wb") as target:
            target.write(len(text).to_bytes(8, "little") + text)
            start = target.tell()
            for seed, one in enumerate(header.values()):
                values = gradients(_planted(one["shape"]), seed=seed)
                target.seek(start + one["data_offsets"][1] - values.nbytes)
                target.write(values.tobytes())
        assert path.stat().st_size > 2**32
        yield path
    finally:
        path.unlink(missing_ok=True)


def test_a_file_above_4_gib(file: Path, shared_cluster: DaskCluster) -> None:
    """Norms are those of what lies at the ends of the tensors, beyond 4 GiB; clipped ones are the threshold, here and there."""
    planted = {name: gradients(_planted(shape), seed=seed) for seed, (name, shape) in enumerate(SHAPES.items())}
    expected = {name: float(np.sqrt(np.sum(one.astype(np.float64) ** 2))) for name, one in planted.items()}
    there = gradclip_cli.stats(file, scheduler=shared_cluster.address)
    assert {one.name: one.summary.mean for one in there.params} == pytest.approx(expected, rel=1e-12)
    assert digest(there) == digest(gradclip_cli.stats(file))
    told: dict[str, Any] = {"threshold": 0.5, "dry_run": True}
    clipped = gradclip_cli.apply(file, scheduler=shared_cluster.address, **told)
    assert clipped.dumps[0].total.norm_after == pytest.approx(0.5, rel=1e-6)
    assert digest(clipped) == digest(gradclip_cli.apply(file, **told))
