"""The screen of `show` lists the largest blocks and tensors, as many as fit, and never cuts what a pipe reads."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.official import save_as

from gradclip_cli import ShowReport, show
from gradclip_cli.render.screens import screen
from gradclip_cli.render.screens.line import text_of
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.plain import cells

PIPE = Room(whole=True)


def lines(report: ShowReport, room: Room = PIPE) -> list[str]:
    """Return the lines of the screen as text."""
    return [text_of(line) for line in screen(report, room)]


def report_of(folder: Path, **arrays: Any) -> ShowReport:
    """Show a dump of these tensors."""
    return show(save_as(folder / "step_3.npz", arrays))


def network(blocks: int, **more: Any) -> dict[str, Any]:
    """Return two tensors of each block, of norms that fall from block to block."""
    return {
        **{
            f"model.layers.{k}.mlp.{name}.weight": np.full(4, 2.0**-k, np.float32)
            for k in range(blocks)
            for name in "ab"
        },
        **more,
    }


def test_a_small_dump_is_whole(tmp_path: Path) -> None:
    """Up to thirty tensors stand in whole tables, below the figures of all; the largest is what to look into."""
    found = lines(report_of(tmp_path, **network(2, count=np.array([1]))))
    path = tmp_path / "step_3.npz"
    assert "".join(found[:2]).split() == f"{path} step 3 4 tensors in 2 blocks, float32, 16 values".split()
    assert found[2:] == [
        "norm 3.162   rms 0.7906   max 1   min above 0 0.5",
        "",
        "blocks by norm    norm   share  rms  max  min > 0",
        " model.layers.0  2.828  80.0 %    1    1        1",
        " model.layers.1  1.414  20.0 %  0.5  0.5      0.5",
        "",
        "tensors by norm               norm   share  rms  max  min > 0",
        " model.layers.0.mlp.a.weight     2  40.0 %    1    1        1",
        " model.layers.0.mlp.b.weight     2  40.0 %    1    1        1",
        " model.layers.1.mlp.a.weight     1  10.0 %  0.5  0.5      0.5",
        " model.layers.1.mlp.b.weight     1  10.0 %  0.5  0.5      0.5",
        "",
        "no gradients: count (int64)",
        "",
        f"Next: gradclip show {path} model.layers.0.mlp.a.weight",
    ]


def test_a_large_dump_shows_the_first_six(tmp_path: Path) -> None:
    """Of more tensors, six of each kind are shown, and the others counted with the option that shows them."""
    found = lines(report_of(tmp_path, **network(20)))
    assert " 14 more: --by block" in found
    assert " 34 more: --by param" in found
    assert len(found) <= 25
    assert not any("…" in one for one in found)


def test_the_next_command_fits_a_terminal(tmp_path: Path) -> None:
    """A command that is too long for the terminal goes on in a second line, as a shell reads it."""
    report = report_of(tmp_path, **network(20))._replace(command="gradclip show run/step_3.npz")
    name = "model.layers.0.mlp.a.weight"
    assert lines(report, Room(80))[-1] == f"Next: gradclip show run/step_3.npz {name}"
    assert lines(report, Room(50))[-2:] == ["Next: gradclip show run/step_3.npz \\", f"      {name}"]
    assert lines(report)[-1] == f"Next: gradclip show run/step_3.npz {name}"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_fit_a_terminal(tmp_path: Path, width: int) -> None:
    """Tables fit 60, 80 and 120 columns; figures that can be missed go first, and names of digits stay apart."""
    arrays = network(20, broken=np.array([np.nan, np.inf, 0], np.float32))
    found = lines(report_of(tmp_path, **arrays), Room(width))
    tables = found[2 : next(k for k, one in enumerate(found) if one.startswith("Next: "))]
    assert max(map(cells, tables)) <= width
    names = [one.split()[0] for one in tables if one.startswith(" mod")]
    assert len(set(names)) == len(names)


def test_what_is_not_finite_is_said_first(tmp_path: Path) -> None:
    """A tensor that is not finite leads its table, and the norm of the rest is said."""
    found = lines(report_of(tmp_path, a=np.array([3, 4], np.float32), b=np.array([np.nan, 12], np.float32)))
    assert "norm nan   NaN 1   without these: norm 13" in "   ".join(found)
    table = found[found.index("") + 1 :]
    assert table[1].split() == ["b", "nan", "85.2", "%", "12", "12", "12", "1"]


def test_a_dump_without_gradients_says_so(tmp_path: Path) -> None:
    """Nothing to show is one line, and the dtypes that are there."""
    found = lines(report_of(tmp_path, n=np.array([1])))
    assert found[-1] == "no gradients: n (int64)"
    assert "no gradients" in found[0] + found[1]


def test_a_pattern_is_said(tmp_path: Path) -> None:
    """Shares are of what a pattern matches, so the screen says that this is all."""
    path = save_as(tmp_path / "g.npz", {"a.w": np.ones(1), "a.b": np.ones(1), "c": np.ones(9)})
    found = lines(show(path, "a.*"))
    assert "2 tensors that match a.* in 1 layer, float64, 2 values" in " ".join(found)
    assert found[-4].split()[:4] == ["a.w", "1", "50.0", "%"]


def test_names_are_quoted_for_the_shell(tmp_path: Path) -> None:
    """The command that looks into a tensor can be copied; where a name holds control characters there is none."""
    found = lines(report_of(tmp_path, **{"a b[0]": np.ones(2), "c": np.zeros(1)}))
    assert found[-1].endswith(" 'a b[0]'")
    found = lines(report_of(tmp_path, **{"a\x1bb": np.ones(2), "c": np.zeros(1)}))
    assert not any("\x1b" in one or one.startswith("Next") for one in found)


def test_a_block_may_be_named_by_its_framework(tmp_path: Path) -> None:
    """One tensor has neither a table of blocks nor a next command."""
    found = lines(report_of(tmp_path, w=np.ones(4, np.float32)))
    assert [one.split()[0] for one in found if one.startswith(" w")] == ["w"]
    assert not any("blocks" in one or "Next" in one for one in found)


def test_the_next_command_repeats_the_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks into the same dump, in the same units: by the path that was given, and with all that was chosen of it."""
    monkeypatch.chdir(tmp_path)
    save_as(Path("log.npz"), {f"step_{k}/{name}.w": np.ones(2) for k in range(3) for name in "ab"})
    found = lines(show("log.npz", steps=1, unscale=4))
    assert found[-1] == "Next: gradclip show log.npz --steps 1 --unscale 4 a.w"
