"""A small file never takes much memory, whatever it unpacks to."""

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from laws.test_memory import MEASURE
from support.matrices import every_second

from hostile.hdf5_elsewhere import BOMBS

CEILING = 300 << 20


def deflated(order: bool, shape: tuple[int, int]) -> Callable[[Path], None]:
    """An archive of zeros in either order of axes."""

    def make(path: Path) -> None:
        out = io.BytesIO()
        with (
            zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file,
            file.open("w.npy", "w", force_zip64=True) as member,
        ):
            fields = {"descr": "<f4", "fortran_order": order, "shape": shape}
            np.lib.format.write_array_header_1_0(member, fields)
            for _ in range(shape[0]):
                member.write(bytes(4 * shape[1]))
        path.write_bytes(out.getvalue())

    return make


def header_of_lists(path: Path) -> None:
    """A safetensors header of nothing but lists, which take far more memory than text."""
    text = b'{"a":[' + b"[]," * 700_000 + b"1]}"
    path.write_bytes(len(text).to_bytes(8, "little") + text)


FILES = {
    "lists.safetensors": (header_of_lists, 3),
    "rows.npz": (deflated(False, (60, 1_000_000)), 0),
    **{f"{name}.h5": made for name, made in BOMBS.items()},
}


@pytest.mark.parametrize("name", every_second(FILES))
def test_memory_has_a_ceiling(name: str, roomy: Path) -> None:
    """Reading and converting takes less than 300 MiB; what could not is refused."""
    make, expected = FILES[name]
    make(roomy / name)
    assert (roomy / name).stat().st_size < 3 << 20
    gradclip = [
        sys.executable,
        "-m",
        "gradclip_cli",
        "apply",
        str(roomy / name),
        "-o",
        str(roomy / "out.safetensors"),
        "-s",
        "none",
        "-q",
    ]
    run = subprocess.run([sys.executable, "-c", MEASURE, *gradclip], capture_output=True, text=True, check=True)
    code, peak = map(int, run.stdout.split())
    assert code == expected, run.stderr
    assert peak < CEILING
