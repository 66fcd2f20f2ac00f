"""Train with a good learning rate and with ten times as much: when the update ratio tells them apart, and when the loss does."""

import math
import sys
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from statistics import median

import gradclip_cli
from gallery.faults import SEEDS
from gallery.training import RATE, Fault, train

WARM_UP = 40
RATES = (0.3, 3.0)
WORSE = 0.5
"""How much higher than the lowest loss so far a loss has to be until somebody worries."""


def table(root: Path) -> Iterator[str]:
    """Yield the lines of the table: a row for each training."""
    columns = (
        "learning rate",
        "seed",
        "update ratio at step 0",
        "median of ten",
        "loss at step 0",
        "at step 9",
        "worse by 0.5",
        "last loss",
    )
    yield f"| {' | '.join(columns)} |\n| {' | '.join('---:' for _ in columns)} |\n"
    for rate in RATES:
        for seed in SEEDS:
            yield _row(rate, seed, root / f"{rate}-{seed}")


def _row(rate: float, seed: int, folder: Path) -> str:
    dumps, weights = folder / "gradients", folder / "weights"
    losses = train(Fault("SGD", (), rate=rate / RATE, warm_up=WARM_UP, plain=True), seed, dumps, weights)
    report = gradclip_cli.stats(dumps, weights=weights, lr=rate, steps="0:9")
    ratios = [one.update_ratio for one in report.dumps if one.update_ratio is not None]
    worse = next((k for k, least in enumerate(accumulate(losses, min)) if not losses[k] < least + WORSE), None)
    last = f"{losses[-1]:.2f}" if math.isfinite(losses[-1]) else "not finite"
    print(f"learning rate {rate}, seed {seed}: loss {losses[0]:.2f} to {losses[-1]:.2f}", file=sys.stderr)
    cells = (rate, seed, f"{ratios[0]:.2g}", f"{median(ratios):.2g}", f"{losses[0]:.2f}", f"{losses[9]:.2f}")
    return f"| {' | '.join(map(str, cells))} | {'never' if worse is None else f'step {worse}'} | {last} |\n"
