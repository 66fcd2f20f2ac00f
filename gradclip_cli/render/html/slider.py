"""The slider of the threshold: its positions, and what clipping by the norm of the whole would do at each of them."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradclip_cli.render.html.norm_axis import NormAxis, drawn
from gradclip_cli.render.html.picture import THRESHOLD
from gradclip_cli.render.html.steps import are_numbered, axis_title, name_of
from gradclip_cli.render.tables.grid import factor_text
from gradclip_cli.reports.stats import StatsDump, StatsReport
from gradclip_cli.strategies.builtin import GLOBAL
from gradclip_cli.text import percent, plural
from gradclip_cli.thresholds.effects import ClipEffect, clip_effects
from gradclip_cli.thresholds.samples import Mask, Matrix

if TYPE_CHECKING:
    from gradclip_cli.reports.stats_thresholds import Candidate, Suggestion

_FEWEST, _MOST, _A_DECADE = 200, 300, 80
"""Positions: at least, at most, and in each decade of norms."""

_WIDE, _RANGES, _NAME = 44, 8, 30
"""The greatest width of a list of steps, the most ranges in it, and the greatest width of a name in it."""

SLIDER, POSITION, LIMIT, TOLD = "slider", "position", "limit", "told"
"""Variables of the page: what the slider holds, as text once it is moved; the number of its position, the threshold there, and what
that does, as a sentence."""


class Position(NamedTuple):
    """A threshold, what it does, the steps that it clips as a text, and the sentence that says all this."""

    effect: ClipEffect
    steps: str
    told: str


class Slider(NamedTuple):
    """The positions of a slider; their thresholds are at `low`, `low + step` and so on, in decades, but for rounding.

    `counted` is how many norms count: those that are finite, of dumps that were not captured for what they are like. `label` says
    what the threshold is for.
    """

    low: float
    step: float
    start: int
    positions: Sequence[Position]
    counted: int
    label: str

    @property
    def at_start(self) -> Position:
        """The position where the slider stands at first."""
        return self.positions[self.start]

    @property
    def thresholds(self) -> list[float]:
        """The thresholds of the positions."""
        return [one.effect.threshold for one in self.positions]

    def clipped_below(self, compared: Matrix) -> list[int]:
        """Return how many positions, from the first on, clip each norm: it is clipped where that is above `position`."""
        found: list[int] = np.searchsorted(self.thresholds, compared, side="left").tolist()
        return found

    def params(self) -> list[Mapping[str, Any]]:
        """Return the variables of a page, with the range input that moves them."""
        value = round(self.low + self.start * self.step, 5)
        top = round(self.low + (len(self.positions) - 1) * self.step, 5)
        # Vega makes an input of a type that it does not know with all the attributes it is given, and HTML knows types in any case.
        control = {
            "input": "Range",
            "min": self.low,
            "max": top,
            "step": self.step,
            "name": f"{self.label} ",
        }
        control |= {"aria-label": f"log10 of the {self.label}", "aria-describedby": TOLD}
        place = f"clamp(round(({THRESHOLD} - ({self.low})) / {self.step}), 0, {len(self.positions) - 1})"
        return [
            {"name": SLIDER, "value": value, "bind": control},
            {"name": THRESHOLD, "expr": f"toNumber({SLIDER})"},
            {"name": "thresholds", "value": [drawn(one) for one in self.thresholds]},
            {"name": "sentences", "value": [one.told for one in self.positions]},
            {"name": POSITION, "expr": place},
            {"name": LIMIT, "expr": f"thresholds[{POSITION}]"},
            # Vega writes what is bound to an element into it; `told` is no event that an element has, so that it never reads it.
            {
                "name": TOLD,
                "value": self.at_start.told,
                "update": f"sentences[{POSITION}]",
                "bind": {"element": f"#{TOLD}", "event": TOLD},
            },
        ]

    def fixed(self) -> list[Mapping[str, Any]]:
        """Return the variables of a picture on its own, whose threshold does not move."""
        limit = drawn(self.at_start.effect.threshold)
        return [{"name": POSITION, "value": self.start}, {"name": LIMIT, "value": limit}]


def start_of(stats: StatsReport) -> tuple[float | None, str]:
    """Return the threshold for the norm of the whole that is advised, or else chosen, and what to call it."""
    for one in stats.advised:
        if one.strategy == GLOBAL.name and one.threshold and not one.too_few:
            other = stats.advice is not None and stats.advice.strategy != one.strategy
            return (
                one.threshold,
                f"advised for this strategy, {one.rule}" if other else f"the advised threshold, {one.rule}",
            )
    chosen: list[Candidate | Suggestion] = [*stats.suggestions, *stats.candidates]
    found = next((one for one in chosen if one.strategy == GLOBAL.name and one.threshold), None)
    if found is not None:
        return found.threshold, str(found.rule)
    return (stats.total.p90, "percentile:90") if stats.total.p90 > 0 else (None, "")


def slider(stats: StatsReport, axis: NormAxis) -> Slider | None:
    """Return the slider along an axis of norms; None where there is no threshold to start at."""
    start, name = start_of(stats)
    if start is None or not axis.holds(start):
        return None
    dumps = [dump for dump in stats.dumps if not dump.stood_out] or stats.dumps
    low, step, place, count = _places(math.log10(start), axis)
    thresholds = [start if k == place else _readable(10 ** (low + k * step), step) for k in range(count)]
    norms = np.array([dump.norm for dump in dumps], np.float64)
    finite = np.isfinite(norms)
    compared = np.where(finite, norms + stats.epsilon, 0.0)
    teller = _Teller(stats, dumps, int(np.count_nonzero(finite)), max(4, _digits(step)))
    effects = clip_effects(norms[finite], thresholds, stats.epsilon)
    names = {place: f" ({name})"}
    found = [teller.position(effect, compared > effect.threshold, names.get(k, "")) for k, effect in enumerate(effects)]
    return Slider(low, step, place, found, int(np.count_nonzero(finite)), _label(stats))


def _label(stats: StatsReport) -> str:
    """Say what the threshold is for, and where the advice is for another strategy, which."""
    other = stats.advice.strategy if stats.advice is not None else GLOBAL.name
    found = f"threshold for {GLOBAL.name}"
    return found if other == GLOBAL.name else f"{found} (the advice above is for {other})"


def _places(start: float, axis: NormAxis) -> tuple[float, float, int, int]:
    """Return the first position, the distance of two, the position of `start`, which is one of them, and how many there are."""
    span = axis.high - axis.low
    step = max(1e-5, round(span / min(_MOST, max(_FEWEST, round(_A_DECADE * span))), 5))
    place = math.floor((start - axis.low) / step)
    low = round(start, 5) - place * step
    return round(low, 5), step, place, place + math.floor((axis.high - start) / step) + 1


def _digits(step: float) -> int:
    """Return how many digits tell thresholds from their neighbours."""
    return max(3, 1 + math.ceil(-math.log10(10**step - 1)))


def _readable(value: float, step: float) -> float:
    return float(f"{value:.{_digits(step)}g}")


class _Teller:
    """Says what a threshold, in so many digits, does to dumps, of which `finite` count."""

    def __init__(self, stats: StatsReport, dumps: Sequence[StatsDump], finite: int, digits: int) -> None:
        self._dumps, self._finite, self._digits = dumps, finite, digits
        self._noun = ("finite " if finite < len(dumps) else "") + axis_title(stats.dumps)
        self._numbered = are_numbered(dumps) and dumps[-1].step is not None
        self._squares = stats.norm_type == 2 or stats.source is not None

    def position(self, effect: ClipEffect, clipped: Mask, name: str) -> Position:
        """Describe a position."""
        steps = self._steps(clipped, effect.clipped)
        count = f"{effect.clipped:,} of {plural(self._finite, self._noun)}"
        rate = percent(effect.clipped / self._finite)
        which = f": {steps}" if steps else ""
        kept = f", {percent(effect.kept)} of the squared norm is kept" if self._squares else ""
        factor = f"mean factor {factor_text(effect.mean_factor, 3)}"
        told = (
            f"{GLOBAL.name} at {effect.threshold:.{self._digits}g}{name} clips {count} ({rate}){which}; {factor}{kept}."
        )
        return Position(effect if self._squares else effect._replace(kept=math.nan), steps, told)

    def _steps(self, clipped: Mask, count: int) -> str:
        """List the first of the steps that are clipped, and count the others; nothing where all or none are."""
        if count in (0, self._finite):
            return ""
        edges = np.flatnonzero(np.diff(clipped, prepend=False, append=False))[: 2 * _RANGES].tolist()
        runs = list(zip(edges[::2], edges[1::2], strict=True))
        texts = [self._run(*run) for run in runs]
        for shown in range(len(runs), 1, -1):
            found = _with_more(texts[:shown], count - sum(end - first for first, end in runs[:shown]))
            if len(found) <= _WIDE:
                return found
        return _with_more(texts[:1], count - runs[0][1] + runs[0][0])

    def _run(self, first: int, end: int) -> str:
        """Name dumps that follow each other, as `stats` does: by the first and the last."""
        names = dict.fromkeys(_cut(name_of(self._dumps[row])) for row in (first, end - 1))
        return ("-" if self._numbered else " to ").join(names)


def _cut(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def _with_more(texts: Sequence[str], more: int) -> str:
    return ", ".join(texts) + (f" and {more:,} more" if more else "")
