"""What is written while it is measured is what would be written after."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.elsewhere import copied
from support.matrices import crossed
from support.tensors import gradients, raw_of

from gradclip_cli import apply
from gradclip_cli.commands.apply import copy_ahead
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.formats.base import Options
from gradclip_cli.formats.opening import opened
from gradclip_cli.inputs.layouts.single import single
from gradclip_cli.inputs.source import DumpOutput
from gradclip_cli.numerics.dtypes import FLOAT32
from gradclip_cli.numerics.measuring import measure_piece
from gradclip_cli.numerics.workspace import Workspace
from gradclip_cli.storage.atomic import Outputs
from gradclip_cli.strategies.builtin import GLOBAL
from gradclip_cli.tensors import Piece

TENSORS = {
    "a.w": gradients(530_000, seed=1),
    "b.w": gradients(3, seed=2),
    "c.w": gradients(540_000, seed=3, scale=2.0),
    "d.ids": np.arange(70_000),
    "e.w": gradients(9_000, "float16", seed=4),
}
LONE = [np.linalg.norm(array.astype(np.float64)) for array in TENSORS.values()]


SHARES = (1e-3, 0.5, 0.999, 1e9)
NAMES = ("clip-by-global-norm", "clip-l2-per-layer", "clip-l2-per-param-type", "none")
OPTIONS: tuple[dict[str, Any], ...] = ({}, {"norm_type": 1.0}, {"layers": {"c": (None, 1.0)}}, {"exclude": ["c.w"]})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the tensors once."""
    path = tmp_path_factory.mktemp("source") / "g.safetensors"
    save_file(TENSORS, path)
    return path


@pytest.mark.parametrize(("strategy", "share", "options"), crossed(NAMES, SHARES, OPTIONS, rounds=4), ids=str)
def test_it_changes_no_byte(
    strategy: str,
    share: float,
    options: dict[str, Any],
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whenever a threshold is passed, at the first piece, at a later one or never, the output is the same."""
    if strategy == "none":
        options = {key: value for key, value in options.items() if key == "exclude"}
    threshold = None if strategy == "none" else share * float(np.sqrt(np.square(LONE[:3]).sum()))
    for name in ("ahead", "after"):
        monkeypatch.setattr(copy_ahead, "_MOST_FILES", 64 if name == "ahead" else 0)
        apply(source, tmp_path / f"{name}.safetensors", strategy=strategy, threshold=threshold, **options)
    assert (tmp_path / "ahead.safetensors").read_bytes() == (tmp_path / "after.safetensors").read_bytes()
    assert (tmp_path / "ahead.safetensors").stat().st_mode == (tmp_path / "after.safetensors").stat().st_mode


def test_one_reading_is_enough_where_nothing_is_clipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is no tensor is copied afterwards."""
    source = tmp_path / "g.safetensors"
    save_file({"a.w": TENSORS["a.w"]}, source)
    copied: list[int] = []
    real = copy_ahead.EarlyOutput.take

    def take(begun: Any, piece: Any, found: Any) -> None:
        real(begun, piece, found)
        copied.append(sum(stop - start for start, stop in begun.written))

    monkeypatch.setattr(copy_ahead.EarlyOutput, "take", take)
    apply(source, tmp_path / "out.safetensors", strategy="clip-by-global-norm", threshold=1e9)
    assert max(copied) == TENSORS["a.w"].nbytes


def test_rules_wait_until_all_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written ahead of a threshold that is not known, or of a strategy that changes whatever it is given."""
    source = tmp_path / "g.safetensors"
    save_file({"a.w": TENSORS["a.w"]}, source)
    monkeypatch.setattr(copy_ahead.PieceCopier, "see", lambda *_: pytest.fail("written ahead"))
    apply(source, tmp_path / "a.safetensors", strategy="clip-by-global-norm", threshold="mean")
    apply(source, tmp_path / "b.safetensors", strategy="renormalize-l2-per-layer")
    apply(source, tmp_path / "c.npz", strategy="clip-by-global-norm", threshold=1e9)


@pytest.mark.parametrize(("output_dtype", "ahead"), [("float32", True), ("keep", True), ("float16", False)])
def test_what_is_rounded_is_no_copy(
    output_dtype: str, ahead: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where gradients are written in another dtype nothing is copied while it is measured."""
    source = tmp_path / "g.safetensors"
    save_file({"a.w": TENSORS["a.w"]}, source)
    seen: list[Any] = []
    monkeypatch.setattr(copy_ahead.PieceCopier, "see", lambda *given: seen.append(given))
    apply(source, tmp_path / "out.safetensors", threshold=1e9, output_dtype=output_dtype)
    assert bool(seen) == ahead


def test_file_systems_with_one_mode(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every file may be executed, pieces are copied all the same, until this process itself has seen enough."""
    monkeypatch.setattr(copy_ahead, "_is_stopped", lambda fd: True)
    seen: list[Any] = []
    real = copy_ahead.EarlyOutput.take

    def take(begun: Any, piece: Any, found: Any) -> None:
        real(begun, piece, found)
        seen.append(found)

    monkeypatch.setattr(copy_ahead.EarlyOutput, "take", take)
    for threshold, some in ((1e9, True), (1e-9, False)):
        apply(source, tmp_path / f"{some}.safetensors", strategy="clip-by-global-norm", threshold=threshold)
        assert bool(seen) == some
        seen.clear()


def test_all_processes_stop_when_their_pieces_together_exceed_a_threshold(tmp_path: Path) -> None:
    """Processes that each see a piece below the threshold go on; once both are told here, no other copies anything."""
    array = np.ones(100, np.float32)
    save_file({"w": array}, tmp_path / "g.safetensors")
    output = str(tmp_path / "out.safetensors")
    source, to = single(str(tmp_path / "g.safetensors")), DumpOutput(output, (output,))
    plan = ApplyPlan((source,), (to,), GLOBAL, 4.0)
    with Outputs(False) as outputs, opened(source.location, Options()) as (format, reader):
        observer = copy_ahead.CopyAhead(plan, outputs).observer_for(format, reader)
        assert observer is not None
        stats = measure_piece(raw_of(array[:9]), FLOAT32, plan.norm_types, Workspace())  # of norm 3; of two, √18 = 4.2
        for start, goes_on in ((0, True), (9, True), (18, False)):
            found = copied(observer.see)(Piece(0, 1, start, start + 9), raw_of(array[:9]), stats)
            assert (found is not None) == goes_on
            if found is not None:
                assert found.range[1] - found.range[0] == 36
                observer.take(Piece(0, 1, start, start + 9), found)
