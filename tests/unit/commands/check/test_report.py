"""Series are read in the order of their steps, and what is found in real ones is right."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike
from support.findings import Seen, seen, series
from support.official import save_as
from support.tensors import gradients

import gradclip_cli
from gradclip_cli import check
from gradclip_cli.errors import InputError, UsageError

SAMPLES = Path(gradclip_cli.__file__).parent.parent / "sample_data"
CALM = [1, 2, 3, 4, 6, 7, 8, 10, 11, 12, 13, 14]

sampled = pytest.mark.skipif(not SAMPLES.is_dir(), reason="installed without its samples")


@sampled
def test_the_sample_explodes_at_its_known_steps() -> None:
    """The LSTM explodes at step 5 and again at step 9, and nothing else is wrong with it."""
    report = check(SAMPLES / "char_lstm")
    assert report.dumps == 14
    assert [(one.rule, one.step, one.layer) for one in report.findings] == [("exploding", 5, "lstm")]
    assert report.findings[0].value == pytest.approx(43.7504, rel=1e-5)
    assert "step 5, step 9" in report.findings[0].message


@sampled
def test_healthy_samples_are_silent() -> None:
    """Nothing is wrong with the calm steps, nor with series that are too short to tell an explosion."""
    calm = [SAMPLES / "char_lstm" / f"step_{step:05}.safetensors" for step in CALM]
    assert seen_in(calm) == []
    assert seen(SAMPLES / "char_lstm_hdf5") == []
    assert seen(SAMPLES / "dl4j_lstm") == []


def seen_in(paths: list[Path]) -> list[str]:
    """Return the rules that find something in several files."""
    return [one.rule for one in check(paths).findings]


def test_dumps_are_taken_in_the_order_of_their_steps(tmp_path: Path) -> None:
    """The first step to go bad is the lowest, in whatever order the dumps are given."""
    paths = [
        save_as(tmp_path / f"step_{step}.npz", {"w": [np.nan if step > 8 else step + 0.5]})
        for step in (11, 2, 9, 10, 1)
    ]
    [one] = check(paths).findings
    assert (one.step, one.input) == (9, str(tmp_path / "step_9.npz"))


def test_a_dump_without_a_step_goes_by_its_file(tmp_path: Path) -> None:
    """Messages call a dump by its step, and one that has none, which comes last, by its file."""
    paths = [save_as(tmp_path / name, {"w": [np.nan, k]}) for k, name in enumerate(("b.npz", "step_1.npz"))]
    [one] = check(paths).findings
    assert (one.step, one.input) == (1, str(paths[1]))
    assert one.message.endswith("(in 2 of 2 dumps: step 1, b.npz)")


def test_many_dumps_are_not_listed(tmp_path: Path) -> None:
    """Of more than four dumps only the first and the last are named."""
    [one] = check(series(tmp_path, [{"w": [np.nan]}] * 7)).findings
    assert one.message.endswith("(in 7 of 7 dumps: step 1 to step 7)")


@pytest.mark.parametrize("suffix", [".safetensors", ".h5", ".npz"])
def test_the_number_of_threads_changes_nothing(suffix: str, tmp_path: Path) -> None:
    """All findings are the same to the bit with one thread and with four."""
    rng = np.random.default_rng(0)
    dumps = []
    for step in range(6):
        arrays = {f"l{k}.w": rng.standard_normal(size) for k, size in enumerate((3, 9000, 600_000))}
        arrays["l1.w"][: 10 * step] = 0
        arrays["l3.w"], arrays["l4.w"] = np.ones(20_000), gradients(9000, "float16", step, 1e-5)
        arrays["l2.w"] *= 100 if step == 4 else 1
        dumps.append(arrays)
    dumps[5]["l0.w"][1] = np.inf
    folder = series(tmp_path, dumps, suffix)
    one = check(folder, jobs=1)
    assert one.findings == check(folder, jobs=4).findings
    assert {(row.rule, row.step, row.layer) for row in one.findings} == {
        ("nonfinite", 6, "l0"),
        ("exploding", 5, "l2"),
        ("unchanged", 1, "l3"),
        ("underflow", 1, "l4"),
        ("dominated", 5, "l2"),
        ("spread", 5, None),
    }


def test_shards_are_one_dump(tmp_path: Path) -> None:
    """Pieces of one tensor in the files of several ranks are judged together."""
    paths = [save_as(tmp_path / f"rank{k}.npz", {"a.w": value, "b.w": [1.0]}) for k, value in enumerate(([2.0], [0.0]))]
    report = check(paths, shards=True)
    assert (report.findings, report.dumps) == ([], 1)
    assert seen_in(paths) == ["dead"]


def test_folders_of_one_file_a_parameter(tmp_path: Path) -> None:
    """A folder of files with one gradient each is one dump, whose tensors are judged apart and by their own names."""
    tiny = np.full(4, 2.0**-16, np.float16)  # subnormal
    for step in (1, 2, 3):
        folder = tmp_path / f"step{step}"
        folder.mkdir()
        arrays: dict[str, ArrayLike] = {
            "a.w": np.ones(4),
            "b.w": np.ones(4) * step,
            "c.w": tiny * step,
            "d.w": [np.nan if step > 1 else 1.0],
        }
        for name, array in arrays.items():
            save_as(folder / f"{name}.npz", {"gradient": array})
    report = check(tmp_path)
    assert report.dumps == 3
    assert [(one.rule, one.step, one.layer) for one in report.findings] == [
        ("nonfinite", 2, "d"),
        ("unchanged", 1, "a"),
        ("underflow", 1, "c"),
    ]
    assert report.findings[0].input == str(tmp_path / "step2")


def test_selected_tensors_are_judged(tmp_path: Path) -> None:
    """What is left out is not judged, and a pattern that matches nothing is wrong usage."""
    folder = series(tmp_path, [{"a.w": [0.0], "b.w": [np.nan]}])
    assert seen(folder, exclude=["b.*"]) == [Seen("dead", 1, "a", "w")]
    assert seen(folder, include=["b.*"]) == [Seen("nonfinite", 1, "b", "w")]
    with pytest.raises(UsageError, match="matches no tensor"):
        check(folder, include=["nosuch"])


def test_keep_going(tmp_path: Path) -> None:
    """A dump that cannot be read ends it, or is left out and named; where none can be read there is no report."""
    folder = series(tmp_path, [{"w": [0.0]}] * 3)
    path = folder / "step_1.npz"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="step_1"):
        check(folder)
    report = check(folder, keep_going=True)
    assert ([one.step for one in report.findings], report.dumps, len(report.failed)) == ([2], 2, 1)
    with pytest.raises(InputError, match="step_1"):
        check(path, keep_going=True)


def test_a_finding_says_in_which_dumps_it_is(tmp_path: Path) -> None:
    """A finding has its block, how many dumps show it, from which step to which, and the worst of its values."""
    shares = [0.2, 0.9, 1.0, 0.1, 0.8, 0.7]
    for step, share in enumerate(shares):
        dead = int(1000 * share)
        save_as(tmp_path / f"step_{10 * step}.npz", {"h.3.mlp.w": [*[0.0] * dead, *[1.0 + step] * (1000 - dead)]})
    [one] = check(tmp_path, dead_share=0.75, ignore=["unchanged"]).findings
    assert (one.rule, one.step, one.layer, one.block) == ("dead", 10, "h.3.mlp", "h.3")
    assert (one.value, one.worst, one.dumps, one.steps) == (0.9, 1.0, 3, [(10, 20), (40, 40)])
    [one] = check(tmp_path, dead_share=0.75, ignore=["unchanged"], group_depth=3).findings
    assert one.block == "h.3.mlp"


def test_what_rose_first(tmp_path: Path) -> None:
    """The report says which block stood high first before the dump explodes, and by how many times its usual norm."""
    random = np.random.default_rng(0)
    for step in range(20):
        arrays = {f"h.{k}.w": random.standard_normal(1000) for k in range(4)}
        arrays["h.2.w"] *= 8 if step in (14, 15) else 1
        arrays = {name: values * (20 if step == 15 else 1) for name, values in arrays.items()}
        save_as(tmp_path / f"step_{step}.npz", arrays)
    report = check(tmp_path)
    assert report.first is not None
    assert report.first[:4] == (15, 14, str(tmp_path / "step_14.npz"), ["h.2"])
    assert report.first.times == [pytest.approx(8, rel=0.1)]
    [whole] = [one for one in report.findings if one.rule == "exploding" and one.block is None]
    assert (whole.step, whole.layer, whole.dumps) == (15, "h.2", 1)


def test_what_is_not_finite_first(tmp_path: Path) -> None:
    """Where nothing explodes, the blocks that are not finite first are told; with one block there is no first one."""
    for step in range(6):
        bad = np.nan if step > 3 else 1.0
        save_as(tmp_path / f"step_{step}.npz", {"h.0.w": [1.0, step], "h.1.w": [bad, step], "h.2.w": [2.0, step]})
    first = check(tmp_path).first
    assert first is not None
    assert (first.at, first.step, first.names, first.times) == (4, 4, ["h.1"], [np.inf])
    assert check(tmp_path, include=["h.1.w"]).first is None
    assert check(tmp_path, ignore=["nonfinite", "exploding"]).first is None
