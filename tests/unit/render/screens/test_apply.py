"""The screen of `apply` says how many dumps were clipped, which most, what else was changed, and where the output is."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.official import BFLOAT16, save_as

from gradclip_cli import apply
from gradclip_cli.render.screens.apply import lines
from gradclip_cli.render.screens.line import text_of
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.tables.apply import grids
from gradclip_cli.reports.apply import ApplyReport

PIPE = Room(whole=True)
BIG = {"model.layers.0.mlp.weight": 3.0, "model.layers.1.mlp.weight": 4.0}
"""A dump of norm 5, of which 64 % of the square are in layer 1."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Write dumps of norms 5, 10, 15 ... 60, of steps 0 to 11."""
    (tmp_path / "run").mkdir()
    for step in range(12):
        tensors = {name: np.array([value * (step + 1)]) for name, value in BIG.items()}
        save_as(tmp_path / "run" / f"step_{step}.npz", tensors)
    return tmp_path / "run"


def shown(report: ApplyReport, room: Room = PIPE) -> list[str]:
    """Return the lines of a screen as text."""
    return [text_of(line) for line in lines(report, room)]


def screen(given: Any, room: Room = PIPE, **options: Any) -> list[str]:
    """Return the screen of a dry run."""
    return shown(apply(given, dry_run=True, **options), room)


def test_the_dumps_that_are_clipped_most_come_first(run: Path) -> None:
    """The head counts dumps and lists their steps, the table ranks them by factor; what is left out is counted in words."""
    head, heads, *rows, more, foot = screen(run, threshold=12)
    mean = (2 + sum(12 / (5 * k) for k in range(3, 13))) / 12
    assert head == f"clip-by-global-norm at 12: 10 of 12 dumps clipped (2-11), mean factor {mean:.4g}"
    assert heads.split() == [
        "step",
        "norm",
        "before",
        "norm",
        "after",
        "factor",
        "largest,",
        "share",
        "of",
        "the",
        "square",
    ]
    assert rows[0].split() == ["11", "60", "12", "0.2", *["model.layers.1", "64.0", "%"]]
    assert [row.split()[0] for row in rows] == ["11", "10", "9", "8", "7", "6", "5"]
    assert more.strip() == "3 more: --by step"
    assert foot == "nothing written (dry run).  Tables: --by layer, --by param"


def test_eight_dumps_are_all_shown(run: Path) -> None:
    """Up to eight rows nothing is left out."""
    assert len(screen(run, threshold=21)) == 1 + 1 + 8 + 1
    assert not any("more" in line for line in screen(run, threshold=21))


def test_where_nothing_is_clipped_the_largest_norm_is_said(run: Path) -> None:
    """Without a clipped dump the head says how near the threshold is."""
    head, _ = screen(run, threshold=60)
    assert head == "clip-by-global-norm at 60: none of 12 dumps clipped, largest norm 60 (step 11)"


def test_layers_and_elements_are_counted(run: Path) -> None:
    """Strategies with groups in a dump say how many of them were clipped, and which most; element-wise, how many elements."""
    head, heads, first, *_ = screen(run, strategy="clip-l2-per-layer", threshold=46)
    assert head.startswith("clip-l2-per-layer at 46: 1 of 12 dumps clipped (11), 1 of 24 layers, mean factor 0.998")
    assert heads.split() == ["step", "norm", "before", "norm", "after", "layers", "clipped", "least", "factor", "of"]
    assert first.split() == ["11", "60", f"{np.hypot(36, 46):.4g}", "1", "of", "2", "0.9583", "model.layers.1.mlp"]
    head, heads, first, *_ = screen(run, strategy="clip-by-value", threshold=40)
    assert head == "clip-elementwise-absolute-value at 40: 2 of 12 dumps clipped (10-11), 2 of 24 elements (8.3 %)"
    assert first.split() == ["11", "60", f"{np.hypot(36, 40):.4g}", "48", "1", "50.0", "%"]


def test_a_rule_and_overrides_stand_in_the_head(run: Path) -> None:
    """The rule that chose the threshold is named beside it, and so are other thresholds of layers."""
    assert screen(run, threshold="median")[0].startswith("clip-by-global-norm at 32.5 (median): 6 of 12")
    assert screen(run, threshold="autoclip:50")[0].startswith("clip-by-global-norm at autoclip:50: ")
    head = screen(run, threshold=12, layers={"*.1.mlp": (None, 9)})[0]
    assert head.startswith("clip-by-global-norm at 12, 1 rule of --layer: 10 of 12 dumps clipped")
    assert screen(run, threshold=7, norm_type=1)[0].startswith("clip-by-global-norm at 7 (1-norm): 11 of 12")
    assert screen(run, strategy="none")[0] == "none: 12 dumps, nothing to clip"
    assert screen(run, strategy="renormalize-l2-per-layer")[0].startswith(
        "renormalize-l2-per-layer: 12 of 12 dumps changed, 24 of 24 layers"
    )


