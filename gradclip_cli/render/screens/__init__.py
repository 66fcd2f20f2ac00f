"""Show a report on one screen, the answer first.

A new screen is a module here with a function `lines(report, room)`, and a line in `SCREENS`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gradclip_cli.render.screens.line import Line
from gradclip_cli.render.screens.room import Room
from gradclip_cli.reports.base import Report

Screen = Callable[[Any, Room], Iterator[Line]]
"""Yields the lines of a report that fit into a room."""


def _apply() -> Screen:
    from gradclip_cli.render.screens.apply import lines

    return lines


def _check() -> Screen:
    from gradclip_cli.render.screens.check import lines

    return lines


def _diff() -> Screen:
    from gradclip_cli.render.screens.diff import lines

    return lines


def _ls() -> Screen:
    from gradclip_cli.render.screens.ls import lines

    return lines


def _show() -> Screen:
    from gradclip_cli.render.screens.show import lines

    return lines


def _stats() -> Screen:
    from gradclip_cli.render.screens.stats import lines

    return lines


SCREENS: Mapping[str, Callable[[], Screen]] = {
    "gradclip.apply/1": _apply,
    "gradclip.check/1": _check,
    "gradclip.diff/1": _diff,
    "gradclip.ls/1": _ls,
    "gradclip.show/1": _show,
    "gradclip.stats/1": _stats,
}
"""The screens of reports by schema, each with a function that imports it; a report without one is shown as tables."""


def screen(report: Report, room: Room) -> Iterator[Line]:
    """Return the lines of a report that has a screen."""
    return SCREENS[report.schema]()(report, room)
