"""Frozen plans: what can be checked without reading a dump is checked when a plan is made."""

from gradclip_cli.plan.apply import NONFINITE, ApplyPlan, Override, norm_types
from gradclip_cli.plan.lists import CheckPlan, DiffPlan, LsPlan
from gradclip_cli.plan.norm import Norm
from gradclip_cli.plan.stats import StatsPlan, Trial

__all__ = [
    "NONFINITE",
    "ApplyPlan",
    "CheckPlan",
    "DiffPlan",
    "LsPlan",
    "Norm",
    "Override",
    "StatsPlan",
    "Trial",
    "norm_types",
]
