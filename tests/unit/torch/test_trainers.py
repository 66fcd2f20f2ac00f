"""Captured in the trainers of others, where these are installed: what is written is what they clip, before they do."""

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import nn
from torch.utils.data import DataLoader

import gradclip_cli
from gradclip_cli.torch import Capture

MAX_NORM = 0.01
"""So small that every step is clipped."""


def norms(folder: Path) -> dict[int | None, float]:
    """Return the norms that stats finds, by step."""
    return {dump.step: dump.norm for dump in gradclip_cli.stats(folder).dumps}


def test_hugging_face(tmp_path: Path) -> None:
    """The files hold the norms that the Trainer logs, which it takes before it clips."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 1)

        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"loss": (self.linear(x)[:, 0] - labels).square().mean()}

    torch.manual_seed(0)
    data = [{"x": torch.randn(3), "labels": torch.tensor(5.0)} for _ in range(24)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = transformers.TrainingArguments(
            tmp_path / "out", max_grad_norm=MAX_NORM, logging_steps=1, use_cpu=True, report_to=[], num_train_epochs=1,
            per_device_train_batch_size=4, save_strategy="no", disable_tqdm=True,
        )  # fmt: skip
        trainer = transformers.Trainer(Model(), arguments, train_dataset=data)
        with Capture.attach(trainer, tmp_path / "run", every=1) as capture:
            trainer.train()
    logged = [one["grad_norm"] for one in trainer.state.log_history if "grad_norm" in one]
    assert len(capture.files) == len(logged) == 6
    assert list(norms(tmp_path / "run").values()) == pytest.approx(logged, rel=1e-6)
    assert min(logged) > 100 * MAX_NORM


def test_a_trainer_that_does_not_clip_is_refused(tmp_path: Path) -> None:
    """Without clipping nothing asks for the norm: that is said at once, not found out at the end."""
    trainer = SimpleNamespace(args=SimpleNamespace(max_grad_norm=0.0))
    with pytest.raises(ValueError, match="max_grad_norm"):
        Capture.attach(trainer, tmp_path, every=1)


def test_scaled_gradients_of_an_accelerator(tmp_path: Path) -> None:
    """With a GradScaler the scale stands beside the gradients, and the original still clips."""
    model, clipped = nn.Linear(2, 1), list[Any]()
    accelerator = SimpleNamespace(
        scaler=SimpleNamespace(get_scale=lambda: 4.0), clip_grad_norm_=lambda *found: clipped.append(found)
    )
    trainer = SimpleNamespace(
        args=SimpleNamespace(max_grad_norm=1.0),
        model=model,
        accelerator=accelerator,
        state=SimpleNamespace(global_step=7),
    )
    capture = Capture.attach(trainer, tmp_path, every=1)
    (model(torch.ones(2)) * 4).sum().backward()
    accelerator.clip_grad_norm_("parameters", 1.0)
    capture.close()
    with safe_open(tmp_path / "step_00000007.safetensors", "pt") as file:
        assert (file.metadata()["stage"], file.metadata()["loss_scale"]) == ("scaled", "4.0")
    assert clipped == [("parameters", 1.0)]


def test_lightning(tmp_path: Path) -> None:
    """The callback sees the gradients before Lightning clips them; the last file is written at the end of fit."""
    lightning = pytest.importorskip("lightning.pytorch")
    module: Any = lightning.LightningModule
    seen = list[float]()

    class Model(module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 1)

        def training_step(self, batch: torch.Tensor) -> torch.Tensor:
            loss: torch.Tensor = (self.linear(batch) - 5).square().mean()
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 0.1)

        def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
            seen.append(
                sum(p.grad.double().square().sum().item() for p in self.parameters() if p.grad is not None) ** 0.5
            )

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            max_steps=6, accelerator="cpu", devices=1, gradient_clip_val=MAX_NORM, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, callbacks=[Capture.lightning(tmp_path / "run", every=2)],
        )  # fmt: skip
        trainer.fit(Model(), DataLoader(torch.randn(32, 3), batch_size=4))
    found = norms(tmp_path / "run")
    assert list(found) == [0, 2, 4]
    assert list(found.values()) == pytest.approx(seen[::2], rel=1e-12)
    assert min(seen) > 100 * MAX_NORM
