"""The screen of `stats` says the answer first: what stands out, the norm, thresholds and the blocks that rise."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from support.official import savez
from support.planted import write

from gradclip_cli import stats
from gradclip_cli.render.screens.line import text_of
from gradclip_cli.render.screens.room import Room
from gradclip_cli.render.screens.stats import lines
from gradclip_cli.render.tables.plain import cells
from gradclip_cli.reports.stats import StatsReport

PIPE = Room(whole=True)


@cache
def planted() -> StatsReport:
    """The report on the run with planted faults."""
    with TemporaryDirectory() as folder:
        found = stats(write(Path(folder) / "run"))
        return found._replace(inputs=("run/",), command=found.command.replace(f"{folder}/run", "run/"))


def shown(report: StatsReport, room: Room = PIPE) -> list[str]:
    """The lines of the screen."""
    return [text_of(line) for line in lines(report, room)]


def of_norms(folder: Path, *norms: float, name: str = "step_{}") -> StatsReport:
    """The report on dumps of one element."""
    for k, norm in enumerate(norms):
        savez(folder / f"{name.format(k)}.npz", **{"fc.w": np.array([norm])})
    return stats(folder)._replace(inputs=("run/",))


def test_the_planted_run_on_one_screen() -> None:
    """What was planted stands in the first lines; the threshold that is advised is marked; four blocks are shown of 27."""
    found = shown(planted())
    assert found[0] == "run/  60 dumps, steps 0-59   291 tensors in 27 blocks, bfloat16, 266,016 values"
    assert found[2].startswith(" NaN        step 52  model.layers.9.mlp.down_proj.weight  1 of 2,048, at [3, 5]")
    assert found[3].startswith(" exploding  step 41  norm 187, 19 x its neighbours; first model.layers.17 at 40 (7")
    assert found[4] == " vanishing  always   model.layers.0-1, 24 tensors, norms of 4e-08"
    assert found[6] == "norm   median 10.05   p90 19.75   max 187 (step 41)   falls from 27 to 9"
    assert len(found[7]) == 60
    assert (found[7][41], found[7][52]) == ("█", "!")
    assert found[8] == "0         10        20        30        40        50      59"
    assert [line.split() for line in found[11:16]] == [
        ["value", "rule", "clips", "steps", "mean", "factor"],
        ["15.18", "mean", "22", "%", "0-10,", "40-41", "0.94"],
        ["10.05", "median", "49", "%", "0-25,", "27,", "40-41", "0.845"],
        [">", "19.75", "percentile:90", "10", "%", "0-4,", "41", "0.971"],
        ["84.2", "zscore:3", "2", "%", "41", "0.991"],
    ]
    assert " torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=19.75)" in found
    (first,) = (line for line in found if line.startswith(" model.layers.17"))
    assert first.split()[:6] == ["model.layers.17", "2.035", "109.8", "41", "54", "x"]
    (hint,) = (line for line in found if "more:" in line)
    assert hint == " 23 more: --by block, --by layer (219), --by param (291), --by step, -f json"
    assert found[-1] == "Next: gradclip apply run/ -o clipped/ -t 19.75 --nonfinite zero --dry-run"
    assert len(found) <= 29


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_is_never_too_narrow(width: int) -> None:
    """All lines fit, but for a command and code that a person may copy: they are never left out, nor folded."""
    found = shown(planted(), Room(width))
    wide = [line for line in found if cells(line) > width]
    assert all(line.startswith(("Next: ", " torch.nn.utils.")) for line in wide)
    assert " torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=19.75)" in found
    assert found[-1] == "Next: gradclip apply run/ -o clipped/ -t 19.75 --nonfinite zero --dry-run"


def test_nothing_is_cut_in_a_pipe(tmp_path: Path) -> None:
    """Names are whole, and there is no ellipsis."""
    for step in range(3):
        savez(tmp_path / f"step_{step}.npz", **{f"transformer.encoder.h.{k}.w": np.ones(1) for k in range(2)})
    assert "…" not in "".join(shown(planted()) + shown(stats(tmp_path)))
    assert "…" in "".join(shown(stats(tmp_path), Room(50)))


def test_what_is_advised_is_strong_and_nan_is_bad() -> None:
    """Colours have a meaning: red for NaN and explosions, yellow for what vanishes, bold for the advice."""
    spans = [span for line in lines(planted(), PIPE) for span in line if span.style]
    assert [span.text for span in spans if span.style == "bad"] == ["NaN", "exploding"]
    assert [span.text for span in spans if span.style == "warn"] == ["vanishing"]
    assert "19.75" in [span.text for span in spans if span.style == "strong"]


def test_bars_of_ascii() -> None:
    """Where a terminal has no blocks, bars are ASCII."""
    assert "".join(shown(planted(), Room(unicode=False, whole=True))).isascii()


def test_one_dump_has_shares_and_no_rules(tmp_path: Path) -> None:
    """One sample chooses nothing: its blocks stand by their share, and one sentence says why there is no threshold."""
    savez(tmp_path / "g.npz", **{"h.0.a.w": np.array([3.0, 0.0]), "h.0.b.w": np.array([4.0]), "x.w": np.array([12.0])})
    found = shown(stats(tmp_path / "g.npz")._replace(inputs=("g.npz",)))
    assert found[0] == "g.npz   3 tensors in 2 blocks, float64, 4 values"
    assert "norm   13   max |g| 12" in found
    assert [line.split() for line in found[4:7]] == [
        ["blocks", "by", "share", "norm", "share", "rms", "max", "|g|", "zeros"],
        ["x", "12", "85", "%", "12", "12", "0", "%"],
        ["h.0", "5", "15", "%", "2.887", "4", "33", "%"],
    ]
    assert not any("percentile" in line or "Next" in line for line in found)
    assert " ".join(found[-2:]).startswith("one step does not tell how norms vary")


def test_no_gradients_is_one_line(tmp_path: Path) -> None:
    """There is nothing else to say."""
    np.savez(tmp_path / "g.npz", n=np.arange(3))
    assert shown(stats(tmp_path)) == ["no gradients: 1 tensor of int64"]


def test_no_norm_is_finite(tmp_path: Path) -> None:
    """A run of NaN alone has bars of `!`, and a reason in place of thresholds."""
    found = shown(of_norms(tmp_path, *[np.nan] * 4))
    assert found[2].split() == ["NaN", "step", "0", "fc.w", "1", "of", "1,", "at", "[0];", "and", "3", "more", "steps"]
    assert found[4:6] == ["norm   none is finite", "!!!!"]
    assert found[-1] == " there is no finite norm to choose a threshold from."


def test_calm_runs_have_no_findings(tmp_path: Path) -> None:
    """The norm follows the head at once, and a plain mean needs no sentence."""
    found = shown(of_norms(tmp_path, *[1.0, 1.1, 0.9, 1.2] * 5))
    assert found[2].startswith("norm   median 1.05")
    assert "  >   1.05  mean" in "\n".join(found)
    assert not any(line.startswith(" mean:") for line in found)


def test_steps_without_numbers_have_no_column(tmp_path: Path) -> None:
    """Where a list of steps could not say which dumps it means, there is none, and no ruler."""
    found = shown(of_norms(tmp_path, 1.0, 1.0, 2.0, name="part{}"))
    heads = next(line for line in found if "value" in line)
    assert "steps" not in heads
    assert "0" not in found


def test_few_dumps_call_for_more(tmp_path: Path) -> None:
    """Below ten dumps it is said on how little the advice rests."""
    found = shown(of_norms(tmp_path, 1.0, 1.0, 2.0))
    assert " 3 steps are few, so measure more before you rely on it." in found


def test_all_strategies(tmp_path: Path) -> None:
    """Each strategy has a table of its own, with its advice marked."""
    for k in range(12):
        savez(tmp_path / f"step_{k}.npz", **{"a.w": np.array([1.0 + k % 3]), "b.w": np.array([9.0])})
    found = shown(stats(tmp_path, strategy="all"))
    heads = [line.split()[2] for line in found if line.startswith("threshold for ")]
    assert heads[0] == "clip-by-global-norm"
    others = {"clip-l2-per-layer", "clip-l2-per-param-type", "clip-elementwise-absolute-value", "clip-by-block-rms"}
    assert set(heads[1:]) == others
    assert sum(line.startswith("  > ") for line in found) == 5


def test_what_is_tried_names_its_steps(tmp_path: Path) -> None:
    """The table of tries has the steps that each would clip, as ranges."""
    for k, norm in enumerate([1.0, 1.0, 5.0, 6.0, 1.0]):
        savez(tmp_path / f"step_{k}.npz", **{"fc.w": np.array([norm])})
    found = shown(stats(tmp_path, tries=["clip-by-global-norm:2"]))
    row = found[found.index("what if") + 2]
    assert row.split() == ["clip-by-global-norm", "2", "40", "%", "2-3", "0.747", "83", "%"]


def test_the_nan_is_named_whole(tmp_path: Path) -> None:
    """On a narrow terminal the name of the tensor is never cut: what does not fit beside it is below it."""
    found = shown(planted(), Room(60))
    assert found[3:5] == [
        " NaN        step 52  model.layers.9.mlp.down_proj.weight",
        " " * 21 + "1 of 2,048, at [3, 5]",
    ]
    narrow = shown(planted(), Room(50))
    at = narrow.index(" NaN        step 52")
    assert narrow[at + 1 : at + 3] == [
        " " * 15 + "model.layers.9.mlp.down_proj.weight",
        " " * 21 + "1 of 2,048, at [3, 5]",
    ]


def test_dumps_without_a_step_are_named_by_their_file(tmp_path: Path) -> None:
    """What explodes, where the norm is largest, and where each block is: the name of the file says it."""
    found = shown(of_norms(tmp_path, *[1.0, 1.1, 0.9, 1.0, 1.2, 50.0, 1.0], name="part{}"))
    assert found[2] == " exploding  part5.npz  norm 50, 50 x its neighbours"
    assert "max 50 (part5.npz)" in "\n".join(found)
    (row,) = (line for line in found if line.startswith(" fc "))
    assert row.split()[:4] == ["fc", "1", "50", "part5.npz"]


def test_what_the_mark_means_stands_in_the_title(tmp_path: Path) -> None:
    """`>` is explained where there is room, and only where a row has it."""
    marked = shown(of_norms(tmp_path, 1.0, 1.0, 1.0, 2.0), Room(60))
    assert "threshold for clip-by-global-norm   > advised" in marked
    assert any(line.startswith("  > ") for line in marked)


@pytest.mark.parametrize("norms", [[1.0, 2.0], [1.0, 2.0, 2.0], [1.0, 3.0, 1.0, 3.0, 1.0, 3.0]])
def test_a_few_steps_choose_nothing(norms: list[float], tmp_path: Path) -> None:
    """Where the mean would clip half of fewer than ten steps, no rule is marked, and no command or code is given."""
    found = shown(of_norms(tmp_path, *norms))
    assert any(line.startswith(f" {len(norms)} steps choose nothing yet: the mean would clip ") for line in found)
    assert not any(">" in line or "torch" in line or line.startswith("Next") for line in found)


def test_two_dumps_have_no_picture(tmp_path: Path) -> None:
    """Two bars tell nothing that the figures do not: neither the norm nor the blocks have any."""
    found = "\n".join(shown(of_norms(tmp_path, 1.0, 2.0)))
    assert not set("▁▂▃▄▅▆▇█") & set(found)
    assert "norm / median" not in found


def test_integers_are_told_to_be_left_out(tmp_path: Path) -> None:
    """Tensors that are no gradients are counted in the head; those that the user left out are not."""
    for step in range(3):
        savez(
            tmp_path / f"step_{step}.npz",
            **{"fc.w": np.ones(2), "n": np.arange(3), "m": np.arange(2), "b": np.bool_([0])},
        )
    assert shown(stats(tmp_path))[0].endswith("1 tensor, float64, 2 values, 2 int64, 1 bool left out")
    assert shown(stats(tmp_path, exclude=["m", "b"]))[0].endswith("2 values, 1 int64 left out")


def test_the_row_that_holds_the_explosion_is_named(tmp_path: Path) -> None:
    """Row 317 of the embedding has all of the square of step 7; of stacked experts it is expert 5."""
    for step in range(12):
        rows, experts = np.full((500, 8), 0.01), np.full((8, 4, 4), 0.01)
        if step == 7:
            rows[317] = 40.0
        savez(tmp_path / f"step_{step}.npz", **{"emb.weight": rows, "moe.experts.up": experts})
    assert "row 317 of emb.weight holds >99 % of its square" in shown(stats(tmp_path))[2]
    experts[5] = 400.0
    savez(tmp_path / "step_12.npz", **{"emb.weight": np.full((500, 8), 0.01), "moe.experts.up": experts})
    assert "expert 5 of moe.experts.up holds >99 % of its square" in shown(stats(tmp_path))[2]


def test_why_and_after_what(tmp_path: Path) -> None:
    """Where norms fall it is said in whole percents how much the mean would clip, and what a later part would choose."""
    found = " ".join(line.strip() for line in shown(planted(), Room(120)))
    assert (
        "percentile:90: the norms fall from 27.04 to 9.025, and the mean would clip 22 % of the steps."
        " From step 11 on alone, percentile:90 would be 13.7."
    ) in found


def test_findings_have_the_labels_of_a_framework() -> None:
    """A block that rose first, or vanishes alone, has the same name in the findings as in the tables."""
    found = planted()
    assert found.first is not None
    assert found.vanishing is not None
    labels = {found.first.names[0]: "dense", "model.layers.0": "lstm"}
    text = "\n".join(
        shown(found._replace(labels=labels, vanishing=found.vanishing._replace(blocks=["model.layers.0"])))
    )
    assert "; first model.layers.17 (dense) at 40 (7" in text
    assert " vanishing  always   model.layers.0 (lstm), 24 tensors" in text
    assert "\n model.layers.17 (dense) " in text


def test_names_stand_for_running_numbers() -> None:
    """Where steps are running numbers of epochs, findings, the largest norm and rises name the epochs."""
    found = planted()
    report = found._replace(dumps=[dump._replace(name=f"epoch-{dump.step}") for dump in found.dumps])
    text = shown(report)
    assert text[2].startswith(" NaN        epoch-52  model.layers.9.mlp.down_proj.weight")
    assert text[3].startswith(
        " exploding  epoch-41  norm 187, 19 x its neighbours; first model.layers.17 at epoch-40 (7"
    )
    assert "max 187 (epoch-41)" in text[6]
    (first,) = (line for line in text if line.startswith(" model.layers.17 "))
    assert first.split()[3] == "epoch-41"
