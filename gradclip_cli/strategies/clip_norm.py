"""Clipping by a norm: of a layer, of a tensor, or of the whole dump (Pascanu, Mikolov and Bengio 2012)."""

from gradclip_cli.strategies.actions import KEEP, Action, Scale
from gradclip_cli.strategies.base import Group, Strategy


def _decide(norm: float, threshold: float, epsilon: float) -> Action:
    """g · c / n if n > c, else g. A NaN for a norm is no reason to keep anything: the whole group becomes NaN."""
    length = norm + epsilon
    return KEEP if length <= threshold else Scale(threshold, length)


_RULE = "g * c/n if n > c, else g"

PER_LAYER = Strategy(
    "clip-l2-per-layer", ("ClipL2PerLayer",), Group.LAYER, _RULE, "DL4J; Pascanu et al. 2012", _decide, True, True
)
PER_PARAM_TYPE = Strategy(
    "clip-l2-per-param-type",
    ("ClipL2PerParamType", "clip-by-norm"),
    Group.TENSOR,
    _RULE,
    "DL4J; TensorFlow clip_by_norm; Keras clipnorm",
    _decide,
    True,
    True,
)
GLOBAL = Strategy(
    "clip-by-global-norm",
    ("clip-global-norm",),
    Group.DUMP,
    _RULE,
    "TensorFlow clip_by_global_norm; PyTorch clip_grad_norm_; optax; Keras global_clipnorm",
    _decide,
    True,
    True,
)
