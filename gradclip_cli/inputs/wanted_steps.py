"""The training steps that a user asks for: `--steps 40:45`."""

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from gradclip_cli.errors import UsageError
from gradclip_cli.text import ranges, shortlist

_RANGE = r"(?a)\s*(?:(?P<one>\d{1,20})|(?P<first>\d{0,20}):(?P<last>\d{0,20})|(?P<from>\d{1,20})-(?P<to>\d{1,20}))\s*"
_MOST = 8


class WantedSteps(NamedTuple):
    """The steps that a user asks for: ranges with both ends in them, of which an open one is None."""

    text: str
    spans: tuple[tuple[int | None, int | None], ...]

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, given: "str | int | WantedSteps") -> "WantedSteps":
        """Parse `41`, `40:45`, `40:`, `:45`, or several of them; `0-8, 41`, as screens write it, is understood too.

        >>> WantedSteps.parse("0-8, 41, 60:").spans
        ((0, 8), (41, 41), (60, None))
        """
        if isinstance(given, WantedSteps):
            return given
        text = str(given).strip()
        return cls(text, tuple(_span(part, text) for part in text.split(",")))

    def takes(self, step: int | None) -> bool:
        """Whether a step is in one of the ranges."""
        if step is None:
            return False
        return any((low is None or low <= step) and (high is None or step <= high) for low, high in self.spans)

    def refusal(self, what: str, there: Collection[int | None]) -> UsageError:
        """Return the error for dumps none of which is taken: it names the steps there are."""
        known = sorted({step for step in there if step is not None})
        if not known:
            return UsageError(f"{what} has no step that --steps {self.text} could take; leave it out")
        return UsageError(f"--steps {self.text} takes nothing of {what}; steps are {listed(known)}")


def _span(part: str, text: str) -> tuple[int | None, int | None]:
    found = re.fullmatch(_RANGE, part)
    if found is None or part.strip() == ":":
        raise UsageError(f"{text!r} is no step and no range of steps; write 41, 40:45, 40: or :45, several with commas")
    if found["one"]:
        return int(found["one"]), int(found["one"])
    low, high = (found["first"] or found["from"]), (found["last"] or found["to"])
    span = int(low) if low else None, int(high) if high else None
    if span[0] is not None and span[1] is not None and span[1] < span[0]:
        raise UsageError(f"the range of steps {part.strip()} ends before it begins; write {span[1]}:{span[0]}")
    return span


def parse_steps(given: str | int | WantedSteps | None) -> WantedSteps | None:
    """Return the steps asked for; None if all are."""
    return None if given is None else WantedSteps.parse(given)


def listed(steps: Sequence[int]) -> str:
    """List the first of some steps as ranges, and say how many ranges there are more."""
    return shortlist(ranges(steps).split(", "), _MOST)


def refuse_slices(steps: object, along: int | None) -> None:
    """Raise UsageError where slices of a file are to be chosen by their steps, which only `stats` can do."""
    if steps is not None and along is not None:
        raise UsageError("--steps and --along exclude each other here: only stats takes some slices of a file")