def test_what_no_threshold_asked_for_has_its_line(run: Path) -> None:
    """NaN that became 0, groups that were skipped, and factors of NaN have a line each, with the step."""
    broken = {
        "model.layers.0.mlp.weight": np.array([3.0, np.nan, np.inf]),
        "model.layers.1.mlp.weight": np.array([4.0]),
    }
    save_as(run / "step_3.npz", broken)
    name = "model.layers.0.mlp.weight"
    assert screen(run, threshold=12, nonfinite="zero")[-2] == f"step 3: 1 NaN and 1 Inf set to 0 in {name}"
    assert (
        screen(run, threshold=12, nonfinite="skip")[-2] == f"step 3: nothing clipped, since {name} has 1 NaN and 1 Inf"
    )
    found = screen(run, threshold=12, nonfinite="propagate")[-2]
    assert found == f"step 3: 1 NaN and 1 Inf in {name}, so all gradients were multiplied by nan"
    per_layer = screen(run, strategy="clip-l2-per-layer", threshold=12, nonfinite="skip")
    assert per_layer[-2] == "step 3: 1 layer left as read, with 1 NaN and 1 Inf: model.layers.0.mlp"


def test_a_dump_whose_nan_became_0_shows_the_norm_that_was_clipped(run: Path) -> None:
    """Its row has the norm as read and that without NaN, and its largest block is that of what was left."""
    broken = {
        "model.layers.0.mlp.weight": np.array([3.0, np.nan]),
        "model.layers.1.mlp.weight": np.array([4.0]),
    }
    save_as(run / "step_3.npz", broken)
    for step in range(4, 12):
        (run / f"step_{step}.npz").unlink()
    rows = [line.split() for line in screen(run, threshold=4, nonfinite="zero")]
    [row] = [row for row in rows if row[0] == "3"]
    assert row == ["3", "nan", "(5", "without)", "4", "0.8", "model.layers.1", "64.0", "%"]
    head = screen(run / "step_3.npz", threshold=4, nonfinite="zero")[0]
    assert head == "clip-by-global-norm at 4: clipped, norm nan (5 without) to 4, factor 0.8"
    assert apply(run / "step_3.npz", dry_run=True, threshold=4, nonfinite="zero").dumps[0].total.finite_norm_before == 5


def test_the_same_nan_in_every_step_is_one_line(tmp_path: Path) -> None:
    """What was done to many dumps alike is said once, with their steps as ranges."""
    for step in (0, 1, 2, 7):
        save_as(tmp_path / f"step_{step}.npz", {"a.w": np.array([np.nan, 1.0])})
    save_as(tmp_path / "step_9.npz", {"a.w": np.array([np.nan, np.nan])})
    found = screen(tmp_path, threshold=4, nonfinite="zero")
    assert found[-3:-1] == ["steps 0-2, 7: 1 NaN set to 0 in a.w", "step 9: 2 NaN set to 0 in a.w"]


def test_what_was_written_is_said(run: Path, tmp_path: Path) -> None:
    """The last line says how many files, how large and where; on a terminal also how long it took."""
    report = apply(run, tmp_path / "out", threshold=12)
    size = sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    assert (report.files_written, report.bytes_written) == (12, size)
    start = f"12 files written to {tmp_path / 'out'}/ ({size / 1000:.3g} kB"
    assert shown(report)[-1].startswith(f"{start}).")
    assert f"{start}, 2.1 s)." in " ".join(line.strip() for line in shown(report._replace(seconds=2.123), Room(120)))
    assert shown(report._replace(seconds=2.123))[-1].startswith(f"{start}).")
    assert shown(apply(run / "step_0.npz", tmp_path / "o.npz", threshold=1))[-1].startswith("written to ")
    assert shown(apply(run, in_place=True, threshold=12))[-1].startswith("12 files replaced (")


def test_rounding_to_another_dtype_is_said(tmp_path: Path) -> None:
    """Elements that became infinite or 0 have a line each."""
    path = save_as(tmp_path / "g.npz", {"a.w": np.array([1e5, 1e-9, 1.0])})
    text = screen(path, strategy="none", output_dtype="float16")
    assert any("g.npz: 1 element rounded to infinity in a.w; --output-dtype float32" in line for line in text)
    assert any("g.npz: 1 element rounded to zero in a.w; --output-dtype float32" in line for line in text)


