"""What counts in no norm is named in a note, copied unchanged in its own format, and lost in no other without a word."""

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors
from support.command import Run, Save
from support.official import load, savez, savez_compressed
from unit.formats.npz.made import npy_bytes
from unit.formats.safetensors.made import entry, write

RAGGED = np.empty(2, object)
RAGGED[:] = [np.ones(2), np.ones(3)]


@pytest.fixture
def mx(save: Save) -> Path:
    """Write packed values with their scales, beside gradients of norm √(0 + 1 + 4 + 9)."""
    header = {
        "blk.w": entry(0, 32, (2, 32), "F4"),
        "blk.w_scale": entry(32, 34, (2, 1), "F8_E8M0"),
        "blk.norm": entry(34, 50, (4,)),
    }
    return write(Path(), header, bytes(range(32)) + b"\x7f\x82" + np.arange(4, dtype=np.float32).tobytes())


@pytest.fixture(params=[savez, savez_compressed], ids=["stored", "deflated"])
def objects(save: Save, request: pytest.FixtureRequest) -> Path:
    """Write object arrays, structures and texts beside gradients of norm 5."""
    table, ids = np.array([(1.5, 2)], [("g", "f4"), ("n", "i4")]), np.array([1])
    request.param("o.npz", w=np.array([3, -4], np.float32), ragged=RAGGED, table=table, words=np.array(["a"]), ids=ids)
    return Path("o.npz")


def report(run: Run, *argv: str | Path) -> Any:
    """Return a report as JSON; the command must succeed."""
    result = run(*argv, "-f", "json")
    assert (result.code, result.out[:1]) == (0, "{"), result.err
    return json.loads(result.out)


def test_packed_values_are_listed_and_not_counted(mx: Path, run: Run) -> None:
    """`ls` lists values and scales of MX types with their shape in values; the norm is of the rest, and a note says so."""
    rows = {row["name"]: (row["dtype"], row["shape"], row["bytes"]) for row in report(run, "ls", mx)["tensors"]}
    assert rows == {
        "blk.w": ("float4_e2m1fn", [2, 32], 32),
        "blk.w_scale": ("float8_e8m0fnu", [2, 1], 2),
        "blk.norm": ("float32", [4], 16),
    }
    stats = report(run, "stats", mx)
    assert stats["dumps"][0]["norm"] == pytest.approx(math.sqrt(14), rel=1e-15)
    assert [note["kind"] for note in stats["notes"]] == ["packed"]
    quiet = run("stats", mx, "-q")
    assert quiet.err.startswith(f"note: {mx}: ")
    assert ": blk.w, blk.w_scale;" in quiet.err


def test_packed_values_are_copied(mx: Path, run: Run) -> None:
    """`apply` leaves them as they are: the official library finds their bytes, and the clipped gradients beside them."""
    assert run("apply", mx, "-o", "out.safetensors", "-s", "clip-by-global-norm", "-t", "1").code == 0
    found = {
        name: bytes(tensor["data"]) for name, tensor in safetensors.deserialize(Path("out.safetensors").read_bytes())
    }
    assert (found["blk.w"], found["blk.w_scale"]) == (bytes(range(32)), b"\x7f\x82")
    np.testing.assert_allclose(np.frombuffer(found["blk.norm"], np.float32), np.arange(4) / math.sqrt(14), rtol=1e-7)


@pytest.mark.parametrize("name", ["out.npz", "out.h5"])
@pytest.mark.parametrize("options", [(), ("--exclude", "blk.w*")])
def test_packed_values_are_in_no_other_format(mx: Path, name: str, options: tuple[str, ...], run: Run) -> None:
    """Converting them is refused, since what is left out of the norm is written all the same; nothing is written."""
    result = run("apply", mx, "-o", name, "-s", "none", *options)
    assert (result.code, result.out, Path(name).exists()) == (5, "", False)
    assert result.err.startswith(f"Error: {name}: blk.w: ")
    assert "float4_e2m1fn" in result.err


def test_packed_values_are_compared_as_bytes(mx: Path, run: Run) -> None:
    """Equal bytes are the same; others differ, and how much the bytes differ is no figure; other dtypes are not compared."""
    data = mx.read_bytes()
    Path("b.safetensors").write_bytes(data[:-50] + b"\xff" + data[-49:])
    wide = {
        "blk.w": entry(0, 256, (2, 32)),
        "blk.w_scale": entry(256, 258, (2, 1), "F8_E8M0"),
        "blk.norm": entry(258, 274, (4,)),
    }
    floats = write(Path(), wide, np.ones(64, np.float32).tobytes() + data[-18:]).rename("c.safetensors")
    Path("a.safetensors").write_bytes(data)
    for other, status, norm in (
        ("a.safetensors", "same", None),
        ("b.safetensors", "differs", None),
        (floats, "differs", 8.0),
    ):
        rows = {row["name"]: row for row in json.loads(run("diff", "a.safetensors", other, "-f", "json").out)["params"]}
        row = rows["blk.w"]
        assert (row["status"], row["norm_a"], row["norm_b"]) == (status, None, norm)
        assert row["max_abs_diff"] == (0.0 if status == "same" else None)
        assert [rows[name]["status"] for name in ("blk.w_scale", "blk.norm")] == ["same", "same"]


