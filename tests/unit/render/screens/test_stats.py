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
    """What was planted stands in the first lines; the threshold that is advised is marked; six blocks are shown of 27."""
    found = shown(planted())
    assert found[0] == "run/  60 dumps, steps 0-59   291 tensors in 27 blocks, bfloat16, 266,016 values"
    assert found[2].startswith(" NaN        step 52  model.layers.9.mlp.down_proj.weight  1 of 2,048, at [3, 5]")
    assert found[3].startswith(" exploding  step 41  norm 187, 19 x its neighbours; first model.layers.17 at 40 (7")
    assert found[4] == " vanishing  always   model.layers.0-1, 24 tensors, norms of 4e-08"
    assert found[6] == "norm   median 10.05   p90 19.75   max 187 (step 41)   falls from 27 to 9"
    assert len(found[7]) == 60
    assert (found[7][41], found[7][52]) == ("█", "!")
    assert found[8] == "0         10        20        30        40        50"
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
    assert hint == " 21 more: --by block (27), --by layer (219), --by param (291), --by step, -f json"
    assert found[-1] == "Next: gradclip apply run/ -o clipped/ -t 19.75 --nonfinite zero --dry-run"
    assert len(found) <= 32


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_is_never_too_narrow(width: int) -> None:
    """All lines fit, but for a command that a person may copy."""
    found = shown(planted(), Room(width))
    wide = [line for line in found if cells(line) > width]
    assert all(line.startswith("Next: ") for line in wide)


def test_nothing_is_cut_in_a_pipe() -> None:
    """Names are whole, and there is no ellipsis."""
    assert "…" not in "".join(shown(planted()))
    assert "…" in "".join(shown(planted(), Room(60)))


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
    assert shown(stats(tmp_path)) == ["there is no gradient in these dumps, and nothing to clip"]


def test_no_norm_is_finite(tmp_path: Path) -> None:
    """A run of NaN alone has bars of `!`, and a reason in place of thresholds."""
    found = shown(of_norms(tmp_path, *[np.nan] * 4))
    assert found[2].split() == ["NaN", "step", "0", "fc.w", "1", "of", "1,", "at", "[0];", "and", "3", "more", "steps"]
    assert found[4:6] == ["norm   none is finite", "!!!!"]
    assert " there is no finite norm to choose a threshold from." in found


def test_calm_runs_have_no_findings(tmp_path: Path) -> None:
    """The norm follows the head at once, and a plain mean needs no sentence."""
    found = shown(of_norms(tmp_path, *[1.0, 1.1, 0.9, 1.2] * 5))
    assert found[2].startswith("norm   median 1.05")
    assert "  >   1.05  mean" in "\n".join(found)
    assert not any(line.startswith(" mean:") for line in found)


def test_steps_without_numbers_have_no_column(tmp_path: Path) -> None:
    """Where a list of steps could not say which dumps it means, there is none, and no ruler."""
    found = shown(of_norms(tmp_path, 1.0, 2.0, 3.0, name="part{}"))
    heads = next(line for line in found if "value" in line)
    assert "steps" not in heads
    assert "0" not in found


def test_few_dumps_call_for_more(tmp_path: Path) -> None:
    """Below ten dumps it is said on how little the advice rests."""
    found = shown(of_norms(tmp_path, 1.0, 2.0, 3.0))
    assert any("only 3 steps, so measure more before you rely on it" in line for line in found)


def test_all_strategies(tmp_path: Path) -> None:
    """Each strategy has a table of its own, with its advice marked."""
    for k in range(12):
        savez(tmp_path / f"step_{k}.npz", **{"a.w": np.array([1.0 + k % 3]), "b.w": np.array([9.0])})
    found = shown(stats(tmp_path, strategy="all"))
    heads = [line.split()[2] for line in found if line.startswith("threshold for ")]
    assert heads[0] == "clip-by-global-norm"
    assert set(heads[1:]) == {"clip-l2-per-layer", "clip-l2-per-param-type", "clip-elementwise-absolute-value"}
    assert sum(line.startswith("  > ") for line in found) == 4


def test_what_is_tried_names_its_steps(tmp_path: Path) -> None:
    """The table of tries has the steps that each would clip, as ranges."""
    for k, norm in enumerate([1.0, 1.0, 5.0, 6.0, 1.0]):
        savez(tmp_path / f"step_{k}.npz", **{"fc.w": np.array([norm])})
    found = shown(stats(tmp_path, tries=["clip-by-global-norm:2"]))
    row = found[found.index("what if") + 2]
    assert row.split() == ["clip-by-global-norm", "2", "40", "%", "2-3", "0.747", "83", "%"]