def test_a_dump_without_gradients_says_what_it_has(tmp_path: Path) -> None:
    """Where nothing counts, the head names the dtypes of what there is."""
    path = save_as(tmp_path / "g.npz", {"a": np.arange(3), "b": np.arange(2)})
    assert screen(path, threshold=1)[0] == "clip-by-global-norm at 1: no gradients: 2 tensors of int64"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_fits_the_terminal_and_is_plain_in_a_pipe(width: int, tmp_path: Path) -> None:
    """On a terminal names are shortened to its width, and never so that two are alike; into a pipe they are whole."""
    long = {f"model.decoder.layers.{k}.self_attention.out_projection.weight": float(k + 1) for k in range(40)}
    for step in range(10):
        save_as(tmp_path / f"step_{step}.npz", {name: np.array([value * 10**step]) for name, value in long.items()})
    for room in (Room(width), Room(width, unicode=False)):
        text = screen(tmp_path, room, threshold=1e3)
        assert max(map(len, text)) <= width
        assert all(line.isascii() for line in text) or room.unicode
    assert "…" not in "".join(screen(tmp_path, threshold=1e3))


def test_names_hold_no_control_characters(tmp_path: Path) -> None:
    """A name that would move the cursor is shown escaped."""
    for step in (1, 2):
        save_as(tmp_path / f"step_{step}.npz", {"evil\x1b[2J": np.array([5.0])})
    assert "\x1b" not in "".join(screen(tmp_path, threshold=1))
    assert "evil\\x1b[2J" in "".join(screen(tmp_path, threshold=1))


def test_json_holds_what_the_screen_shows(run: Path) -> None:
    """Clipped steps, the mean factor and blocks with their shares are in the report, too."""
    report = apply(run, dry_run=True, threshold=48)
    assert (report.clipped_dumps, report.clipped_steps) == (3, [9, 10, 11])
    assert report.mean_factor == pytest.approx((9 + 48 / 50 + 48 / 55 + 48 / 60) / 12)
    block = report.dumps[11].blocks[1]
    assert (block.block, block.share, block.norm_before) == ("model.layers.1", pytest.approx(0.64), 48)
    assert json.dumps(report.clipped_steps) == "[9, 10, 11]"


def test_bfloat16_of_one_dump_is_read_whole(tmp_path: Path) -> None:
    """The tables of a small dump have a row for each layer and tensor, and their total."""
    path = save_as(
        tmp_path / "g.safetensors", {"a.w": np.array([3.0, 4.0], BFLOAT16), "b.w": np.array([12.0], BFLOAT16)}
    )
    head, _, layers, first, second, total, *_ = screen(path, threshold=6.5)
    assert head == "clip-by-global-norm at 6.5: clipped, norm 13 to 6.5, factor 0.5"
    assert layers.split() == [
        "norms",
        "of",
        "layers",
        "before",
        "after",
        "factor",
        "clipped",
        "max",
        "|g|",
        "max",
        "after",
    ]
    assert first.split() == ["a", "5", "2.5", "0.5", "yes", "4", "2"]
    assert second.split() == ["b", "12", "6", "0.5", "yes", "12", "6"]
    assert total.split() == ["total", "13", "6.5", "1", "of", "1", "12", "6"]


def test_blocks_have_the_labels_of_their_framework(run: Path) -> None:
    """Where a framework labels a layer, the block of that name has its label on the screen and in the table of dumps."""
    report = apply(run, dry_run=True, threshold=12)
    labels = {"model.layers.1": "dense"}
    report = report._replace(dumps=[dump._replace(labels=labels) for dump in report.dumps])
    assert "model.layers.1 (dense)  64.0 %" in shown(report)[2]
    [step] = grids(report, frozenset({"step"}))
    assert step.rows[0][-2] == "model.layers.1 (dense)"
    [_, block, *_] = grids(report, frozenset({"step", "block"}))
    assert [row[0] for row in block.rows] == ["model.layers.0", "model.layers.1 (dense)"]


def test_steps_that_do_not_fit_are_counted(run: Path) -> None:
    """A long list of clipped steps says how many more there are."""
    report = apply(run, dry_run=True, threshold=12)._replace(clipped_steps=range(0, 60, 2))
    assert "10 of 12 dumps clipped (0, 2, 4, 6, 8, 10, 12, 14, 16, 21 more), mean" in shown(report)[0]
