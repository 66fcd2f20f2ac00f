"""What capturing costs a training step: `python -m benchmarks.capture [ROUNDS]` prints milliseconds a step, and the share.

The model is a small transformer of 10 million parameters, on the GPU if there is one. The loops with and without take turns.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gradclip_cli.torch import Capture

WIDTH, LAYERS, WORDS, BATCH, LENGTH, STEPS = 384, 5, 2000, 8, 64, 6
WAYS: dict[str, dict[str, Any]] = {
    "norm watched": {"spike": 10.0},
    "the last 4 kept": {"last": 4},
    "every 50th step written": {"every": 50, "spike": 0},
    "every step written": {"every": 1, "spike": 0},
}


def model(device: str) -> nn.Module:
    """Return the model."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(WIDTH, 6, 4 * WIDTH, dropout=0.0, batch_first=True)
    return nn.Sequential(nn.Embedding(WORDS, WIDTH), nn.TransformerEncoder(layer, LAYERS), nn.Linear(WIDTH, WORDS)).to(
        device
    )


def steps(trained: nn.Module, capture: Any, first: int, device: str) -> float:
    """Train some steps; return the seconds of one."""
    optimizer = torch.optim.SGD(trained.parameters(), 1e-4)
    batch = torch.randint(0, WORDS, (BATCH, LENGTH), device=device)
    begin = time.perf_counter()
    for step in range(first, first + STEPS):
        nn.functional.cross_entropy(trained(batch).flatten(0, 1), batch.flatten()).backward()
        if capture is not None:
            capture(step)
        nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - begin) / STEPS


def main() -> None:
    """Measure each way beside the plain loop."""
    device, rounds = "cuda" if torch.cuda.is_available() else "cpu", int(sys.argv[1]) if len(sys.argv) > 1 else 7
    trained = model(device)
    size = sum(parameter.numel() for parameter in trained.parameters())
    print(
        f"{size / 1e6:.1f} million parameters on {device}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    memory = Path("/dev/shm")
    for name, options in WAYS.items():
        with (
            tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
            Capture(folder, trained, **options) as capture,
        ):
            steps(trained, capture, 0, device)
            pairs = [
                (steps(trained, None, 0, device), steps(trained, capture, STEPS * (k + 1), device))
                for k in range(rounds)
            ]
        plain, captured = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
        share = statistics.median(b / a - 1 for a, b in pairs)
        print(f"{name:25} {1e3 * plain:7.1f} ms  {1e3 * captured:7.1f} ms  {share:+7.1%}", flush=True)


if __name__ == "__main__":
    main()
