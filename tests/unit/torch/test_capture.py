"""A training loop is captured as it is: the files hold what clipping sees, and training is the same bits with and without."""

import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

import gradclip_cli
from gradclip_cli.torch import Capture, files

pytestmark = pytest.mark.filterwarnings(
    "ignore:capture. the disk is slower"
)  # the steps of these models are too fast for any

SPIKE, BAD = 17, 31


def small() -> nn.Module:
    """Return a model of an embedding, a recurrent layer and a linear one."""
    torch.manual_seed(0)
    return nn.ModuleDict(
        {"embed": nn.Embedding(16, 8), "rnn": nn.LSTM(8, 8, batch_first=True), "head": nn.Linear(8, 16)}
    )


def losses(model: Any, steps: int) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield the loss of each step, with a spike and a NaN planted."""
    generator = torch.Generator().manual_seed(1)
    for step in range(steps):
        batch = torch.randint(0, 16, (4, 9), generator=generator)
        out = model["head"](model["rnn"](model["embed"](batch[:, :-1]))[0])
        loss = nn.functional.cross_entropy(out.flatten(0, 1), batch[:, 1:].flatten())
        yield step, loss * {SPIKE: 100.0, BAD: float("nan")}.get(step, 1.0)


def train(model: nn.Module, steps: int, capture: Any = None) -> list[float]:
    """Train with clipping; return the norms that `clip_grad_norm_` reports."""
    optimizer, norms = torch.optim.AdamW(model.parameters(), 1e-2), list[float]()
    for _, loss in losses(model, steps):
        loss.backward()
        if capture is not None:
            capture()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        norms.append(norm.item())
        if torch.isfinite(norm):
            optimizer.step()
        optimizer.zero_grad()
    return norms


def trained(model: nn.Module, steps: int, capture: Capture) -> list[float]:
    """Train, and close the capture."""
    norms = train(model, steps, capture)
    capture.close()
    return norms


def said(told: Any, words: str) -> int:
    """Count the warnings with these words: a disk that is slower than the steps may be told, too."""
    return sum(words in str(one.message) for one in told)


def steps_in(folder: Path) -> list[int]:
    """Return the steps of the files in a folder."""
    return sorted(int(path.stem.removeprefix("step_")) for path in folder.iterdir())


def metadata(folder: Path, step: int) -> dict[str, str]:
    """Return what the file of a step says of itself."""
    with safe_open(folder / f"step_{step:08}.safetensors", "pt") as file:
        found: dict[str, str] = file.metadata()
    return found


def test_what_is_written_of_a_run(tmp_path: Path) -> None:
    """Every tenth step; the three last ones and two after the spike, and around the NaN; each says why it was written."""
    with Capture(tmp_path, model := small(), every=10, last=3, after=2, metadata={"run": "a"}) as capture:
        norms = train(model, 40, capture)
    assert steps_in(tmp_path) == [0, 10, 15, 16, 17, 18, 19, 20, 29, 30, 31, 32, 33]
    assert {path.name for path in capture.files} == {path.name for path in tmp_path.iterdir()}
    reasons = {step: metadata(tmp_path, step)["reason"] for step in steps_in(tmp_path)}
    assert [step for step, reason in reasons.items() if reason == "every"] == [0, 10, 20, 30]
    assert {reasons[step] for step in (15, 16, 17, 18, 19)} == {"spike"}
    assert {reasons[step] for step in (29, 31, 32, 33)} == {"nonfinite"}
    expected = {
        "format": "pt", "gradclip": "capture/1", "framework": f"torch {torch.__version__}", "step": "17", "rank": "0",
        "world": "1", "layout": "whole", "stage": "before-clip", "reason": "spike", "every": "10", "run": "a",
    }  # fmt: skip
    assert metadata(tmp_path, 17) == expected
    report = gradclip_cli.stats(tmp_path)
    found = [(norms[dump.step or 0], dump.norm) for dump in report.dumps if dump.step != BAD]
    assert [ours for _, ours in found] == pytest.approx([theirs for theirs, _ in found], rel=1e-6)  # it adds in float32


def test_files_hold_the_bits_of_the_gradients(tmp_path: Path) -> None:
    """What is written is what `.grad` was when it was captured, although it is clipped right after."""
    model, kept = small(), []
    with Capture(tmp_path, model, every=1) as capture:

        def keep() -> None:
            kept.append({name: parameter.grad.clone() for name, parameter in model.named_parameters()})
            capture()

        train(model, 3, keep)
    for step, gradients in enumerate(kept):
        found = load_file(tmp_path / f"step_{step:08}.safetensors")
        assert found.keys() == gradients.keys()
        assert all(torch.equal(found[name], gradients[name]) for name in found)


def test_training_is_the_same_with_and_without(tmp_path: Path) -> None:
    """Capturing changes no bit of any weight."""
    plain, watched = small(), small()
    norms = train(plain, 40)
    with Capture(tmp_path, watched, every=3, last=4) as capture:
        assert str(train(watched, 40, capture)) == str(norms)
    pairs = zip(plain.parameters(), watched.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_accumulated_micro_batches_are_one_step(tmp_path: Path) -> None:
    """With accumulate=4 each fourth call is a step: its gradient is that of all four."""
    model = nn.Linear(1, 1, bias=False)
    with Capture(tmp_path, model, every=1, accumulate=4) as capture:
        for micro in range(8):
            (model.weight * (micro + 1)).sum().backward()
            capture()
            if micro % 4 == 3:
                model.zero_grad()
    assert [load_file(path)["weight"].item() for path in capture.files] == [10.0, 26.0]
    assert steps_in(tmp_path) == [0, 1]


def test_scaled_gradients_say_so(tmp_path: Path) -> None:
    """With a GradScaler that has not unscaled yet, the file has the scale beside them, and stats divides by it."""
    model = nn.Linear(2, 1, bias=False)
    with Capture(tmp_path, model, every=1, spike=10) as capture:
        for scale in (1.0, 1024.0, 65536.0, 2.0, 4.0, 8.0, 65536.0):
            (model(torch.tensor([3.0, 4.0])) * scale).sum().backward()
            capture(loss_scale=scale)
            model.zero_grad()
    assert metadata(tmp_path, 1)["stage"] == "scaled"
    assert metadata(tmp_path, 1)["loss_scale"] == "1024.0"
    assert {metadata(tmp_path, step)["reason"] for step in range(7)} == {"every"}


def test_a_grad_scaler_step_with_infinities(tmp_path: Path) -> None:
    """A step that overflows in AMP is written as one that is not finite, and the scaler skips it as it would without."""
    model, scaler = nn.Linear(2, 1, bias=False), torch.amp.GradScaler("cpu", init_scale=2.0**100)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with Capture(tmp_path, model, last=1, after=0) as capture:
        for factor in (1.0, 1.0, 1e30, 1.0):
            scaler.scale((model(torch.ones(2)) * factor).sum()).backward()
            scaler.unscale_(optimizer)
            capture()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
    assert steps_in(tmp_path) == [2]
    assert metadata(tmp_path, 2)["reason"] == "nonfinite"


def test_a_full_disk_warns_once_and_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised in the loop, and nothing half written is left."""
    monkeypatch.setattr(files, "save_file", _full)
    capture = Capture(tmp_path, model := small(), every=1)
    with pytest.warns(UserWarning, match="No space left") as told:
        norms = trained(model, 10, capture)
    assert (len(norms), said(told, "No space"), list(tmp_path.iterdir())) == (10, 1, [])


