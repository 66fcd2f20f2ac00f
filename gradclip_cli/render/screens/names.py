"""Shorten names for a terminal: in the middle of words, never in digits, and never so that two are alike."""

import re
from collections.abc import Sequence

from gradclip_cli.render.tables.plain import cells

_PARTS = re.compile(r"\d+|[^\W\d]+|[\W]|_")
_LEAST = 2
"""The letters of a word that stay when it is cut; a cut word is followed by a mark."""


def shortened(names: Sequence[str], width: int, mark: str = "…") -> list[str]:
    """Shorten names to at most `width` cells where that keeps them apart; a name whose digits need more stays longer.

    Longest words are cut first, the same way in all names.

    >>> shortened(["model.layers.9.self.out_proj", "norm"], 24)
    ['model.laye….9.self.out_…', 'norm']
    """
    wanted = list(dict.fromkeys(names))
    found = {name: name for name in wanted}
    longest = max((len(part) for name in wanted for part in _words(name)), default=0)
    for keep in range(longest - 1, _LEAST - 1, -1):
        if all(cells(short) <= width for short in found.values()):
            break
        shorter = {name: found[name] if cells(found[name]) <= width else _cut(name, keep, mark) for name in wanted}
        if len(set(shorter.values())) < len(wanted):
            break
        found = shorter
    return [found[name] for name in names]


def _words(name: str) -> list[str]:
    return [part for part in _PARTS.findall(name) if part[0].isalpha()]


def _cut(name: str, keep: int, mark: str) -> str:
    """Cut each word of a name to its first `keep` letters and a mark."""
    return _PARTS.sub(lambda part: part[0] if _stays(part[0], keep, mark) else part[0][:keep] + mark, name)


def _stays(part: str, keep: int, mark: str) -> bool:
    return not part[0].isalpha() or len(part) <= keep + len(mark)
