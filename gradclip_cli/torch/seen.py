"""A step that was seen, whose norm and copies may still be on their way on the device."""

from typing import NamedTuple

import torch
from torch import Tensor

from gradclip_cli.torch.gradients import Grads


class Seen(NamedTuple):
    """A step: the number of its call and its own, its norm times the loss scale, copies of its gradients, and what files say of it.

    `ready` is reached on the device when the norm and the copies are complete; None where they are.
    """

    call: int
    step: int
    norm: Tensor | None
    scale: float
    tensors: dict[str, Tensor]
    in_pieces: bool
    facts: dict[str, str]
    ready: "torch.cuda.Event | None"

    @classmethod
    def of(
        cls,
        call: int,
        step: int,
        norm: Tensor | None,
        grads: Grads,
        tensors: dict[str, Tensor],
        loss_scale: float | None,
    ) -> "Seen":
        """Send the norm of a step to the host, without waiting for it."""
        on_device = any(one.is_cuda for one in (*tensors.values(), *(() if norm is None else (norm,))))
        if norm is not None and norm.is_cuda:
            norm = torch.empty((), dtype=norm.dtype, pin_memory=True).copy_(norm, non_blocking=True)
        ready = torch.cuda.Event() if on_device else None
        if ready is not None:
            ready.record()
        scaled = {} if loss_scale is None else {"loss_scale": repr(float(loss_scale))}
        facts = {"stage": "before-clip" if loss_scale is None else "scaled", **scaled}
        return cls(call, step, norm, loss_scale or 1.0, tensors, grads.in_pieces, facts, ready)

    @property
    def arrived(self) -> bool:
        """Whether the norm has arrived."""
        return self.ready is None or bool(self.ready.query())
