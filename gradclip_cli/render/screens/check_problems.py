"""Put the findings of `check` that say the same of neighbouring blocks together."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gradclip_cli.render.tables.grid import file_name
from gradclip_cli.reports.check import Finding
from gradclip_cli.text import plural, printable

WHOLE = "whole dump"
"""What a problem without a block is called."""

_LAST_NUMBER = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)

_LONGEST = 16
"""The length of a list of steps; a longer one is told by its first step, and by how many dumps there are."""


class Problem(NamedTuple):
    """Findings of one rule, in one block or in blocks that are numbered in succession, named by `label`."""

    rule: str
    label: str
    findings: Sequence[Finding]

    @property
    def told(self) -> Sequence[Finding]:
        """The findings that are told: those on tensors, if there are any, since those on layers say the same."""
        return [one for one in self.findings if one.param is not None] or self.findings

    @property
    def worst(self) -> Finding:
        """The finding whose worst value is farthest from its limit."""
        return max(self.told, key=_severity)

    @property
    def size(self) -> int:
        """How many dumps show it, summed over its findings."""
        return sum(one.dumps for one in self.findings)

    @property
    def tensors(self) -> str:
        """How many tensors, or else layers, it concerns; empty if it concerns whole blocks or dumps."""
        if self.label == WHOLE:
            return ""
        tensors = {(one.layer, one.param) for one in self.findings if one.param is not None}
        layers = {one.layer for one in self.findings if one.layer is not None}
        return plural(len(tensors), "tensor") if tensors else plural(len(layers), "layer") if layers else ""

    def when(self, dumps: int, noun: str = "dump") -> str:
        """Say which of the dumps of the series, or of the steps of a log, show it."""
        counts = {one.dumps for one in self.told}
        if dumps == 1:
            return ""
        if counts == {dumps}:
            return "always"
        steps = _joined(pair for one in self.told for pair in one.steps)
        listed = ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in steps)
        if steps and len(listed) <= _LONGEST:
            return f"step{'' if steps[0][0] == steps[-1][1] else 's'} {listed}"
        inputs = {file_name(one.input) for one in self.told}
        if not steps and max(counts) == 1 and len(inputs) == 1:
            return inputs.pop()
        most = f"{'up to ' if counts != {max(counts)} else ''}{max(counts):,} of {dumps:,} {noun}s"
        return f"from step {steps[0][0]}, {most}" if steps else most

    @property
    def what(self) -> str:
        """Say in a few words what the worst value is, and of which tensor if it is the only one."""
        if len({(one.layer, one.param) for one in self.told}) == 1:
            return f"{_inside(self.told[0])}{self.worst.brief}"
        varies = len({value for one in self.told for value in (one.value, one.worst)}) > 1
        return f"at worst {self.worst.brief}" if varies else self.worst.brief


def problems(findings: Sequence[Finding]) -> list[Problem]:
    """Put findings together: those of a rule come first as the rules do, then by their first step.

    What is above a limit and what is below one are never one problem.
    """
    kinds: dict[tuple[str, bool], dict[str | None, list[Finding]]] = {}
    for one in findings:
        kinds.setdefault((one.rule, one.worst < one.limit), {}).setdefault(one.block, []).append(one)
    found = [Problem(rule, *run) for (rule, _), blocks in kinds.items() for run in _runs(blocks)]
    order = {rule: k for k, rule in enumerate(dict.fromkeys(one.rule for one in findings))}
    return sorted(found, key=lambda one: (order[one.rule], min(_first(finding) for finding in one.findings)))


def _inside(one: Finding) -> str:
    """Return the name of a tensor within its block, before what is said of it; empty if it is about more than a tensor."""
    if one.block is None or one.layer is None or one.param is None:
        return ""
    rest = one.layer.removeprefix(one.block)
    name = f"{rest[1:]}{rest[:1]}{one.param}" if rest else one.param
    return f"{printable(name)}: " if name else ""


def _first(finding: Finding) -> float:
    return math.inf if finding.step is None else finding.step


def _runs(blocks: dict[str | None, list[Finding]]) -> Iterator[tuple[str, list[Finding]]]:
    """Yield the findings of runs of blocks, each with its label."""
    stems: dict[tuple[str, str], dict[int, str]] = {}
    for block, members in blocks.items():
        match = _LAST_NUMBER.fullmatch(block) if block is not None else None
        if match is None:
            yield WHOLE if block is None else printable(block), members
        else:
            stems.setdefault((match[1], match[3]), {})[int(match[2])] = block or ""
    for (before, after), numbered in stems.items():
        for run in consecutive(numbered):
            names = [numbered[number] for number in run]
            ends = dict.fromkeys(name[len(before) : len(name) - len(after)] for name in (names[0], names[-1]))
            label = f"{before}{'-'.join(ends)}{after}"
            yield printable(label), [one for name in names for one in blocks[name]]


def consecutive(numbers: Iterable[int]) -> list[list[int]]:
    """Cut whole numbers into runs of consecutive ones.

    >>> consecutive([3, 0, 1])
    [[0, 1], [3]]
    """
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return found


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join ranges of steps that overlap or adjoin.

    >>> _joined([(40, 41), (0, 2), (1, 3), (4, 4)])
    [(0, 4), (40, 41)]
    """
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found.append((found[-1][0], max(found.pop()[1], last)))
        else:
            found.append((first, last))
    return found


def _severity(one: Finding) -> tuple[float, float]:
    """Return how far a worst value is from its limit, as a ratio where there is one."""
    if one.worst > 0 and one.limit > 0:
        return abs(math.log(one.worst / one.limit)), abs(one.worst)
    return math.inf, abs(one.worst)
