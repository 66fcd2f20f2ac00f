"""Find the gradients that this rank has to save, copy them, and take their norm, without waiting for the device."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

_WRAPPERS = re.compile(r"(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What tools that wrap a model put into the names of its parameters."""

_REPLICAS = ("DistributedDataParallel", "DataParallel")

Named = Iterable[tuple[str, Tensor]]


class Grads(NamedTuple):
    """The gradients of a step by the names of their parameters, as they lie in memory, and whether they are pieces of a rank.

    `device` is where the gradients are, those that another rank saves included; None if there are none.
    """

    tensors: dict[str, Tensor]
    in_pieces: bool
    device: torch.device | None


class Gradients:
    """The gradients of a model, or of named parameters; parameters are looked up anew by `refresh`."""

    def __init__(
        self, model: nn.Module | Named, include: Sequence[str], exclude: Sequence[str], dtype: torch.dtype | None
    ) -> None:
        self._model = model if isinstance(model, nn.Module) else None
        self._given = [] if isinstance(model, nn.Module) else list(model)
        self._include, self._exclude, self._dtype = include, exclude, dtype
        self._parameters: list[tuple[str, Tensor]] = []
        if self._model is not None:
            _check_supported(self._model)

    def refresh(self) -> None:
        """Look up the parameters: a module may make them late, or get new ones."""
        found = self._given if self._model is None else _unwrapped(self._model).named_parameters()
        named = [(_WRAPPERS.sub("", name), parameter) for name, parameter in found]
        self._parameters = [pair for pair in named if self._takes(pair[0])]

    def now(self) -> Grads:
        """Return what this rank has to save of the gradients as they are now; one rank has what is the same on several."""
        if not self._parameters:
            self.refresh()
        there = [(name, parameter.grad) for name, parameter in self._parameters if parameter.grad is not None]
        in_pieces = any(is_distributed(grad) for _, grad in there)
        pieces = ((name, _own_piece(name, grad) if in_pieces else grad) for name, grad in there)
        device = there[0][1].device if there else None
        return Grads({name: grad for name, grad in pieces if grad is not None}, in_pieces, device)

    def copies(self, grads: Grads) -> dict[str, Tensor]:
        """Return contiguous copies on the same device; a sparse gradient becomes its indices and its values."""
        return {name: self._copy(part) for name, grad in grads.tensors.items() for name, part in _dense(name, grad)}

    def _takes(self, name: str) -> bool:
        wanted = not self._include or any(fnmatchcase(name, pattern) for pattern in self._include)
        return wanted and not any(fnmatchcase(name, pattern) for pattern in self._exclude)

    def _copy(self, grad: Tensor) -> Tensor:
        to = self._dtype if self._dtype is not None and grad.is_floating_point() else grad.dtype
        # `to` makes no copy of what has the right dtype, and the gradient is changed soon.
        return grad.detach().to(to, copy=True, memory_format=torch.contiguous_format).contiguous()


def norm_of(grads: Grads) -> Tensor:
    """Return the L2 norm of all gradients as a float32 on the device, for all ranks the same; nothing waits for it.

    The norms of halves are taken in float32: those of scaled gradients may be above the range of float16.
    """
    square = torch.zeros((), dtype=torch.float64, device=grads.device)
    parts = [_norm(grad).to(square) for grad in grads.tensors.values() if grad.numel()]
    if parts:
        square = torch.stack(parts).square().sum()
    if grads.in_pieces:
        torch.distributed.all_reduce(square)
    return square.sqrt().float()


def is_distributed(tensor: Tensor) -> bool:
    """Whether a tensor is spread over ranks, as in FSDP2 and tensor parallelism."""
    return hasattr(tensor, "placements")


def _norm(grad: Tensor) -> Tensor:
    values = grad.coalesce().values() if grad.is_sparse else grad
    wide = torch.float64 if values.dtype in (torch.float64, torch.complex128) else torch.float32
    kind = (torch.complex128 if wide is torch.float64 else torch.complex64) if values.is_complex() else wide
    found: Tensor = torch.linalg.vector_norm(values, dtype=kind)
    return found


def _dense(name: str, grad: Tensor) -> Iterator[tuple[str, Tensor]]:
    if not grad.is_sparse:
        yield name, grad
        return
    whole = grad.coalesce()  # an index that stands twice would make the norm of the values another one
    yield f"{name}.indices", whole.indices()
    yield f"{name}.values", whole.values()


def _own_piece(name: str, grad: Any) -> Tensor | None:
    """Return the piece of a rank; None if it is empty, or if another rank saves the same one."""
    if not is_distributed(grad):
        return grad if torch.distributed.get_rank() == 0 else None
    if any(place.is_partial() for place in grad.placements):
        raise ValueError(f"the gradient of {name} is not reduced yet; call capture() after it is")
    at = grad.device_mesh.get_coordinate()
    first = at is not None and all(at[k] == 0 for k, place in enumerate(grad.placements) if place.is_replicate())
    local = grad.to_local()
    return local if first and (local.numel() or not grad.numel()) else None


def _unwrapped(model: nn.Module) -> nn.Module:
    """Return the module whose names are those of the user: DDP puts `module.` before each."""
    inner = getattr(model, "_orig_mod", model)  # of torch.compile
    return inner.module if type(inner).__name__ in _REPLICAS else inner


def _check_supported(model: nn.Module) -> None:
    """Raise ValueError for what keeps gradients where their parameters do not have them."""
    if any(type(module).__name__ == "FullyShardedDataParallel" for module in model.modules()):
        raise ValueError(
            "FSDP1 keeps flat pieces of gradients; use fully_shard (FSDP2), whose gradients know their places"
        )
    if any(hasattr(parameter, "ds_id") for parameter in model.parameters()):
        raise ValueError("DeepSpeed ZeRO keeps gradients itself; save what safe_get_full_grad returns")


def ranks() -> Mapping[str, int]:
    """Return the number of this rank, and how many there are."""
    there = torch.distributed.is_available() and torch.distributed.is_initialized()
    if not there:
        return {"rank": 0, "world": 1}
    return {"rank": torch.distributed.get_rank(), "world": torch.distributed.get_world_size()}
