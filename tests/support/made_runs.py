"""Runs to look at: small dumps whose norms are known, each with what goes wrong in real ones, and logs of norms."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

Matrix = NDArray[np.float64]

ELEMENTS = 16
"""The elements of each tensor."""

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "\u202eesrever\u202c.weight",
    "🔥.attention.🧠",
    "编码器.层.0.权重",
    "エンコーダ.重み",
    "x" * 500,
    "'\"&amp;{{datum}}${1}",
)
"""Names of tensors that a page must show as they are."""


class MadeRun(NamedTuple):
    """The tensors of a run, and their norms in each step (steps × tensors); a norm that is not finite is one element that is not."""

    names: Sequence[str]
    norms: Matrix

    @property
    def totals(self) -> Matrix:
        """The norm of each dump."""
        totals: Matrix = np.sqrt(np.square(self.norms).sum(axis=1))
        return totals

    def write(self, folder: Path) -> Path:
        """Write each step as a safetensors file, the first one as step 1."""
        folder.mkdir(parents=True)
        generator = np.random.default_rng(1)
        for step, norms in enumerate(self.norms, 1):
            directions = generator.standard_normal((len(norms), ELEMENTS))
            directions /= np.linalg.norm(directions, axis=1, keepdims=True)
            with np.errstate(over="ignore"):  # what float32 cannot hold is infinite
                rows = (directions * np.where(np.isfinite(norms), norms, 1.0)[:, None]).astype(np.float32)
            bad = ~np.isfinite(norms)
            rows[bad, 0] = norms[bad]
            save_file(dict(zip(self.names, rows, strict=True)), folder / f"step_{step:05}.safetensors")
        return folder

    def write_log(self, path: Path) -> Path:
        """Write the norms of the dumps as the state of a Hugging Face trainer."""
        rows = [{"step": step, "grad_norm": norm} for step, norm in enumerate(self.totals.tolist(), 1)]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"log_history": rows}), encoding="utf-8")
        return path


def transformer(steps: int, blocks: int, seed: int = 0) -> MadeRun:
    """Return a healthy run: norms fall over the first steps, and towards the input."""
    names, scales = ["embed.weight", "pos.weight"], [0.01, 0.006]
    for block in range(blocks):
        scale = 0.06 * 0.9 ** (blocks - 1 - block)
        own = {"attn.qkv": 1.4, "attn.proj": 1.4, "mlp.up": 1.0, "mlp.down": 1.0, "norm1": 0.5, "norm2": 0.5}
        names += [f"blocks.{block}.{name}.weight" for name in own]
        scales += [scale * factor for factor in own.values()]
    names += ["norm.weight", "norm.bias", "head.weight", "head.bias"]
    scales += [0.03, 0.03, 0.24, 0.24]
    generator, at = np.random.default_rng(seed), np.arange(steps)
    levels = 3 * (0.35 + 1.8 * np.exp(-at / 25) + 0.25 * np.sin(at / 37) ** 2)
    levels *= np.exp(generator.normal(0, 0.15, steps))
    noise = np.exp(generator.normal(0, 0.12, (steps, len(names))))
    return MadeRun(names, levels[:, None] * np.array(scales) * noise)


def exploding(steps: int = 80, blocks: int = 8) -> MadeRun:
    """Return a run in which the attention of block 5 leads: it rises from step 48 on, all else from 54 on; the last step is NaN.

    A spike in everything comes before, at step 30.
    """
    run = transformer(steps, blocks)
    run.norms[29] *= 12
    led = _columns(run, "blocks.5.attn")
    run.norms[47:, led] *= 1.7 ** np.minimum(np.arange(1, steps - 46), 6)[:, None]
    run.norms[53:] *= 1.3 ** np.minimum(np.arange(1, steps - 52), 30)[:, None]
    run.norms[-1, _columns(run, "blocks.5.attn.qkv")] = np.nan
    return run


def vanishing(steps: int = 80, blocks: int = 8) -> MadeRun:
    """Return a run in which each block below the last passes on a fifth of what it gets, and less with every step."""
    run = transformer(steps, blocks)
    for block in range(blocks):
        passed = 0.2 ** (blocks - 1 - block) * 0.97 ** (np.arange(steps) * (blocks - 1 - block) / blocks)
        run.norms[:, _columns(run, f"blocks.{block}.")] *= passed[:, None]
    run.norms[:, :2] *= 0.2**blocks
    return run


def planted(steps: int = 300, blocks: int = 24) -> MadeRun:
    """Return 300 × 150 norms with spikes, a tensor that dies, layers that drift away, and steps that are not finite.

    Attention spikes at the steps 46 and 131, everything at 207; `blocks.5.mlp.up.weight` is zero from step 91 on; the MLPs of
    the blocks 17 and 18 grow from step 235 on; block 17 is NaN at step 288, and infinite at 289.
    """
    run = transformer(steps, blocks, seed=7)
    for step, times in {46: 14.0, 131: 22.0, 132: 9.0, 207: 40.0}.items():
        run.norms[step - 1, _columns(run, "blocks." if step == 207 else ".attn.")] *= times
    run.norms[90:, _columns(run, "blocks.5.mlp.up")] = 0.0
    drift = 1.045 ** np.minimum(np.arange(steps - 234), 65)[:, None]
    run.norms[234:, [*_columns(run, "blocks.17.mlp"), *_columns(run, "blocks.18.mlp")]] *= drift
    run.norms[287, _columns(run, "blocks.17.")] = np.nan
    run.norms[288, _columns(run, "blocks.17.")] = np.inf
    return run


def hostile(steps: int = 12) -> MadeRun:
    """Return a run whose tensors have names that were made to do harm, or are hard to draw."""
    generator = np.random.default_rng(3)
    return MadeRun(HOSTILE, np.exp(generator.normal(0, 0.3, (steps, len(HOSTILE)))))


def one_tensor(steps: int = 20) -> MadeRun:
    """Return a run of one tensor."""
    return MadeRun(["weight"], np.exp(np.random.default_rng(4).normal(0, 0.4, (steps, 1))))


def all_nan(steps: int = 5) -> MadeRun:
    """Return a run in which nothing is finite."""
    return MadeRun(["lstm.weight", "head.weight"], np.full((steps, 2), np.nan))


def long_log(steps: int = 10_000) -> MadeRun:
    """Return a run of many steps with three spikes."""
    at = np.arange(steps)
    norms = (1 + 4 * np.exp(-at / 500)) * np.exp(np.random.default_rng(5).normal(0, 0.2, steps))
    norms[[3999, 7000, 9998]] *= [12.0, 25.0, 18.0]
    return MadeRun(["all"], norms[:, None])


def weights_beside(run: MadeRun) -> MadeRun:
    """Return one dump of weights: of normalisation and biases, and others a hundred times as large."""
    scales = [0.05 if "norm" in name or "bias" in name else 5.0 for name in run.names]
    noise = np.exp(np.random.default_rng(6).normal(0, 0.4, len(scales)))
    return MadeRun(run.names, (np.array(scales) * noise)[None])


LEARNING_RATE = 0.005
"""That of a run with weights."""


class ShownRun(NamedTuple):
    """A run in a folder: what the command is given, the run that it is held against, and its weights, if there are any."""

    inputs: Path
    against: Path | None = None
    weights: Path | None = None


def _columns(run: MadeRun, part: str) -> list[int]:
    return [column for column, name in enumerate(run.names) if part in name]


def _two(folder: Path) -> ShownRun:
    good = transformer(80, 8, seed=2).write(folder / "good")
    return ShownRun(exploding().write(folder / "bad"), good)


def _with_weights(folder: Path) -> ShownRun:
    run = planted()
    return ShownRun(run.write(folder / "run"), weights=weights_beside(run).write(folder / "weights"))


SHOWN: Mapping[str, Callable[[Path], ShownRun]] = {
    "exploding": lambda folder: ShownRun(exploding().write(folder / "exploding")),
    "vanishing": lambda folder: ShownRun(vanishing().write(folder / "vanishing")),
    "log": lambda folder: ShownRun(exploding().write_log(folder / "log" / "trainer_state.json")),
    "two": lambda folder: _two(folder / "two"),
    "one-dump": lambda folder: ShownRun(transformer(1, 8).write(folder / "one") / "step_00001.safetensors"),
    "one-tensor": lambda folder: ShownRun(one_tensor().write(folder / "one-tensor")),
    "all-nan": lambda folder: ShownRun(all_nan().write(folder / "all-nan")),
    "planted": lambda folder: ShownRun(planted().write(folder / "planted")),
    "weights": lambda folder: _with_weights(folder / "weights"),
    "hostile": lambda folder: ShownRun(hostile().write(folder / "hostile")),
    "long-log": lambda folder: ShownRun(long_log().write_log(folder / "long" / "trainer_state.json")),
}
"""The runs by name, each with what writes it into a folder."""
