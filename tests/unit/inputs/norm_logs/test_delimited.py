"""Tables with a row of names, and texts that are none."""

from pathlib import Path

import pytest

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.norm_logs.delimited import DELIMITED
from gradclip_cli.inputs.norm_logs.reading import layout_of, read_log


@pytest.mark.parametrize(
    ("head", "is_table"),
    [
        (b"step,grad_norm\n1,2.0\n", True),
        (b"\xef\xbb\xbfstep;grad_norm\n1;2.0\n", True),
        (b'"Step","a, b - grad_norm"\n"1","2.0"\n', True),
        (b"step,loss,note\n1,2.0,\n2,,fine\n", True),
        (b"grad_norm\n1.0\nnan\n", True),
        (b"1,2.0\n2,3.0\n", False),
        (b"2024-01-01 10:00:00,123 - INFO - begin\n2024-01-01 10:00:01,000 - INFO - step 1\n", False),
        (b"loading a, b and c\nloading d, e and f\n", False),
        (b"hello\nworld\n", False),
        (b"step: 1, grad_norm: 2.0\nstep: 2, grad_norm: 3.0\n", False),
    ],
)
def test_tables(head: bytes, is_table: bool) -> None:
    """A table has names in its first row, as many fields in each row, and a number in each; logs with commas have not."""
    assert DELIMITED.matches(head) == is_table
    assert (layout_of(head) is DELIMITED) == is_table


def test_rows_that_are_cut(tmp_path: Path) -> None:
    """The last row of a run that was killed is passed over."""
    path = tmp_path / "metrics.csv"
    path.write_text("loss,step,grad_norm\n1.0,1,2.0\n1.0,2,2.5\n1.0,3")
    assert read_log(str(path)).norms.tolist() == [2.0, 2.5]


def test_a_line_without_end(tmp_path: Path) -> None:
    """No row is so long; memory is not filled to find that out."""
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"step,grad_norm\n1,2.0\n" + b"x" * (9 << 20))
    with pytest.raises(InputError, match="has a line of more than"):
        read_log(str(path))


def test_damaged_quotes(tmp_path: Path) -> None:
    """What the csv module refuses is an error with its line."""
    path = tmp_path / "metrics.csv"
    path.write_bytes(b'step,grad_norm\n1,2.0\n2,"' + b"x\n" * 200_000)
    with pytest.raises(InputError, match=r"line .*field larger than field limit"):
        read_log(str(path))
