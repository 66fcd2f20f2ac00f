"""The values of one tensor fit a terminal: a histogram, what narrower dtypes lose, and percentiles."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.official import save_as

from gradclip_cli import show
from gradclip_cli.render.screens import screen
from gradclip_cli.render.screens.line import text_of
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.screens.show_values import share_of


def lines(folder: Path, array: NDArray[Any], room: Room = Room()) -> list[str]:  # noqa: B008 (a named tuple)
    """Return the lines of the screen about one tensor, without its path."""
    report = show(save_as(folder / "g.npz", {"w": array}), "w")
    return [text_of(line) for line in screen(report, room)][3:]


def spread(size: int = 4000) -> NDArray[np.float32]:
    """Return normal numbers of many magnitudes."""
    rng = np.random.default_rng(0)
    return (rng.standard_normal(size) * 10.0 ** rng.uniform(-9, -1, size)).astype(np.float32)


def test_a_row_holds_powers_of_two(tmp_path: Path) -> None:
    """Each row counts the magnitudes from its edge to the next, with a mark where a dtype loses or bends most of them."""
    found = lines(tmp_path, np.array([[1, 1.5, -2, 3.5], [0.3, 0, 2.0**-11, np.nan]], np.float32))
    histogram = [one.replace(" %", "%").split() for one in found[found.index("", 3) + 3 : -5]]
    assert [row[:3] + row[-1:] for row in histogram] == [
        ["2", "2", "28.6%", "█" * 27],
        ["1", "2", "28.6%", "█" * 27],
        ["0.5", "0", "0", "0"],
        ["0.25", "1", "14.3%", "█" * 13 + "▌"],
        *([edge, "0", "0", "0"] for edge in ("0.12", "0.062", "0.031", "0.016")),
        *([edge, "0", "0", "s"] for edge in ("0.0078", "0.0039", "0.002", "0.00098")),
        ["0.00049", "1", "14.3%", "0"],
        ["0", "1", "14.3%", "14.3%"],
    ]
    assert found[-5].split() == ["lost", "(0)", "0", "0", "14.3", "%", "0"]


def test_the_whole_screen_of_few_values(tmp_path: Path) -> None:
    """A tensor of few values is shown as it should look."""
    found = lines(tmp_path, np.array([[1, -1.5], [2, 2.0**-30]], np.float32))
    assert found[:7] == [
        "",
        "norm 2.693   rms 1.346",
        "max 2 at [1, 0]   min above 0 9.313e-10 at [1, 1]",
        "3 positive (75.0 %)   1 negative (25.0 %)   0 zero",
        "",
        " most of a row is  0 lost   s subnormal",
        " |g| from  values   share                             f16  bf16    e4m3    e5m2",
    ]
    assert found[7:10] == [
        "        1       3  75.0 %  ██████████████████████",
        "     0.12       0       0",
        "    0.016       0       0",
    ]
    assert found[-6:] == [
        "  9.3e-10       1  25.0 %  ███████▍                     0             0       0",
        "                                         lost (0)  25.0 %     0  25.0 %  25.0 %",
        "",
        "percentiles of |g|, to a bin: at most 12.5 % below",
        "    0.1 %       1 %       5 %      25 %  50 %  75 %  95 %  99 %  99.9 %",
        " 9.31e-10  9.31e-10  9.31e-10  9.31e-10     1   1.5     2     2       2",
    ]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_fit_a_terminal(tmp_path: Path, width: int) -> None:
    """Everything fits 60, 80 and 120 columns, in at most 28 lines, also of subnormal and of large numbers."""
    with np.errstate(over="ignore"):
        for array in (
            spread(),
            spread() * np.float32(1e-37),
            spread().astype(np.float64) * (1e90 if width > 60 else 1),
            spread() * np.float32(1e20),
        ):
            found = lines(tmp_path, array.reshape(40, 100), Room(width))
            assert max(map(len, found)) <= width
            assert len(found) <= 28


def test_ascii_has_no_blocks(tmp_path: Path) -> None:
    """Where Unicode cannot be shown, bars are of plain characters."""
    found = lines(tmp_path, spread(), Room(unicode=False))
    assert all(one.isascii() for one in found)
    assert any("####" in one for one in found)


def test_what_is_not_finite_comes_first(tmp_path: Path) -> None:
    """NaN and infinities are counted with the first index of either, before figures of the rest."""
    found = lines(tmp_path, np.array([[1, np.nan], [-np.inf, np.nan]], np.float32))
    assert found[:2] == [" NaN  2 of 4, the first at [0, 1]", " Inf  1 of 4 (0 +, 1 -), the first at [1, 0]"]
    assert found[3] == "norm 1   rms 1   without NaN and Inf"


def test_without_a_number_there_is_no_histogram(tmp_path: Path) -> None:
    """Zeros, nothing and NaN alone have neither rows nor percentiles, and a scalar has no index."""
    assert lines(tmp_path, np.zeros(3, np.float32))[1:] == [
        "norm 0   rms 0",
        "0 positive   0 negative   3 zero (100 %)",
    ]
    assert lines(tmp_path, np.zeros((0, 2), np.float32)) == []
    assert lines(tmp_path, np.full(2, np.nan, np.float16)) == [" NaN  2 of 2, the first at [0]"]
    assert lines(tmp_path, np.array(-2, np.float32))[2] == "max 2   min above 0 2"


def test_percentiles_say_how_exact_they_are(tmp_path: Path) -> None:
    """Those of narrow dtypes are exact, others are known to a bin."""
    assert "percentiles of |g|, exact" in lines(tmp_path, spread().astype(np.float16))
    assert any(
        one.startswith("percentiles of |g|, to a bin: at most 12.5 % below") for one in lines(tmp_path, spread())
    )


def test_shares_are_0_or_100_only_where_they_are() -> None:
    """Of a number of values none is 0, and all are 100 %."""
    found = [share_of(*pair) for pair in ((0, 5), (5, 5), (1, 10**9), (10**9 - 1, 10**9), (1, 2))]
    assert found == ["0", "100 %", "<0.1 %", ">99.9 %", "50.0 %"]


def test_an_index_is_not_broken(tmp_path: Path) -> None:
    """Where a line on NaN is too long, it goes on before the words about its index, which stays whole."""
    array = np.zeros((2, 100_000), np.float32)
    array[1, 90_000:] = np.nan
    array[1, 1] = -np.inf
    found = lines(tmp_path, array, Room(40))
    assert found[:2] == [" NaN  10,000 of 200,000,", " the first at [1, 90000]"]
    assert found[2:4] == [" Inf  1 of 200,000 (0 +, 1 -),", " the first at [1, 1]"]


@pytest.mark.parametrize(
    ("room", "more"), [(Room(top=2), " … 12 more: leave out -n"), (Room(whole=True, top=2), " 12 more: leave out -n")]
)
def test_as_many_rows_as_are_asked_for(room: Room, more: str, tmp_path: Path) -> None:
    """`-n` takes the first rows of the histogram, those of the largest values; what is lost is counted of all."""
    array = np.array([[1, 1.5, -2, 3.5], [0.3, 0, 2.0**-11, np.nan]], np.float32)
    found = lines(tmp_path, array, room)
    head = next(k for k, one in enumerate(found) if one.startswith(" |g| from"))
    assert [one.split()[:2] for one in found[head + 1 : head + 3]] == [["2", "2"], ["1", "2"]]
    assert found[head + 3] == more
    assert found[head + 4].split() == ["lost", "(0)", "0", "0", "14.3", "%", "0"]
    whole = lines(tmp_path, array)
    assert found[head + 4 :] == whole[-len(found[head + 4 :]) :]
    assert lines(tmp_path, array, Room(top=99)) == whole
