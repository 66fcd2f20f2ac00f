"""The options about what counts and in which units: `--unscale`, `--replicated` and `--tied`."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from support.command import Run, Save

TRUE = np.array([[3, 0], [0, 4]], np.float32)


@pytest.fixture
def dumps(save: Save) -> None:
    """Gradients times 1,024, two ranks that hold one copy, and tied matrices, in the working directory."""
    save_file({"w": TRUE * 1024}, "scaled.safetensors", metadata={"loss_scale": "1024"})
    for rank in (0, 1):
        save(f"rank{rank}.safetensors", copy=TRUE, piece=[5 * (rank + 1), 0])
    save("tied.safetensors", **{"head.w": TRUE, "emb.w": TRUE, "b": [12]})


@pytest.mark.parametrize(
    ("argv", "code", "error"),
    [
        ("stats scaled.safetensors --unscale loss_scale", 0, ""),
        (
            "stats scaled.safetensors",
            0,
            "note: scaled.safetensors: its metadata says loss_scale 1024, and norms are of the values as stored; "
            "give --unscale loss_scale for those without it\n",
        ),
        (
            "stats scaled.safetensors --unscale grad_scale",
            3,
            "Error: scaled.safetensors: has no 'grad_scale' in its metadata, as --unscale asks; did you mean loss_scale?\n",
        ),
        (
            "diff scaled.safetensors tied.safetensors --unscale loss_scale",
            3,
            "Error: tied.safetensors: has no 'loss_scale' in its metadata, as --unscale asks; it holds none\n",
        ),
        ("stats rank0.safetensors rank1.safetensors --shards --replicated c*", 0, ""),
        ("check rank0.safetensors rank1.safetensors --shards --replicated c*", 0, ""),
        (
            "check rank0.safetensors rank1.safetensors --shards --replicated *",
            3,
            "Error: rank1.safetensors: piece: is not the same as in rank0.safetensors, so it is no copy of it; "
            "leave it out of --replicated\n",
        ),
        (
            "stats rank0.safetensors rank1.safetensors --shards",
            0,
            "note: rank0.safetensors: the same in all ranks, and counted once for each: copy; "
            "give --replicated 'copy' if they are copies\n",
        ),
        (
            "check tied.safetensors -q",
            0,
            "note: tied.safetensors: emb.w and head.w have the same bits, and each counts; "
            "give --tied once if they are one tensor\n",
        ),
        ("check tied.safetensors -q --tied once", 0, ""),
    ],
)
def test_what_is_said(argv: str, code: int, error: str, dumps: None, run: Run) -> None:
    """What changes the meaning of figures is noted, and errors are one line that names the file and what to do."""
    result = run(*argv.split())
    assert (result.code, result.err) == (code, error)


@pytest.mark.parametrize(
    "argv",
    [
        "stats scaled.safetensors --unscale 0",
        "apply scaled.safetensors --dry-run -s none --unscale -1",
        "diff scaled.safetensors scaled.safetensors --unscale nan",
        "check tied.safetensors --tied never",
        "stats tied.safetensors --replicated emb*",
        "stats rank0.safetensors rank1.safetensors --shards --replicated kopy",
    ],
)
def test_wrong_usage(argv: str, dumps: None, run: Run) -> None:
    """A scale that is none, and a pattern that cannot apply, are wrong usage."""
    assert run(*argv.split()).code == 2


@pytest.mark.parametrize(
    ("argv", "norm"),
    [
        ("scaled.safetensors --unscale loss_scale", 5.0),
        ("scaled.safetensors --unscale 512", 10.0),
        ("rank0.safetensors rank1.safetensors --shards --replicated copy", np.sqrt(25 + 25 + 100)),
        ("tied.safetensors --tied once", 13.0),
    ],
)
def test_the_norm_of_a_dump(argv: str, norm: float, dumps: None, run: Run) -> None:
    """Norms are those of the true gradients, each counted once."""
    report = json.loads(run("stats", *argv.split(), "-f", "json").out)
    assert [dump["norm"] for dump in report["dumps"]] == [pytest.approx(norm, rel=1e-12)]


def test_clipping_in_the_units_of_the_file(dumps: None, run: Run) -> None:
    """Elements are limited to the threshold times the scale, and a factor has no unit."""
    for strategy, expected in (("clip-by-value", np.minimum(TRUE, 2) * 1024), ("clip-by-norm", TRUE * 1024 * 0.4)):
        argv = f"apply scaled.safetensors -o {strategy}.safetensors -s {strategy} -t 2 --unscale loss_scale -q"
        assert run(*argv.split()).code == 0
        np.testing.assert_allclose(load_file(f"{strategy}.safetensors")["w"], expected, rtol=1e-7)
