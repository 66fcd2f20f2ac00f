"""The faults that are planted, each with the rules that have to find it."""

import torch
from torch import Tensor, nn

from gallery.training import WARM_UP, Batch, Fault, Model

SEEDS = (0, 1, 2)
BROKEN = 40
"""The step at which a fault that comes later begins."""


def _swap_labels(batch: Batch, step: int, generator: torch.Generator) -> Batch:
    """Give every character a label that has nothing to do with it, and always the same one: from a wrong file."""
    return batch if step < BROKEN else batch._replace(targets=torch.full_like(batch.targets, 3))


def _corrupt(model: Model, step: int) -> None:
    """Multiply one small weight by 100, as a bad restore or a flipped bit does."""
    if step == BROKEN:
        with torch.no_grad():
            model.get_submodule("blocks.2.before_attention").weight.mul_(100)


def _freeze(model: Model) -> None:
    """Cut the gradient of one layer off by mistake."""
    model.get_submodule("blocks.1.up").register_forward_hook(lambda module, given, result: result.detach())


def _poison(model: Model, step: int) -> None:
    """Make the gradient that flows into block 2 NaN, as a division by 0 in its own backward pass does."""
    if step != BROKEN:
        return

    def poison(gradient: Tensor) -> Tensor:
        spoilt = gradient.clone()
        spoilt[0, 0, 0] = torch.nan
        return spoilt

    def hook(module: nn.Module, given: tuple[Tensor], result: Tensor) -> None:
        result.register_hook(poison)
        handle.remove()

    handle = model.get_submodule("blocks.2.up").register_forward_hook(hook)


def _drift(model: Model, step: int) -> None:
    """Let the scale of one layer run away, by 8 % a step."""
    if step >= WARM_UP:
        with torch.no_grad():
            model.get_submodule("blocks.1.value").weight.mul_(1.08)


FAULTS = (
    Fault("healthy", ()),
    Fault("tied weights", (), tied=True),
    Fault("no warm-up", (), warm_up=0),
    Fault("learning rate × 100", ("exploding", "growing"), rate=100.0),
    Fault("bad labels", ("exploding", "growing"), labels=_swap_labels),
    Fault("float16 without a scaler", ("underflow",), half=True),
    Fault("one broken layer", ("exploding",), "blocks.2", before=_corrupt),
    Fault("a frozen layer", ("dead",), "blocks.1", build=_freeze),
    Fault("missing zero_grad", ("accumulating",), zero_grad=False),
    Fault("NaN in one block", ("nonfinite",), "blocks.2", before=_poison),
    Fault("a drift", ("growing",), "blocks.1", before=_drift),
)
"""The trainings; where any of the expected rules speaks, the fault is found. One without expected rules should be silent."""
