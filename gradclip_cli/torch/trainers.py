"""Capture in the trainers of others: at the moment when gradients are complete and not yet clipped."""

from collections.abc import Callable
from typing import Any


def lightning_callback(make: Callable[[Any], Any]) -> Any:
    """Return a callback for Lightning's Trainer; `make` returns the capture of a module, and is called at the first step.

    `on_before_optimizer_step` comes after the gradients are unscaled and before they are clipped.
    """
    try:
        from lightning.pytorch import Callback
    except ImportError:
        from pytorch_lightning import Callback

    class CaptureCallback(Callback):
        """Captures the gradients of a LightningModule."""

        def __init__(self) -> None:
            super().__init__()
            self.capture: Any = None

        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            """Capture a step; fused optimizers unscale gradients themselves, so that these are still scaled here."""
            if self.capture is None:
                self.capture = make(pl_module)
            scaler = getattr(trainer.precision_plugin, "scaler", None)
            scaled = getattr(optimizer, "_step_supports_amp_scaling", False)
            self.capture(trainer.global_step, loss_scale=scaler.get_scale() if scaler is not None and scaled else None)

        def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
            """Write what is queued."""
            if self.capture is not None:
                self.capture.close()

    return CaptureCallback()


def attach(trainer: Any, make: Callable[[Any], Any]) -> Any:
    """Capture whenever the accelerator of a Hugging Face Trainer is asked to clip, and return what `make` returns for its model.

    Raises ValueError where the trainer does not clip at all.

    With a GradScaler gradients are saved as they are, with the scale beside them: it may unscale them only once.
    """
    if not trainer.args.max_grad_norm:
        raise ValueError("the trainer does not clip, so nothing asks for the norm; give max_grad_norm, such as 1e9")
    capture, accelerator = make(trainer.model), trainer.accelerator
    clip = accelerator.clip_grad_norm_

    def clip_grad_norm_(*args: Any, **keywords: Any) -> Any:
        scaler = getattr(accelerator, "scaler", None)
        capture(trainer.state.global_step, loss_scale=None if scaler is None else scaler.get_scale())
        return clip(*args, **keywords)

    accelerator.clip_grad_norm_ = clip_grad_norm_
    return capture
