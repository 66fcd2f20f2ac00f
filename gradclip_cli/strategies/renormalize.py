"""DL4J's renormalizing strategies: every group ends with norm 1."""

from gradclip_cli.strategies.actions import KEEP, Action, Scale
from gradclip_cli.strategies.base import Group, Strategy


def _decide(norm: float, threshold: float, epsilon: float) -> Action:
    """g / n; a group of zeros stays as it is, as under DL4J's guard."""
    return KEEP if norm == 0 else Scale(1.0, norm)


PER_LAYER = Strategy("renormalize-l2-per-layer", ("RenormalizeL2PerLayer",), Group.LAYER, "g / n", "DL4J", _decide)
PER_PARAM_TYPE = Strategy(
    "renormalize-l2-per-param-type", ("RenormalizeL2PerParamType",), Group.TENSOR, "g / n", "DL4J", _decide
)
