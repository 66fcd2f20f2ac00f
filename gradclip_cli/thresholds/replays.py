"""Replay adaptive rules over a series: what each would have done to each group at each step."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gradclip_cli.strategies.actions import group_ratios
from gradclip_cli.strategies.base import Strategy
from gradclip_cli.text import plural
from gradclip_cli.thresholds.adagc import adagc
from gradclip_cli.thresholds.adaptive import AdaptiveRule
from gradclip_cli.thresholds.aggc import aggc, module_type
from gradclip_cli.thresholds.histories import AutoClip, History, ZClip
from gradclip_cli.thresholds.samples import Mask, Matrix
from gradclip_cli.thresholds.skipping import Judged, above, llmc, maxtext, olmo
from gradclip_cli.thresholds.stable_spam import Elements, Limited, stable_spam

_JUDGES: Mapping[str, Callable[[Matrix, AdaptiveRule], Judged]] = {
    "skip-olmo": olmo,
    "skip-maxtext": maxtext,
    "skip-llmc": llmc,
    "skip-above": above,
}


class Replay(NamedTuple):
    """What a rule does, steps × groups: thresholds (inf where there is none), what it skips, and factors of its own.

    A factor is the quotient of `numerators` and `denominators`; these are None where the strategy has the factor of a threshold.
    They are those of the largest elements where these are limited, and `limited` has those of the others. `vanished` counts the
    norms above 0 that are not clipped since their threshold would be 0, `left` the groups that the rule does not look at.
    """

    thresholds: Matrix
    skipped: Mask
    numerators: Matrix | None = None
    denominators: Matrix | None = None
    vanished: int = 0
    limited: Limited | None = None
    left: int = 0

    @property
    def left_text(self) -> str:
        """Say how many groups the rule leaves as they are; an empty text for none."""
        if not self.left:
            return ""
        of = plural(self.thresholds.shape[1], "tensor")
        return f"{self.left:,} of {of} {'is' if self.left == 1 else 'are'} of no type of module, and left as read"

    def ratios(self, strategy: Strategy, norms: Matrix, epsilon: float) -> tuple[Matrix, Matrix]:
        """Return the numerators and denominators of the factors of norms; both are 1 where nothing changes."""
        if self.numerators is None or self.denominators is None:
            return group_ratios(strategy, norms, self.thresholds, epsilon)
        return self.numerators, self.denominators


def replay(
    rule: AdaptiveRule,
    norms: Matrix,
    present: Mask,
    whole: NDArray[np.float64],
    names: Sequence[str] = (),
    elements: Elements | None = None,
) -> Replay:
    """Replay a rule over norms (steps × groups), of which each step has those that are `present`.

    `whole` has the norm of each whole dump, `names` those of tensors, and a rule that rereads asks `elements`. The steps that
    have a group are its history.
    """
    if rule.rereads:
        if elements is None:
            raise ValueError(f"{rule} needs elements")
        limits, limited = stable_spam(norms, present, rule, elements)
        none = np.zeros(norms.shape, np.bool_)
        return Replay(limits, none, limited.largest, limited.denominators, limited=limited)
    if rule.name == "adagc":
        own = adagc(norms, present, whole, rule)
        return Replay(own[0], np.zeros(norms.shape, np.bool_), *own[1:])
    if rule.name == "aggc":
        own, left = aggc(norms, present, names, rule), sum(module_type(name) is None for name in names)
        return Replay(own[0], np.zeros(norms.shape, np.bool_), *own[1:], left=left)
    if rule.skips:
        return _judged(rule, norms, present)
    found = np.full(norms.shape, np.inf)
    for column, own_norms, has in zip(found.T, norms.T, present.T, strict=True):
        history = history_of(rule)
        column[has] = [history.step(norm) for norm in own_norms[has].tolist()]
    vanished = int(np.count_nonzero((norms > 0) & (found <= 0)))
    return Replay(np.where(found > 0, found, math.inf), np.zeros(norms.shape, np.bool_), vanished=vanished)


def _judged(rule: AdaptiveRule, norms: Matrix, present: Mask) -> Replay:
    """Judge the steps of each group, by those of its norms that are finite."""
    thresholds, skipped = np.full(norms.shape, np.inf), np.zeros(norms.shape, np.bool_)
    for k, finite in enumerate((present & np.isfinite(norms)).T):
        thresholds[finite, k], skipped[finite, k] = _JUDGES[rule.name](norms[finite, k], rule)
    return Replay(thresholds, skipped, np.where(skipped, 0.0, 1.0), np.ones(norms.shape))


def history_of(rule: AdaptiveRule) -> History:
    """Return a new, empty history for one group, of a rule that clips by one norm."""
    if rule.name == "autoclip":
        return AutoClip(rule.argument or 0.0)
    most, skip = rule.value("max"), rule.value("skip") == "true"
    words = rule.value("mode"), rule.value("option"), rule.value("factor")
    return ZClip(rule.argument or 0.0, math.inf if most is None else most, *words, skip=skip)
