"""The logs of transformers' Trainer against the norms of the gradients, which a callback computes before each step."""

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from gradclip_cli import check, stats

STEPS = 24


class Trained(NamedTuple):
    """A run: the norm of each step, and where its logs are."""

    norms: dict[int, float]
    state: str
    printed: str


class Model(torch.nn.Module):  # type: ignore[misc,name-defined]
    """Two layers, whose loss is that of a regression."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = torch.nn.Linear(4, 8), torch.nn.Linear(8, 1)

    def forward(self, x: Any, labels: Any) -> dict[str, Any]:
        """Return the loss and what is predicted."""
        found = self.last(torch.tanh(self.first(x)))
        return {"loss": ((found - labels) ** 2).mean(), "logits": found}


class Norms(transformers.TrainerCallback):  # type: ignore[misc,name-defined]
    """Computes the norm of all gradients before each step of the optimizer."""

    def __init__(self) -> None:
        self.norms: dict[int, float] = {}

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Keep the norm of a step, which is counted after it."""
        squares = [parameter.grad.double().square().sum() for parameter in more["model"].parameters()]
        self.norms[state.global_step + 1] = float(sum(squares)) ** 0.5


def train(folder: Path, logging_steps: int) -> Trained:
    """Train a small model, clipped so high that nothing is."""
    torch.manual_seed(0)
    inputs = torch.randn(64, 4)
    rows = [{"x": row, "labels": row.sum()[None]} for row in inputs]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        max_steps=STEPS,
        logging_steps=logging_steps,
        save_steps=STEPS,
        per_device_train_batch_size=8,
        max_grad_norm=1e9,
        report_to=[],
        use_cpu=True,
    )
    norms, printed = Norms(), io.StringIO()
    with redirect_stdout(printed):
        transformers.Trainer(Model(), arguments, train_dataset=rows, callbacks=[norms]).train()
    path = folder / "printed.txt"
    path.write_text(printed.getvalue())
    return Trained(norms.norms, str(folder / f"checkpoint-{STEPS}" / "trainer_state.json"), str(path))


@pytest.mark.parametrize("every", [1, 5])
def test_trainer_state(every: int, tmp_path: Path) -> None:
    """The state has the norm of each step that is logged, before clipping, and no mean over steps."""
    run = train(tmp_path, every)
    report = stats(run.state)
    own = {row.step: row.norm for row in report.dumps if row.step is not None}
    assert sorted(own) == [step for step in range(1, STEPS + 1) if step % every == 0]
    assert own == pytest.approx({step: run.norms[step] for step in own}, rel=1e-5)
    assert own == {
        row["step"]: row["grad_norm"]
        for row in json.loads(Path(run.state).read_text())["log_history"]
        if "grad_norm" in row
    }
    assert any("every 5th step only" in note.text for note in report.notes) == (every == 5)


def test_standard_output(tmp_path: Path) -> None:
    """What it prints has the same norms in their order, with as many digits as it prints, and no steps."""
    run = train(tmp_path, 1)
    report = stats(run.printed)
    assert [row.step for row in report.dumps] == [None] * STEPS
    assert [row.norm for row in report.dumps] == pytest.approx(
        [run.norms[step] for step in sorted(run.norms)], rel=1e-3
    )
    assert check(run.printed).dumps == STEPS
