"""What the official library wrote is read bit for bit."""

import json
import os
from pathlib import Path

import pytest
from safetensors.numpy import save_file
from support.tensors import read_all

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Options
from gradclip_cli.formats.opening import opened
from unit.formats.safetensors.made import CODES, SHAPES, array_of, entry, write


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", SHAPES)
def test_what_the_official_library_wrote_is_read(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    """Every dtype and shape, 0-d and empty too, is read as it was written, bit for bit."""
    path, array = tmp_path / "a.safetensors", array_of(dtype, shape)
    save_file({"w": array}, path)
    spec, data = read_all(path)["w"]
    assert (spec.dtype.name, spec.shape, data) == (dtype, shape, array.tobytes())


def test_tensors_are_in_the_order_of_their_data(sample: Path) -> None:
    """Tensors come in the order in which their elements lie in the file."""
    header = json.loads(sample.read_bytes()[8 : 8 + int.from_bytes(sample.read_bytes()[:8], "little")])
    header.pop("__metadata__")
    assert list(read_all(sample)) == sorted(header, key=lambda name: header[name]["data_offsets"])


def test_metadata_is_named_as_what_other_formats_lose(sample: Path) -> None:
    """The keys of the metadata are what a conversion leaves out."""
    with opened(str(sample), Options()) as (_, reader):
        (left_out,) = reader.not_convertible()
    assert "format" in left_out
    assert "note" in left_out


def test_a_file_that_changes_is_noticed(sample: Path) -> None:
    """What was written to while it was read is refused at the end."""
    with opened(str(sample), Options()) as (_, reader):
        os.utime(sample, ns=(0, 0))
        with pytest.raises(InputError, match="changed while it was read"):
            reader.verify()


def test_packed_values_and_their_scales_are_named(tmp_path: Path) -> None:
    """One note names the tensors of MX types, since they are in no norm; without any there is no note."""
    header = {"w": entry(0, 2, (4,), "F4"), "scale": entry(2, 3, (1,), "F8_E8M0"), "b": entry(3, 7)}
    with opened(str(write(tmp_path, header, bytes(7))), Options()) as (_, reader):
        [note] = reader.notes
        assert (note.kind, note.changes_figures) == ("packed", True)
        assert ": w, scale;" in note.text
        assert [spec.dtype.is_float for spec in reader.tensors] == [False, False, True]
    with opened(str(write(tmp_path, {"b": entry(0, 4)}, bytes(4))), Options()) as (_, reader):
        assert not reader.notes
