"""Every strategy in a few lines of plain numpy, in float64: what the laws hold gradclip against."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

Wide = NDArray[Any]
"""float64 or complex128."""
Dump = Mapping[str, NDArray[Any]]
Key = Callable[[str], str]
Rule = Callable[[Dump, float, float, float], dict[str, Wide]]


def layer_of(name: str) -> str:
    """Return the layer of a name of the form `layer.param`."""
    return name.rpartition(".")[0]


def is_gradient(array: NDArray[Any]) -> bool:
    """Tell floats, also those that numpy does not know, from integers and bools."""
    try:
        ml_dtypes.finfo(array.dtype)
    except ValueError:
        return False
    return True


def widened(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array as float64, or as complex128."""
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def norm_of(arrays: list[NDArray[Any]], p: float = 2.0) -> float:
    """Return the P-norm of all elements together, of complex ones by their moduli, summed exactly for P of 1 and 2."""
    flat = np.concatenate([np.abs(widened(np.ravel(array))) for array in arrays])
    if p == 1.0 and np.isfinite(flat).all():
        return math.fsum(flat)
    if p == 2.0 and np.isfinite(flat).all():
        return math.sqrt(math.fsum(flat * flat))
    return float(np.linalg.norm(flat, p)) if flat.size else 0.0


def _scaled(dump: Dump, key: Key, p: float, factor: Callable[[float], float]) -> dict[str, Wide]:
    members = defaultdict(list)
    for name in dump:
        members[key(name)].append(name)
    found: dict[str, Wide] = {}
    with np.errstate(all="ignore"):
        for names in members.values():
            by = factor(norm_of([dump[name] for name in names], p))
            found |= {name: _times(widened(dump[name]), by) for name in names}
    return found


def _times(array: NDArray[Any], by: float) -> NDArray[Any]:
    """Multiply each part: numpy would add products with an imaginary part of 0, which are NaN where a part is infinite."""
    found: NDArray[Any] = (
        array * by
        if array.dtype.kind != "c"
        else np.stack([array.real * by, array.imag * by], axis=-1).view(np.complex128)[..., 0]
    )
    return found


def _clipped_by(key: Key) -> Rule:
    """g · min(1, c / n), where n holds the epsilon."""

    def rule(dump: Dump, c: float, p: float, epsilon: float) -> dict[str, Wide]:
        def factor(n: float) -> float:
            return 1.0 if n + epsilon == 0 else float(np.minimum(1.0, np.float64(c) / (n + epsilon)))

        return _scaled(dump, key, p, factor)

    return rule


def _renormalized_by(key: Key) -> Rule:
    """g / n, and zeros as they are."""

    def rule(dump: Dump, c: float, p: float, epsilon: float) -> dict[str, Wide]:
        return _scaled(dump, key, 2.0, lambda n: 1.0 if n == 0 else float(1 / np.float64(n)))

    return rule


def _limited(dump: Dump, c: float, p: float, epsilon: float) -> dict[str, Wide]:
    """min(max(g, -c), c), which keeps NaN; of complex numbers, z · c / |z| where |z| > c."""
    return {name: _limited_to(c, widened(array)) for name, array in dump.items()}


