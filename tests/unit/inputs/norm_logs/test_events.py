"""Events of TensorBoard: cuts, damage and what is no scalar."""

import random
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from support.log_samples import event, events, field, histogram, masked, record, simple

from gradclip_cli.errors import GradclipError, InputError
from gradclip_cli.inputs.norm_logs.base import NormLog
from gradclip_cli.inputs.norm_logs.protobuf import fields, varint
from gradclip_cli.inputs.norm_logs.reading import read_log
from gradclip_cli.inputs.norm_logs.records import DamagedError, Records, begins_with_record

ROWS = [event(step, simple("grad_norm", step + 0.5)) for step in range(20)]


def read(data: bytes, folder: Path) -> NormLog:
    """Read data as a file of events."""
    path = folder / "events.out.tfevents.1"
    path.write_bytes(data)
    return read_log(str(path))


def test_the_checksum_is_that_of_the_standard() -> None:
    """CRC-32C of `123456789` is E3069283; records are read only where lengths have theirs."""
    assert Records((), b"", 0).masked_crc(b"12345678") == masked(b"12345678")
    assert begins_with_record(record(b"x"))
    assert not begins_with_record(record(b"x")[:11])
    assert not begins_with_record(b"\2" + record(b"x")[1:])


@pytest.mark.parametrize("cut", [1, 4, 5, 30, 60])
def test_a_file_that_is_still_written(cut: int, tmp_path: Path) -> None:
    """What is complete is read, with a note; no figure changes."""
    log = read(events(*ROWS)[:-cut], tmp_path)
    assert 18 <= len(log.norms) <= 19
    assert log.norms.tolist() == [step + 0.5 for step in range(len(log.norms))]
    assert [note.kind for note in log.notes] == ["still-written"]


def test_damage(tmp_path: Path) -> None:
    """Behind a length without its checksum nothing is read, and that is said with its place."""
    data = bytearray(events(*ROWS))
    at = len(events(*ROWS[:10]))
    data[at] ^= 1
    log = read(bytes(data), tmp_path)
    assert len(log.norms) == 10
    assert f"is damaged at byte {at:,}" in log.notes[0].text
    assert log.notes[0].changes_figures


def test_what_is_no_scalar_is_passed_over(tmp_path: Path) -> None:
    """Histograms, tensors of several elements and of other dtypes are no norms; large records are not even kept."""
    vector = field(1, b"grad_norm") + field(8, field(1, 1) + field(2, field(2, field(1, 3))) + field(4, bytes(4)))
    integer = field(1, b"grad_norm") + field(8, field(1, 3) + field(7, bytes(4)))
    data = events(
        event(1, histogram("grad_norm")),
        event(2, vector),
        event(3, integer),
        ROWS[4],
        event(5, histogram("big", 20 << 20)),
        ROWS[6],
    )
    log = read(data, tmp_path)
    assert log.steps is not None
    assert log.steps.tolist() == [4, 6]


def test_blocks_of_any_size() -> None:
    """Records are found wherever blocks end, and their places are those in the file."""
    data = events(*ROWS)
    for size in (1, 7, 12, 13, 60, len(data)):
        records = Records((data[at : at + size] for at in range(0, len(data), size)), b"grad_norm", 0)
        assert [held[start:stop] for held, start, stop, _ in records] == ROWS
        assert (records.at, records.cut) == (len(data), False)
    with pytest.raises(DamagedError, match=f"damaged at byte {len(data):,}"):
        list(Records([data, b"\1" * 12], b"", 0))


@pytest.mark.parametrize("size", [20 << 20, 17 << 20])
def test_large_records_are_skipped(size: int) -> None:
    """A record of more than 16 MiB is passed over block by block."""
    data = record(bytes(size)) + record(b"norm")
    records = Records((data[at : at + 100_000] for at in range(0, len(data), 100_000)), b"norm", 0)
    assert [held[start:stop] for held, start, stop, _ in records] == [b"norm"]
    assert not records.cut


def test_damaged_messages() -> None:
    """A number without end and a field that is too long are ValueError, nothing else."""
    for data in (b"\xff" * 12, b"\x0a\x05abc", b"\x0b", b"\x09abc"):
        with pytest.raises(ValueError, match=r"no end|longer|kind"):
            list(fields(data, 0, len(data)))
    assert varint(b"\x80\x01", 0, 2) == (128, 2)


def test_mutants(tmp_path: Path) -> None:
    """Whatever is damaged, cut or put in: a log is read, or there is an error of one line; nothing else comes out."""
    seed = events(*(event(step, simple("grad_norm", 1.5), histogram("h", 40)) for step in range(6)))
    read_at_all = 0
    for number in range(800):
        chance, data = random.Random(number), bytearray(seed)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            kind = chance.randrange(4)
            if kind == 0:
                data[at] ^= 1 << chance.randrange(8)
            elif kind == 1:
                data[at : at + 1] = varint_bytes(chance.getrandbits(chance.choice([7, 14, 35, 64, 80])))
            elif kind == 2:
                del data[at:]
            else:
                data[at:at] = chance.randbytes(chance.randint(1, 9))
            data = data or bytearray(seed[:1])
        if number % 2:  # with lengths that have their checksums, so that what is inside is reached
            inner = bytes(data[:200])
            data = bytearray(events() + record(inner) + record(event(9, simple("grad_norm", 2.5))))
        with suppress(GradclipError):
            read_at_all += bool(read(bytes(data), tmp_path).norms)
    assert read_at_all > 200


def varint_bytes(value: int) -> bytes:
    """A varint, of whatever length."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def test_a_step_below_zero_is_none(tmp_path: Path) -> None:
    """A step is a whole number from 0 on; TensorBoard's int64 may be below."""
    minus = (
        b"\x09" + struct.pack("<d", 1.0) + b"\x10" + b"\xff" * 9 + b"\1" + field(5, field(1, simple("grad_norm", 1.5)))
    )
    assert read(events(minus), tmp_path).steps is None


def test_an_empty_file_of_events(tmp_path: Path) -> None:
    """A file that has only its version holds no numbers."""
    with pytest.raises(InputError, match="holds no numbers by step"):
        read(events(), tmp_path)
