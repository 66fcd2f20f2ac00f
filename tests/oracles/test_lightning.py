"""The CSV of Lightning against the norms of the gradients, which the model computes before each step."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
lightning = pytest.importorskip("lightning")

from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import grad_norm

from gradclip_cli import check, stats

STEPS = 20


class Model(lightning.LightningModule):  # type: ignore[misc,name-defined]
    """Two layers that log the norms of their gradients as Lightning's documentation shows it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = torch.nn.Linear(4, 8), torch.nn.Linear(8, 1)
        self.norms: dict[int, dict[str, float]] = {}

    def training_step(self, batch: Any, number: int) -> Any:
        """Return the loss."""
        (rows,) = batch
        loss = (self.last(torch.tanh(self.first(rows))) - rows.sum(1, keepdim=True)).square().mean()
        self.log("train_loss", loss)
        return loss

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Log norms, and keep those that plain double precision gives."""
        self.log_dict(grad_norm(self, norm_type=2))
        squares = {name: float(one.grad.double().square().sum()) for name, one in self.named_parameters()}
        self.norms[self.global_step] = {name: square**0.5 for name, square in squares.items()}
        self.norms[self.global_step]["total"] = sum(squares.values()) ** 0.5

    def configure_optimizers(self) -> Any:
        """Return the optimizer."""
        return torch.optim.SGD(self.parameters(), lr=0.01)


@pytest.mark.parametrize("every", [1, 4])
def test_metrics(every: int, tmp_path: Path) -> None:
    """The folder of a version has the norm of each step that is logged, as a whole and by tensor."""
    torch.manual_seed(0)
    model, logger = Model(), CSVLogger(str(tmp_path))
    rows = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(STEPS * 8, 4)), batch_size=8)
    trainer = lightning.Trainer(
        max_epochs=1, logger=logger, log_every_n_steps=every, accelerator="cpu", enable_progress_bar=False
    )
    trainer.fit(model, rows)
    report = stats(str(logger.log_dir))
    own = {row.step: row.norm for row in report.dumps if row.step is not None}
    assert sorted(own) == [step for step in range(STEPS) if (step + 1) % every == 0]
    assert own == pytest.approx({step: model.norms[step]["total"] for step in own}, rel=1e-5)
    for row in report.params:
        norms = [model.norms[step][row.name] for step in own]
        assert (row.summary.max, row.summary.mean) == pytest.approx((max(norms), sum(norms) / len(norms)), rel=1e-5)
    assert {row.name for row in report.params} == {name for name, _ in model.named_parameters()}
    assert {row.layer for row in report.layers} == {"first", "last"}
    assert check(str(logger.log_dir)).dumps == len(own)
