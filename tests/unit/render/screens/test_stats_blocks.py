"""Ten blocks are shown, and the others are counted; all bars of a picture have one scale and one axis."""

from pathlib import Path

import numpy as np
from support.official import savez

from gradclip_cli import stats
from gradclip_cli.render.screens.line import text_of
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.screens.stats_blocks import rises, shares


def run_of(folder: Path, steps: list[list[float]]) -> Path:
    """Write a run of blocks `h.0`, `h.1` and so on, of two layers each, with these norms."""
    for step, norms in enumerate(steps):
        tensors = {f"h.{k}.{layer}.w": np.array([norm]) for k, norm in enumerate(norms) for layer in "ab"}
        savez(folder / f"step_{step}.npz", **tensors)
    return folder


def test_four_blocks_are_shown(tmp_path: Path) -> None:
    """The highest rises come first; the others are counted in words."""
    steps = [[1.0] * 12 for _ in range(6)]
    steps[3] = [1.0 + k for k in range(12)]
    report = stats(run_of(tmp_path, steps))
    found = [text_of(line) for line in rises(report, Room(whole=True))]
    assert [line.split()[0] for line in found[1:5]] == [f"h.{k}" for k in range(11, 7, -1)]
    assert found[5:] == [" 8 more: --by block, --by layer (24), --by param (24), --by step, -f json"]


def test_bars_have_one_scale(tmp_path: Path) -> None:
    """A block that rises to twice its median has lower bars than one that rises to eight times, and NaN is marked."""
    steps = [[1.0, 1.0] for _ in range(5)]
    steps[2], steps[4] = [8.0, 2.0], [np.nan, 1.0]
    high, low = [
        text_of(line).split()[-1] for line in list(rises(stats(run_of(tmp_path, steps)), Room(whole=True)))[1:3]
    ]
    assert (high[2], high[4], len(high), len(low)) == ("█", "!", 5, 5)
    assert low[2] < "█"
    assert (low[0], low[4]) == (high[0], low[0])


def test_a_block_of_zeros_does_not_rise(tmp_path: Path) -> None:
    """Where the median is 0 there is no multiple of it."""
    found = [text_of(line) for line in rises(stats(run_of(tmp_path, [[0.0], [0.0], [0.0]])), Room(whole=True))]
    assert found[1].split()[:5] == ["h.0", "0", "0", "0", "-"]


def test_shares_of_one_dump(tmp_path: Path) -> None:
    """Blocks of a dump stand by their share, ten of them."""
    run_of(tmp_path, [[1.0 + k for k in range(12)]])
    found = [text_of(line) for line in shares(stats(tmp_path), Room(whole=True))]
    assert found[0].startswith("norm   ")
    assert [line.split()[0] for line in found[3:13]] == [f"h.{k}" for k in range(11, 1, -1)]
    assert found[-1] == " 2 more: --by block, --by layer (24), --by param (24), -f json"