def _limited_to(c: float, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind != "c":
        found: NDArray[Any] = np.clip(array, -c, c)
        return found
    with np.errstate(all="ignore"):
        return np.where(np.abs(array) > c, _times(array / np.abs(array), c), array)


def _unchanged(dump: Dump, c: float, p: float, epsilon: float) -> dict[str, Wide]:
    return {name: widened(array) for name, array in dump.items()}


def _whole(name: str) -> str:
    return ""


def _root_mean_square(dump: Dump, c: float, p: float, epsilon: float) -> dict[str, Wide]:
    """optax's g / max(1, rms / c)."""
    sizes = {name: max(1, array.size) for name, array in dump.items()}
    found: dict[str, Wide] = {}
    with np.errstate(all="ignore"):
        for name, array in dump.items():
            rms = norm_of([array]) / math.sqrt(sizes[name])
            found[name] = _times(widened(array), float(1.0 if rms == 0 else np.minimum(1.0, c / np.float64(rms))))
    return found


def unit_norms(array: NDArray[Any], axis: str = "first") -> NDArray[Any]:
    """Return the norm of each unit, shaped so that it can be multiplied with the tensor."""
    wide = np.abs(widened(array))
    if sum(length > 1 for length in array.shape) < 2:
        return np.full((1,) * array.ndim, norm_of([array]))
    own = 0 if axis == "first" else array.ndim - 1
    others = tuple(k for k in range(array.ndim) if k != own)
    peak = wide.max(axis=others, keepdims=True)
    with np.errstate(all="ignore"):
        scaled = np.sqrt(np.square(wide / peak).sum(axis=others, keepdims=True))
    return np.asarray(np.where(peak > 0, peak * scaled, peak))


def clipped_units(array: NDArray[Any], limits: Any, axis: str = "first") -> Wide:
    """Return g_i · min(1, limit_i / n_i)."""
    norms = unit_norms(array, axis)
    with np.errstate(all="ignore"):
        factors = np.broadcast_to(np.where(norms <= limits, 1.0, limits / norms), array.shape)
        wide = widened(array)
        if wide.dtype.kind != "c":
            return np.asarray(wide * factors)
        return np.asarray(wide.real * factors + 1j * (wide.imag * factors))


def stable_spam(
    steps: Iterable[NDArray[Any]], theta: float = 0.999, gamma1: float = 0.7, gamma2: float = 0.9, eps: float = 1e-8
) -> list[tuple[float, Wide]]:
    """Return the limit of one tensor at each step, and what is left of it: `StableSPAM.step` of the authors, up to Adam."""
    largest = first = second = 0.0
    found = []
    for step, stored in enumerate(steps, 1):
        gradient = widened(stored)
        sizes = np.abs(gradient)
        largest = theta * largest + (1 - theta) * sizes.max()
        limit = largest / (1 - theta**step)
        gradient = np.where(sizes > limit, gradient / (sizes.max() or 1.0) * limit, gradient)
        norm = norm_of([gradient])
        first = gamma1 * first + (1 - gamma1) * norm
        second = gamma2 * second + (1 - gamma2) * norm**2
        wanted = first / (1 - gamma1**step) / (math.sqrt(second / (1 - gamma2**step)) + eps)
        found.append((float(limit), gradient / norm * wanted if norm > 0 else gradient))
    return found


def _by_unit(dump: Dump, c: float, p: float, epsilon: float) -> dict[str, Wide]:
    return {name: clipped_units(array, c) for name, array in dump.items()}


def _by_own_weights(dump: Dump, c: float, p: float, epsilon: float) -> dict[str, Wide]:
    """The adaptive rule where gradients are their own weights."""
    return {name: clipped_units(array, c * np.maximum(unit_norms(array), 1e-3)) for name, array in dump.items()}


RULES: dict[str, Rule] = {
    "none": _unchanged,
    "renormalize-l2-per-layer": _renormalized_by(layer_of),
    "renormalize-l2-per-param-type": _renormalized_by(str),
    "clip-elementwise-absolute-value": _limited,
    "clip-l2-per-layer": _clipped_by(layer_of),
    "clip-l2-per-param-type": _clipped_by(str),
    "clip-by-global-norm": _clipped_by(_whole),
    "clip-by-block-rms": _root_mean_square,
    "clip-by-unit-norm": _by_unit,
    "adaptive-clip": _by_own_weights,
}


def expected(
    strategy: str, dump: Dump, c: float | None, p: float = 2.0, epsilon: float = 0.0
) -> dict[str, NDArray[Any]]:
    """Apply a strategy, and round to the dtypes of the dump; integers and bools stay."""
    if strategy not in RULES:
        raise KeyError(f"{strategy} has no oracle: write its few lines of numpy here")
    gradients = {name: array for name, array in dump.items() if is_gradient(array)}
    wide = RULES[strategy](gradients, np.inf if c is None else c, p, epsilon)
    with np.errstate(all="ignore"):
        return {name: wide[name].astype(a.dtype) if name in wide else a for name, a in dump.items()}