def test_numbers_of_fnuz_are_counted_and_clipped(save: Save, run: Run) -> None:
    """Norms are exact; what is written is rounded as ml_dtypes rounds it, and negative numbers underflow to 0, not to NaN."""
    values = np.array([240, -100, 0.5, -(2.0**-10)], np.float32).astype(ml_dtypes.float8_e4m3fnuz)
    path = write(Path(), {"w": entry(0, 4, (4,), "F8_E4M3FNUZ")}, values.tobytes())
    wide = values.astype(np.float64)
    norm = math.sqrt(math.fsum(wide * wide))
    [dump] = report(run, "apply", path, "-o", "out.safetensors", "-s", "clip-by-global-norm", "-t", "1")["dumps"]
    assert dump["total"]["norm_before"] == pytest.approx(norm, rel=1e-15)
    assert dump["params"][0]["underflowed"] == 1
    found = load(Path("out.safetensors"))["w"]
    assert found.tobytes() == (wide / norm).astype(np.float32).astype(ml_dtypes.float8_e4m3fnuz).tobytes()
    assert found.view(np.uint8)[3] == 0


def test_the_nan_of_fnuz_is_refused_or_made_zero(save: Save, run: Run) -> None:
    """0x80 is NaN: `apply` refuses it by name, and `--nonfinite zero` makes 0 of it."""
    path = write(Path(), {"w": entry(0, 3, (3,), "F8_E5M2FNUZ")}, b"\x40\x80\x00")
    argv = ("apply", path, "-o", "out.safetensors", "-s", "clip-by-value", "-t", "10")
    refused = run(*argv)
    assert (refused.code, "w (1 NaN)" in refused.err) == (4, True)
    assert run(*argv, "--nonfinite", "zero").code == 0
    assert load(Path("out.safetensors"))["w"].tobytes() == b"\x40\x00\x00"


@pytest.mark.parametrize("names", [("fc1.weight", "fc1.bias"), ("fc1.weight", "fc1.bias.npy")], ids=["rust", "both"])
@pytest.mark.parametrize("through", ["out.safetensors", "out.h5", "out.npz"])
def test_members_without_a_suffix_are_gradients(save: Save, run: Run, names: tuple[str, str], through: str) -> None:
    """Arrays count whatever their members are called, and nothing is lost on the way through any format and back."""
    arrays = {"fc1.weight": np.full((2, 2), 10, np.float32), "fc1.bias": np.full(4, 0.5, np.float32)}
    with zipfile.ZipFile("rust.npz", "w") as archive:
        for name, array in zip(names, arrays.values(), strict=True):
            archive.writestr(name, npy_bytes(array))
    assert report(run, "stats", "rust.npz")["dumps"][0]["norm"] == pytest.approx(20.024984394500787, rel=1e-15)
    for source, target in (("rust.npz", through), (through, "back.npz")):
        assert run("apply", source, "-o", target, "-s", "none").code == 0
    back = load(Path("back.npz"))
    assert {name: (a.dtype, a.tolist()) for name, a in back.items()} == {
        name: (a.dtype, a.tolist()) for name, a in arrays.items()
    }
    if through == "out.npz":
        assert tuple(zipfile.ZipFile(through).namelist()) == names


def test_objects_are_not_in_the_way(objects: Path, run: Run) -> None:
    """Object arrays, structures and texts are named and keep their bytes where the format stays."""
    result = report(run, "apply", objects, "-o", "out.npz", "-s", "clip-by-global-norm", "-t", "1")
    assert result["dumps"][0]["total"]["norm_before"] == 5.0
    assert [note["kind"] for note in result["notes"]] == ["pickled", "floats-in-records", "not-numbers"]
    with zipfile.ZipFile(objects) as before, zipfile.ZipFile("out.npz") as after:
        kept = [name for name in before.namelist() if before.read(name) == after.read(name)]
    assert kept == ["ragged.npy", "table.npy", "words.npy", "ids.npy"]
    with np.load("out.npz", allow_pickle=True) as found:
        assert [a.tolist() for a in found["ragged"]] == [[1, 1], [1, 1, 1]]
        np.testing.assert_allclose(found["w"], [0.6, -0.8], rtol=1e-7)


@pytest.mark.parametrize("name", ["out.safetensors", "out.h5"])
def test_objects_are_converted_only_without_them(objects: Path, name: str, run: Run) -> None:
    """Another format cannot hold pickled objects: that is refused, unless they are left out, and then it is said."""
    argv = ("apply", objects, "-o", name, "-s", "none")
    refused = run(*argv)
    assert (refused.code, Path(name).exists()) == (5, False)
    assert refused.err.startswith(f"Error: {name}: ragged: holds pickled objects")
    assert "--exclude" in refused.err
    for options in (("--exclude", "ragged"), ("--include", "w")):
        done = run(*argv, *options, "--overwrite")
        assert done.code == 0
        assert "pickled objects (ragged)" in done.err
        assert load(Path(name))["w"].tolist() == [3, -4]
