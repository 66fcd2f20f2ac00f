"""Train on two ranks of this machine, capturing every step: `python -m support.captured_ranks FOLDER HOW STORE`.

STORE is a new file, HOW `ddp`, `fsdp`, `tp`, or `full`: `fsdp` with a full disk on one of them. Prints the norm of the whole
gradient of each step, as torch puts it together.
"""

import sys
import warnings
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.nn.parallel import DistributedDataParallel

from gradclip_cli.torch import Capture, files

RANKS, STEPS = 2, 4


def spread(how: str) -> nn.Module:
    """Return a model on this rank, spread in one of the ways."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(33, 65), nn.GELU(), nn.Linear(65, 9), nn.LayerNorm(9))
    mesh = init_device_mesh("cpu", (RANKS,))
    if how == "ddp":
        return DistributedDataParallel(model)
    if how == "tp":
        model[0] = nn.Linear(33, 64)
        model[2] = nn.Linear(64, 9)
        return parallelize_module(model, mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})
    for layer in (model[0], model[2]):
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def whole(grad: Any) -> torch.Tensor:
    """Return all of a gradient."""
    return grad.full_tensor() if hasattr(grad, "full_tensor") else grad


def full_disk(*_: object) -> None:
    """Stand in for what writes a file."""
    raise OSError(28, "No space left on device")


def work(rank: int, folder: str, how: str, store: str) -> None:
    """Train on one rank."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=RANKS)
    model = spread(how)
    if how == "full" and rank == 1:
        vars(files)["save_file"] = full_disk
        warnings.simplefilter("ignore")
    with Capture(folder, model, every=2, last=1, spike=3, after=0) as capture:
        for step in range(STEPS):
            torch.manual_seed(step if how == "tp" else 100 * rank + step)
            loss = model(torch.randn(8, 33)).square().sum()
            (loss * (float("nan") if step == 3 else 1.0)).backward()
            capture()
            square = sum(whole(p.grad).double().square().sum().item() for p in model.parameters() if p.grad is not None)
            if rank == 0:
                print(step, repr(square**0.5), flush=True)
            model.zero_grad()
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.multiprocessing.spawn(work, tuple(sys.argv[1:]), nprocs=RANKS)
