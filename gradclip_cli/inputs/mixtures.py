"""Note dumps whose names say that they hold more than the gradients of one step: weights beside gradients, several steps or ranks."""

import re
from collections.abc import Sequence
from shlex import quote

from gradclip_cli.inputs.layouts.series import step_groups
from gradclip_cli.inputs.steps import WORDS
from gradclip_cli.notes import Note
from gradclip_cli.text import plural, printable, shortlist

# Patterns are compiled on their first use: most dumps need none of them.
_GRADIENTS = r"(?i)(?P<before>^|[./])(?:grads?|gradients?)(?P<after>$|[./])|_grad$"
_PARTS = {
    "steps": rf"(?i)(?:^|(?<=[./]))(?:{WORDS}|epoch|batch)[-_=]?\d+(?=[./]|$)",
    "ranks": r"(?i)(?:^|(?<=[./]))(?:rank|replica|worker|micro_?batch)[-_=]?\d+(?=[./]|$)",
}
_HINTS = ("step", "iter", "epoch", "batch", "ckpt", "checkpoint", "rank", "replica", "worker", "micro")
"""A name without any of these holds no step and no rank: they are looked for in all names of a dump at once."""


def mixture_notes(path: str, names: Sequence[str]) -> list[Note]:
    """Return the notes on the names of the tensors of a dump that count."""
    text = "\n".join(names).lower()
    notes = _roles(path, names) if "grad" in text else []
    return notes + _parts(path, names) if any(hint in text for hint in _HINTS) else notes


def _roles(path: str, names: Sequence[str]) -> list[Note]:
    """Note tensors that are called after gradients among others that are not."""
    graded = {name: found for name in names if "grad" in name.lower() and (found := re.search(_GRADIENTS, name))}
    others = [name for name in names if name not in graded]
    if not graded or not others:
        return []
    found = next(iter(graded.values()))
    pattern = f"{'*' if found.start() or found['before'] else ''}{found[0]}{'*' if found['after'] else ''}"
    what = f"{len(graded):,} of {plural(len(names), 'tensor')} are called after gradients, and all are counted"
    which = f"{shortlist(others, 3)} {'is' if len(others) == 1 else 'are'} none"
    advice = f"if {which}, give --include {quote(printable(pattern))}"
    return [Note("roles", f"{path}: {what}; {advice}", len(others), changes_figures=True)]


def _parts(path: str, names: Sequence[str]) -> list[Note]:
    """Note a dump whose names hold several steps or ranks, unless it is a series with a group for each step."""
    notes = []
    for what, pattern in _PARTS.items():
        found = dict.fromkeys(match[0] for name in names for match in re.finditer(pattern, name))
        if len(found) > 1 and not any(
            step_groups(names)
        ):  # a series, or one with more beside it, which has its own note
            said = f"its names hold several {what} ({shortlist(list(found), 3)}), and all are counted as one dump"
            advice = "a series has a group for each step, as step_1/fc/kernel; --include takes those of one"
            notes.append(Note(f"{what}-in-names", f"{path}: {said}; {advice}", len(found), changes_figures=True))
    return notes
