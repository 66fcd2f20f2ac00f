"""The built-in strategies: clipping by norm and by value, DL4J's renormalization, and none."""

from typing import TYPE_CHECKING

from gradclip_cli.strategies.base import Group, Strategy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gradclip_cli.strategies.base import Number

    Kept = bool | NDArray[np.bool_]


def _clipped(norm: "Number", threshold: "Number", epsilon: float) -> "tuple[Number, Number]":
    """C / (n + epsilon). A group whose norm is NaN is not kept: all of it becomes NaN."""
    return threshold, norm + epsilon


def _is_below(denominator: "Number", threshold: "Number") -> "Kept":
    return denominator <= threshold


def _clamped(norm: "Number", threshold: "Number", epsilon: float) -> "tuple[Number, Number]":
    """C / max |g|, the factor of the largest element, without epsilon."""
    return threshold, norm


def _renormalized(norm: "Number", threshold: "Number", epsilon: float) -> "tuple[Number, Number]":
    """1 / n."""
    return 1.0, norm


def _is_zero(denominator: "Number", threshold: "Number") -> "Kept":
    """Keep a group of zeros, as DL4J's guard does."""
    return denominator == 0


def _unchanged(norm: "Number", threshold: "Number", epsilon: float) -> "tuple[Number, Number]":
    return 1.0, 1.0


def _always(denominator: "Number", threshold: "Number") -> "Kept":
    return True


_RULE = "g * c/n if n > c, else g"
_OF_UNITS = "g_i * c/n_i if n_i > c, else g_i"

NONE = Strategy("none", ("None",), Group.NONE, "unchanged", "DL4J", _unchanged, _always)
RENORMALIZE_PER_LAYER = Strategy(
    "renormalize-l2-per-layer", ("RenormalizeL2PerLayer",), Group.LAYER, "g / n", "DL4J", _renormalized, _is_zero
)
RENORMALIZE_PER_PARAM_TYPE = Strategy(
    "renormalize-l2-per-param-type",
    ("RenormalizeL2PerParamType",),
    Group.TENSOR,
    "g / n",
    "DL4J",
    _renormalized,
    _is_zero,
)
ELEMENTWISE = Strategy(
    "clip-elementwise-absolute-value",
    ("ClipElementWiseAbsoluteValue", "clip-by-value", "clip_grad_value_", "clipvalue", "clip_gradient"),
    Group.ELEMENT,
    "min(max(g, -c), c)",
    "DL4J; Mikolov 2012; PyTorch clip_grad_value_; TensorFlow clip_by_value; Keras clipvalue; MXNet clip_gradient",
    _clamped,
    _is_below,
    takes_threshold=True,
)
CLIP_PER_LAYER = Strategy(
    "clip-l2-per-layer",
    ("ClipL2PerLayer",),
    Group.LAYER,
    _RULE,
    "DL4J; Pascanu et al. 2012",
    _clipped,
    _is_below,
    takes_threshold=True,
    takes_norm=True,
)
CLIP_PER_PARAM_TYPE = Strategy(
    "clip-l2-per-param-type",
    ("ClipL2PerParamType", "clip-by-norm", "clipnorm"),
    Group.TENSOR,
    _RULE,
    "DL4J; TensorFlow clip_by_norm; Keras clipnorm",
    _clipped,
    _is_below,
    takes_threshold=True,
    takes_norm=True,
)
BLOCK_RMS = Strategy(
    "clip-by-block-rms",
    ("clip_by_block_rms",),
    Group.TENSOR,
    "g * c/rms(g) if rms(g) > c, else g",
    "optax clip_by_block_rms",
    _clipped,
    _is_below,
    takes_threshold=True,
    of_mean=True,
)
UNIT_NORM = Strategy(
    "clip-by-unit-norm",
    ("clip_by_unit_norm",),
    Group.UNIT,
    _OF_UNITS,
    "the unit-wise norm of Brock et al. 2021, without weights",
    _clipped,
    _is_below,
    takes_threshold=True,
)
ADAPTIVE = Strategy(
    "adaptive-clip",
    ("agc", "adaptive_grad_clip"),
    Group.UNIT,
    f"{_OF_UNITS}, c = t * max(|w_i|, e)",
    "Brock et al. 2021 (NFNets); optax adaptive_grad_clip; timm",
    _clipped,
    _is_below,
    takes_threshold=True,
    takes_weights=True,
)
GLOBAL = Strategy(
    "clip-by-global-norm",
    (
        *("clip-global-norm", "clip_grad_norm_", "global_norm", "global_clipnorm"),
        *("max_grad_norm", "gradient_clip_val", "gradient_clipping", "clip_grad"),
    ),
    Group.DUMP,
    _RULE,
    "TensorFlow clip_by_global_norm; PyTorch clip_grad_norm_; optax; Keras global_clipnorm; Hugging Face max_grad_norm; "
    "Lightning gradient_clip_val; DeepSpeed gradient_clipping; Megatron-LM --clip-grad",
    _clipped,
    _is_below,
    takes_threshold=True,
    takes_norm=True,
)
