"""Write shell-style patterns that match some names and no others, to be given as an option."""

import re
import shlex
from collections.abc import Callable, Collection, Iterable, Sequence
from fnmatch import translate

from gradclip_cli.text import did_you_mean, printable

MOST = 3
"""The most patterns that are short enough to be given."""
_MOST_EXCLUDED = 4


def matching(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """Return the names that any of the patterns matches."""
    if not patterns:
        return []
    match = re.compile("|".join(map(translate, patterns))).match
    return [name for name in names if match(name)]


def is_literal(pattern: str) -> bool:
    """Whether a pattern has no wildcard, so that it matches one name at most."""
    return not any(sign in pattern for sign in "*?[")


def containing(names: Iterable[str], part: str) -> int:
    """Count the names that hold `part`: those that `*part*` would match."""
    return sum(part in name for name in names)


def unmatched(option: str, pattern: str, names: Collection[str], what: str = "tensor") -> str:
    """Say that a pattern matches none of some names: how many it would match with wildcards, or which name is near.

    >>> unmatched("--include", "attn", ["h.0.attn.w", "h.1.attn.w", "h.1.mlp.w"])
    "--include attn matches no tensor; '*attn*' would match 2"
    """
    count = containing(names, pattern) if pattern and is_literal(pattern) else 0
    hint = f"{quoted(f'*{printable(pattern)}*')} would match {count:,}"
    if not count:
        hint = did_you_mean(pattern, names, f"`gradclip ls` lists the {what}s")
    return f"{option} {shlex.quote(printable(pattern))} matches no {what}; {hint}"


def options_for(option: str, names: Sequence[str], others: Sequence[str]) -> str:
    """Return an option with the fewest patterns that match all `names` and none of `others`; where those are many, with some.

    >>> options_for("--replicated", ["layers.0.ln.weight", "layers.1.ln.weight", "layers.2.ln.weight"], ["layers.0.fc.weight"])
    "--replicated 'layers.*.ln.weight'"
    """
    found = [patterns for way in _WAYS if (patterns := _patterns(way, names)) and not matching(others, patterns)]
    best = min(found, key=len, default=[_exact(name) for name in names])
    more = f" (and {len(best) - MOST:,} more)" if len(best) > MOST else ""
    return " ".join(f"{option} {quoted(pattern)}" for pattern in best[:MOST]) + more


def excluding(patterns: Sequence[str]) -> str:
    """Return the options that leave out what matches any of the patterns.

    >>> excluding(["*.m", "lr"])
    "--exclude '*.m' --exclude lr"
    """
    options = " ".join(f"--exclude {shlex.quote(printable(pattern))}" for pattern in patterns[:_MOST_EXCLUDED])
    return options if len(patterns) <= _MOST_EXCLUDED else f"{options} and so on"


def quoted(pattern: str) -> str:
    """Return a pattern as a shell takes it unchanged; quote it even where it need not be."""
    text = shlex.quote(pattern)
    return text if text != pattern else f"'{pattern}'"


def _patterns(way: Callable[[str], str], names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(map(way, names)))


def _exact(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def _any_number(name: str) -> str:
    """Take any number where a component of a name is one."""
    return re.sub(r"(?<![^./_])\d+(?![^./_])", "*", _exact(name))


def _end(components: int) -> Callable[[str], str]:
    """Return a function that takes the last components of a name, after anything."""

    def way(name: str) -> str:
        parts = re.split(r"(?<=[./])", name)
        return "*" + _exact("".join(parts[-components:])) if len(parts) > components else _exact(name)

    return way


_WAYS: tuple[Callable[[str], str], ...] = (_exact, _any_number, _end(2), _end(1), lambda _: "*")
