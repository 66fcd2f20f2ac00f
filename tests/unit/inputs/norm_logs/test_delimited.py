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


def kinds(path: Path, text: str) -> tuple[list[tuple[int, float]], list[str]]:
    """The steps and norms of a table, and the kinds of the notes on it."""
    path.write_text(text)
    log = read_log(str(path))
    assert log.steps is not None
    return list(zip(log.steps, log.norms, strict=True)), [note.kind for note in log.notes]


def test_what_is_no_number_is_counted(tmp_path: Path) -> None:
    """Separators of thousands are read, words are counted and left out; an empty cell is none."""
    text = 'step,grad_norm\n0,1.5\n1,999.5\n2,"1,234.5"\n3,oops\n4,\n5,2.5\n'
    assert kinds(tmp_path / "a.csv", text) == ([(0, 1.5), (1, 999.5), (2, 1234.5), (5, 2.5)], ["no-number"])


def test_another_row_of_names(tmp_path: Path) -> None:
    """A run that writes to the file of another has its own columns behind its own row of names."""
    rows = "".join(f"{step},{step + 0.5}\n" for step in range(5))
    more = "".join(f"{step},9.0,{step + 1.5}\n" for step in range(3))
    text = f"step,grad_norm\n{rows}step,loss,grad_norm\n{more}"
    assert kinds(tmp_path / "a.csv", text) == ([(0, 1.5), (1, 2.5), (2, 3.5)], ["several-runs"])


def test_the_last_line_may_be_cut(tmp_path: Path) -> None:
    """Where the last line has no end and its last cell is a norm, that may lack digits, which is said."""
    assert kinds(tmp_path / "a.csv", "step,grad_norm\n0,1.5\n1,2") == ([(0, 1.5), (1, 2.0)], ["still-written"])
    assert kinds(tmp_path / "a.csv", "grad_norm,step\n1.5,0\n2.5,1") == ([(0, 1.5), (1, 2.5)], [])


def test_a_wide_table(tmp_path: Path) -> None:
    """A table is told though its row of names is longer than what is looked at."""
    names = [f"grad_2.0_norm/model.layers.{k}.weight" for k in range(4000)]
    path = tmp_path / "metrics.csv"
    row = ",".join(["1.5"] * 4000)
    path.write_text(f"epoch,{','.join(names)},grad_2.0_norm_total,step\n0,{row},7.5,3\n0,{row},8.5,4\n")
    log = read_log(str(path))
    assert (log.steps and log.steps.tolist(), log.norms.tolist(), len(log.tensors)) == ([3, 4], [7.5, 8.5], 4000)
