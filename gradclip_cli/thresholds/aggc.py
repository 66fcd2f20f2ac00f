"""AGGC: keep the norm of all modules of one type, over all layers, between moving bounds."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.samples import Mask, Matrix

Vector = NDArray[np.float64]

_MODULES = (
    *("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "down_proj", "up_proj"),
    *("c_attn", "c_proj", "w1", "w2", "w3", "lm_head", "embed_tokens"),
)
_ADAPTERS = ("lora_A", "lora_B")
_EPS, _ADDED = 1e-12, 1e-16


def module_type(name: str) -> str | None:
    """Return the type of the module that a tensor belongs to, as the authors read it from its name; None for no group.

    >>> module_type("model.layers.3.self_attn.q_proj.weight"), module_type("h.0.mlp.c_proj.lora_A.default.weight")
    ('q_proj', 'c_proj')
    >>> module_type("encoder/block/ffn/kernel"), module_type("layers.3.weight"), module_type("bias")
    ('ffn', None, None)

    Keras and H5 files of it name a variable by its number in a module, which the authors did not meet:

    >>> module_type("layers/dense_1/vars/0"), module_type("layers/attention/query_dense/vars/1")
    ('dense_1', 'query_dense')
    """
    parts = re.split("[./]", name)
    if len(parts) > 2 and parts[-2] == "vars":
        del parts[-2]
    adapted = next((k for k, part in enumerate(parts) if part in _ADAPTERS), 0)
    if adapted:
        return parts[adapted - 1]
    known = next((one for one in _MODULES if one in parts[1:-1]), None)
    if known is not None or len(parts) < 2:
        return known
    return None if parts[-2].isdigit() or parts[-2] == "layers" else parts[-2]


def aggc(norms: Matrix, present: Mask, names: Sequence[str], rule: AdaptiveRule) -> tuple[Matrix, Matrix, Matrix]:
    """Return thresholds (inf where there is none), and the numerators and denominators of the factors; steps × tensors.

    Source: the code of Li, Wu and Chang (2026), arXiv 2601.11864 (`PerModuleGradClipper` in `GRPO/verl/utils/grad_clip.py`, and
    `train.py` for LoRA) with `auto_bounds`; the paper was not read. N = sqrt(Σ n² + 1e-16) over the tensors of a type, m = 0:

        N > high · m, m > 0    all of them are multiplied by high · m / (N + 1e-12), but by no less than `down`
        N < max(min, low · m)  with raise=true: by that bound / (N + 1e-12), but by no more than `up`
        then                   m ← beta · m + (1 - beta) · N · the factor; no bias correction, as in the code

    The code's schedule of bounds over a known number of steps is left out: give the bounds of one phase. Tensors of no type
    stay as they are. A type with a norm that is not finite, or of which a step has nothing, moves nothing. The threshold of a
    tensor is its share of the upper bound of its type.
    """
    types = [module_type(name) for name in names]
    known = sorted({one for one in types if one is not None})
    of = np.array([-1 if one is None else known.index(one) for one in types], np.int64)
    numerators, denominators = np.ones(norms.shape), np.ones(norms.shape)
    thresholds = np.full(norms.shape, np.inf)
    grouped = of >= 0
    if known and grouped.any():
        joined, taken = _joined(norms[:, grouped], present[:, grouped], of[grouped], len(known))
        upper, top, bottom = _bounds(joined, taken, rule)
        at = present[:, grouped]
        numerators[:, grouped] = np.where(at, top[:, of[grouped]], 1.0)
        denominators[:, grouped] = np.where(at, bottom[:, of[grouped]], 1.0)
        with np.errstate(all="ignore"):
            share = norms[:, grouped] / joined[:, of[grouped]] * upper[:, of[grouped]]
        thresholds[:, grouped] = np.where(at & np.isfinite(share) & (share > 0), share, np.inf)
    return thresholds, numerators, denominators


def _joined(norms: Matrix, present: Mask, of: NDArray[np.int64], count: int) -> tuple[Matrix, Mask]:
    """Return the norm of each type at each step, and whether it is there and finite."""
    squares, there = np.zeros((len(norms), count)), np.zeros((len(norms), count), np.bool_)
    with np.errstate(all="ignore"):
        for column, has, k in zip(norms.T, present.T, of.tolist(), strict=True):
            squares[:, k] += np.where(has, np.square(column), 0.0)
            there[:, k] |= has
        joined = np.sqrt(squares + _ADDED)
    return joined, there & np.isfinite(joined)


def _bounds(joined: Matrix, taken: Mask, rule: AdaptiveRule) -> tuple[Matrix, Matrix, Matrix]:
    """Return the upper bound of each type before each step, and the numerator and denominator of its factor."""
    beta, low, high = rule.argument or 0.0, rule.value("low"), rule.value("high")
    least, raises, up, down = rule.value("min"), rule.value("raise") == "true", rule.value("up"), rule.value("down")
    upper, top, bottom = np.zeros(joined.shape), np.ones(joined.shape), np.ones(joined.shape)
    mean = np.zeros(joined.shape[1])
    with np.errstate(invalid="ignore"):
        for t, (norm, has) in enumerate(zip(joined, taken, strict=True)):
            upper[t] = mean * high
            over = has & (upper[t] > 0) & (norm > upper[t] + _EPS)
            _scale(over, upper[t], norm, top[t], bottom[t], None if down is None else (down, np.maximum))
            if raises:
                lower = np.maximum(least, mean * low)
                under = has & ~over & (lower > 0) & (norm < lower - _EPS)
                _scale(under, lower, norm, top[t], bottom[t], None if up is None else (up, np.minimum))
            np.copyto(mean, beta * mean + (1.0 - beta) * (norm * (top[t] / bottom[t])), where=has)
    return upper, top, bottom


def _scale(
    which: NDArray[np.bool_],
    bound: Vector,
    norm: Vector,
    top: Vector,
    bottom: Vector,
    cap: "tuple[float, np.ufunc] | None",
) -> None:
    """Set the factors of some types to `bound / norm`, or to what a cap leaves of them."""
    top[which], bottom[which] = bound[which], norm[which] + _EPS
    if cap is not None:
        limit, pick = cap
        capped = which & (pick(top / bottom, limit) == limit)
        top[capped], bottom[capped] = limit, 1.0
