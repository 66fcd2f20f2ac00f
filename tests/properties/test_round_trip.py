"""Whatever a dump holds, it comes out bit for bit, or is refused because the format has no place for it."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from support.folders import memory_folder
from support.generated import CODES, Dump, dumps, few, read, write
from support.official import BFLOAT16, E4M3FN, E5M2, FNUZ, all_bits, bits

import gradclip_cli
from gradclip_cli import GradclipError

SUFFIXES = {"hdf5": ".h5", "npz": ".npz"}
NOTHING = [{"strategy": "none"}, {"strategy": "clip-by-global-norm", "threshold": float("inf")}]


def fits_hdf5(dump: Dump) -> bool:
    """Names are paths of links, and a link is either a group or a dataset; there is no float8."""
    parts = {name: name.split("/") for name in dump}
    groups = {"/".join(path[:k]) for path in parts.values() for k in range(1, len(path))}
    links = all(part not in ("", ".") and part != ".." and "\0" not in part for path in parts.values() for part in path)
    return links and not groups & parts.keys() and not has_float8(dump)


def fits_npz(dump: Dump) -> bool:
    """A name is that of a member, which ends at a NUL, and which numpy gives another ending; there is no float8."""
    return not any("\0" in name or f"{name}.npy" in dump for name in dump) and not has_float8(dump)


def has_float8(dump: Dump) -> bool:
    """Whether there is a float of one byte."""
    return any(array.dtype in (E4M3FN, E5M2, *FNUZ) for array in dump.values())


FITS = {"hdf5": fits_hdf5, "npz": fits_npz}


def look(path: Path, dump: Dump) -> Dump:
    """Read what is expected with the libraries that own the formats."""
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            found = {name: np.asarray(file[name.encode()][()]) for name in dump}
    else:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in dump}
    return {name: array.view(BFLOAT16) if array.dtype == np.dtype("V2") else array for name, array in found.items()}


@pytest.mark.parametrize("options", NOTHING, ids=["none", "inf"])
@given(dump=dumps(list(CODES.values())))
@few(66)
def test_the_same_format_keeps_every_bit(options: dict[str, Any], dump: Dump) -> None:
    """Without a strategy, and with a threshold of infinity, a file is copied as it is."""
    with memory_folder() as at:
        write(at / "a.safetensors", dump)
        gradclip_cli.apply(at / "a.safetensors", at / "b.safetensors", nonfinite="skip", **options)
        assert (at / "b.safetensors").read_bytes() == (at / "a.safetensors").read_bytes()


KEPT: dict[str, Any] = {"strategy": "none", "nonfinite": "skip", "output_dtype": "keep"}
"""What changes no bit, not even in npz, which has no bfloat16."""


@pytest.mark.parametrize("format", SUFFIXES)
@given(dump=dumps(list(CODES.values())))
@few(80)
def test_another_format_keeps_every_bit_or_refuses(format: str, dump: Dump) -> None:
    """A conversion holds the same names, shapes, dtypes and bits, there and back; what has no place there is refused, exit 5."""
    with memory_folder() as at:
        source, target, back = at / "a.safetensors", at / f"b{SUFFIXES[format]}", at / "c.safetensors"
        write(source, dump)
        if not FITS[format](dump):
            with pytest.raises(GradclipError) as caught:
                gradclip_cli.apply(source, target, **KEPT)
            assert (caught.value.exit_code, target.exists()) == (5, False)
            assert str(caught.value).isprintable()
            return
        gradclip_cli.apply(source, target, **KEPT)
        assert all_bits(look(target, dump)) == all_bits(dump)
        gradclip_cli.apply(target, back, strategy="none", nonfinite="skip", void_dtype="bfloat16")
        assert all_bits(read(back)) == all_bits(dump)


@pytest.mark.parametrize("format", SUFFIXES)
@given(dump=dumps([dtype for code, dtype in CODES.items() if not code.startswith("F8")]))
@few(53)
def test_a_copy_of_another_format_keeps_every_bit(format: str, dump: Dump) -> None:
    """A file of any format that is not changed is the same file again."""
    with memory_folder() as at:
        source, first, second = at / "a.safetensors", at / f"b{SUFFIXES[format]}", at / f"c{SUFFIXES[format]}"
        write(source, {f"n{k}": array for k, array in enumerate(dump.values())})
        gradclip_cli.apply(source, first, **KEPT)
        options: dict[str, Any] = {"nonfinite": "skip", "void_dtype": "bfloat16"}
        gradclip_cli.apply(first, second, strategy="clip-by-global-norm", threshold=float("inf"), **options)
        assert second.read_bytes() == first.read_bytes()
        found = look(second, {f"n{k}": array for k, array in enumerate(dump.values())})
        assert [bits(found[f"n{k}"]) for k in range(len(dump))] == [bits(array) for array in dump.values()]