def test_a_full_disk_is_raised_where_that_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With on_error="raise" the call after the error raises it."""
    monkeypatch.setattr(files, "save_file", _full)
    with (
        pytest.raises(RuntimeError, match="No space left"),
        Capture(tmp_path, model := small(), every=1, on_error="raise") as it,
    ):
        train(model, 10, it)


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_call_without_gradients_is_told(tmp_path: Path) -> None:
    """Called before the backward pass there is nothing to save: it says when to call."""
    capture = Capture(tmp_path, small(), every=1)
    with pytest.warns(UserWarning, match="after the backward pass"):
        capture()
    capture.close()


def test_memory_that_runs_out_ends_the_ring_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without memory for the last steps every N-th is still written, and that is said once."""
    capture = Capture(tmp_path, model := small(), every=10, last=3)
    monkeypatch.setattr(capture._gradients, "copies", _out_of_memory(capture._gradients.copies))
    with pytest.warns(UserWarning, match="no memory for copies") as told:
        trained(model, 25, capture)
    assert (said(told, "no memory"), steps_in(tmp_path)) == (1, [10, 18, 19, 20])


def _out_of_memory(real: Any) -> Any:
    calls = [0]

    def copies(grads: Any) -> Any:
        calls[0] += 1
        if calls[0] == 1:
            raise torch.OutOfMemoryError
        return real(grads)

    return copies


