"""The numbers of the norm's picture as tables, and its main figures in a sentence."""

import math
from collections.abc import Sequence

import numpy as np

from gradclip_cli.render.html.norm_line import NormLine
from gradclip_cli.render.html.picture import NumberTable
from gradclip_cli.render.html.slider import Slider
from gradclip_cli.render.tables.grid import factor_text, figure
from gradclip_cli.reports.stats import StatsReport
from gradclip_cli.text import percent, plural, times

_ROWS = 100
"""The most rows of a table."""

_THRESHOLDS = 16


def says(stats: StatsReport, line: NormLine, noun: str) -> str:
    """Say the main figures of the picture."""
    total = stats.total
    if not total.count:
        return f"No norm of {plural(len(stats.dumps), noun)} is finite."
    told = f"The {line.names[0]} of {plural(len(stats.dumps), noun)}: median {figure(total.median)}, largest {figure(total.max)}"
    told += f", {total.nonfinite:,} not finite" if total.nonfinite else ""
    if high := stats.exploding:
        verb = "explodes" if high.count == 1 else "explode"
        told += f"; {plural(high.count, noun)} {verb}, the highest {times(high.times)} its neighbours"
    told += f"; {line.first}" if line.first else ""
    return f"{told}. {line.slider.at_start.told}" if line.slider else f"{told}."


def norms_table(line: NormLine, noun: str) -> NumberTable:
    """Return the norms as a table; where there are many, each row has the largest of several."""
    points = line.points.at_most(_ROWS)
    pooled = points.each > 1
    caption = f"Norms of {noun}s, the largest of every {points.each:,}" if pooled else f"Norms of {noun}s"
    masks = {"explodes": points.exploding, "not finite": ~np.isfinite(points.norms), "zero": points.norms == 0}
    rows = []
    for row in points.largest():
        first = row - row % points.each
        marks = [
            name if points.each == 1 else f"{count:,} {name}"
            for name, mask in masks.items()
            if (count := int(np.count_nonzero(mask[first : first + points.each])))
        ]
        norm = figure(float(points.norms[row])) if np.isfinite(points.norms[row]) else "-"
        beside = [_beside(line, points.places[first : first + points.each])] if line.against is not None else []
        rows.append((points.group(row), norm, *beside, ", ".join(marks)))
    other = [line.names[1]] if line.against is not None else []
    return NumberTable(caption, (f"{noun}s" if pooled else noun, "norm", *other, "note"), rows)


def _beside(line: NormLine, places: Sequence[int]) -> str:
    """Return the largest norm of the other run at the same places."""
    found = [norm for place in places if math.isfinite(norm := line.norms_beside.get(place, math.nan))]
    return figure(max(found)) if found else "-"


def effects_table(moves: Slider, noun: str) -> NumberTable:
    """Return what some thresholds of the slider do, and the one where it starts."""
    last = len(moves.positions) - 1
    chosen = sorted({moves.start, *(round(k * last / (_THRESHOLDS - 1)) for k in range(_THRESHOLDS))})
    rows = [
        (
            figure(one.effect.threshold),
            f"{one.effect.clipped:,}",
            percent(one.effect.clipped / moves.counted),
            factor_text(one.effect.mean_factor, 3),
            "-" if np.isnan(one.effect.kept) else percent(one.effect.kept),
            one.steps,
        )
        for one in (moves.positions[k] for k in chosen)
    ]
    heads = ("threshold", f"{noun}s clipped", "clip rate", "mean factor", "squared norm kept", "which")
    return NumberTable(f"What thresholds clip, of {plural(moves.counted, noun)}", heads, rows)
