"""Where the dumps of a run stand on the axis of steps, which the pictures of a page share."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from gradclip_cli.render.tables.grid import dump_name
from gradclip_cli.reports.stats import StatsDump

STEP_TICKS: dict[str, Any] = {"tickMinStep": 1, "format": "d"}
"""How an axis of steps is labelled: there is nothing between two of them."""

_FEW = 10
"""Up to so many steps, each has a tick: Vega would set some between them."""


def step_ticks(low: int, high: int) -> dict[str, Any]:
    """Return how an axis is labelled that reaches from one step to another."""
    return {"values": [*range(low, high + 1)], "format": "d"} if high - low <= _FEW else STEP_TICKS


def are_numbered(dumps: Sequence[StatsDump]) -> bool:
    """Whether dumps have steps that ascend, but for some without a step, which come last."""
    known = [dump.step for dump in dumps if dump.step is not None]
    return (
        bool(known) and all(a < b for a, b in pairwise(known)) and None not in [one.step for one in dumps[: len(known)]]
    )


def places(dumps: Sequence[StatsDump]) -> list[int]:
    """Return where dumps stand on the axis: at their steps, those without one behind the last; or else at 0, 1, 2 and so on."""
    if not are_numbered(dumps):
        return list(range(len(dumps)))
    found = [dump.step for dump in dumps if dump.step is not None]
    return [*found, *range(found[-1] + 1, found[-1] + 1 + len(dumps) - len(found))]


def axis_title(dumps: Sequence[StatsDump]) -> str:
    """Say what the axis counts: steps, or dumps where they have no steps."""
    return "step" if are_numbered(dumps) else "dump"


def name_of(dump: StatsDump) -> str:
    """Name a dump beside the word step: by its step, or else by its file."""
    return dump_name(dump.step, dump.name, dump.input, word="")