def test_files_are_bounded(tmp_path: Path) -> None:
    """max_files stops writing, and says so once."""
    capture = Capture(tmp_path, model := small(), every=1, max_files=3)
    with pytest.warns(UserWarning, match="max_files") as told:
        trained(model, 10, capture)
    assert (steps_in(tmp_path), said(told, "max_files")) == ([0, 1, 2], 1)


@pytest.mark.parametrize(
    "options", [{"every": -1}, {"last": -1}, {"spike": -1.0}, {"after": -1}, {"accumulate": 0}, {"last": 2, "spike": 0}]
)
def test_wrong_options_are_refused(options: dict[str, Any], tmp_path: Path) -> None:
    """What makes no sense is said when the capture is made, not in the loop."""
    with pytest.raises(ValueError, match=r"must not be so small|kept for a spike"):
        Capture(tmp_path, small(), **options)
    with pytest.raises(ValueError, match="folder must be one of this machine, not s3:/"):
        Capture("s3://bucket/run", small())
    with pytest.raises(ValueError, match="on_error"):
        Capture(tmp_path, small(), on_error="ignore")  # type: ignore[arg-type]


def test_workers_that_load_data_may_be_forked(tmp_path: Path) -> None:
    """A forked DataLoader worker has the capture too, but no thread: it does nothing there."""
    capture = Capture(tmp_path, model := small(), every=1)
    train(model, 2, capture)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, as DataLoader does it
        pid = os.fork()
    if not pid:
        capture()
        capture.close()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    train(model, 1, capture)
    capture.close()
    assert steps_in(tmp_path) == [0, 1, 2]


KILLED = """
import os, signal, sys, torch
from torch import nn
from gradclip_cli.torch import Capture, files
real = files.save_file
def save_file(tensors, path, metadata):
    real(tensors, path, metadata)
    if metadata["step"] == "2":
        os.kill(os.getpid(), signal.SIGKILL)
files.save_file = save_file
model = nn.Linear(64, 64)
capture = Capture(sys.argv[1], model, every=1)
for step in range(1000):
    model(torch.ones(64)).sum().backward()
    capture()
"""


def test_a_killed_run_leaves_no_half_file(tmp_path: Path) -> None:
    """Killed while it writes step 2, a run leaves steps 0 and 1, and a part that no command takes for a dump."""
    run = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, capture_output=True)
    assert run.returncode == -signal.SIGKILL
    assert [dump.step for dump in gradclip_cli.stats(tmp_path).dumps] == [0, 1]


def test_what_is_queued_is_written_at_exit(tmp_path: Path) -> None:
    """A script that never closes its capture loses nothing."""
    script = KILLED.replace("os.kill(os.getpid(), signal.SIGKILL)", "pass").replace("range(1000)", "range(5)")
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert steps_in(tmp_path) == [0, 1, 2, 3, 4]
