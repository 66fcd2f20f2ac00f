"""Lines reach the stream whole and in order."""

import io

import pytest

from gradclip_cli.render.records import write_lines


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 5003])
def test_all_lines_are_written_in_order(count: int) -> None:
    """However many lines there are, all are written, and in a few calls."""
    calls: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            calls.append(text)
            return len(text)

    write_lines(Stream(), (f"{k}\n" for k in range(count)))
    assert "".join(calls) == "".join(f"{k}\n" for k in range(count))
    assert len(calls) == -(-count // 1000)
