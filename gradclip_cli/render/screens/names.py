"""Shorten the names of a column by one rule: in the middle of words, never in digits, and never so that two are alike."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import groupby
from typing import NamedTuple

from gradclip_cli.render.tables.plain import cells

_PARTS = re.compile(r"\d+|[^\W\d]+|\W")
_DIGIT = re.compile(r"\d")
_SEPARATORS = "./"
"""What stands between the components of a name."""

_FIXED, _SHARED, _MIDDLE, _LAST = range(4)
"""The kinds of words: digits and separators; those that most names have at the same place, and those of the last components."""

_STAGES = ((_SHARED, 2), (_MIDDLE, 4), (_SHARED, 0), (_LAST, 6), (_MIDDLE, 2), (_LAST, 4), (_MIDDLE, 1), (_LAST, 1))
"""Which words are cut first, and to how many cells; of those cut to 0, a mark stands for all that follow each other."""

_SAVED = 2
"""Words this much longer than the limit stay."""

_WHOLE = 1 << 30
_ANY_MARK = "\N{HORIZONTAL ELLIPSIS}"


class _Part(NamedTuple):
    """A part of a name, the kind of its word, and its width in cells."""

    text: str
    kind: int
    width: int


class _Common(NamedTuple):
    """What the names of a column have in common: words with their places, and how many components at their ends."""

    words: frozenset[tuple[int, str]]
    ends: int


def shortened(names: Sequence[str], width: int, mark: str = _ANY_MARK) -> list[str]:
    """Shorten names to at most `width` cells where that keeps them apart; a name whose digits need more stays longer.

    If any name is wider, words are cut in all names by the same limits: first those that most names have at the same place,
    then the longest of the others; the last two components that tell names apart stay longest.

    >>> shortened(["model.layers.9.mlp.down_proj", "model.layers.17.mlp.up_proj"], 22)
    ['m….l….9.mlp.down_proj', 'm….l….17.mlp.up_proj']
    """
    if all(cells(name) <= width for name in names):
        return list(names)
    templates = Counter(map(_template, dict.fromkeys(names)))
    common = _common(templates)
    every = [_parts(template, common) for template in templates]
    limits = [_WHOLE] * (_LAST + 1)
    for kind, least in _STAGES:
        limits = _cut_further(every, kind, least, limits, (width, len(mark)))
    return [_short(_parts(name, common), limits, mark) for name in names]


def _template(name: str) -> str:
    """Return a name with all digits alike: names of one template are as wide, and stay apart by their digits."""
    return _DIGIT.sub("0", name)


def _common(templates: Counter[str]) -> _Common:
    """Find the words before the last component that at least half of the names have, and the components that end all names."""
    found, names = Counter[tuple[int, str]](), sum(templates.values())
    for template, times in templates.items():
        before = template[: max(template.rfind(one) for one in _SEPARATORS) + 1]
        found.update({place: times for place in enumerate(_PARTS.findall(before)) if place[1][0].isalpha()})
    words = frozenset(place for place, times in found.items() if times > 1 and 2 * times >= names)
    backwards = [_components(template)[:0:-1] for template in templates] if names > 1 else []
    ends = 0
    while all(len(one) > ends and one[ends] == backwards[0][ends] for one in backwards) and backwards:
        ends += 1
    return _Common(words, ends)


def _components(name: str) -> list[str]:
    return re.split(f"[{_SEPARATORS}]", name)


def _parts(name: str, common: _Common) -> list[_Part]:
    texts = _PARTS.findall(name)
    places = [k for k, text in enumerate(texts) if text in _SEPARATORS]
    end = places[-common.ends] if common.ends else len(texts)
    before = [k for k in places if k < end]
    start = before[-2] if len(before) > 1 else -1
    return [_part(k, text, start < k < end, common) for k, text in enumerate(texts)]


def _part(place: int, text: str, last: bool, common: _Common) -> _Part:
    kind = _FIXED if not text[0].isalpha() else _SHARED if (place, text) in common.words else _LAST if last else _MIDDLE
    return _Part(text, kind, cells(text))


def _cut_further(
    names: Sequence[Sequence[_Part]], kind: int, least: int, limits: list[int], room: tuple[int, int]
) -> list[int]:
    """Lower the limit of one kind of words until all names fit, but not below `least`, nor so that two names are alike."""
    wide = [name for name in names if _width(name, limits, room[1]) > room[0]]
    longest = max((part.width for name in wide for part in name if part.kind == kind), default=0)
    for limit in range(min(longest, limits[kind]) - 1, least - 1, -1):
        lower = [limit if k == kind else one for k, one in enumerate(limits)]
        cuttable = any(part.kind == kind for name in wide for part in name)
        if not cuttable or len({_short(name, lower, _ANY_MARK) for name in names}) < len(names):
            break
        limits = lower
        wide = [name for name in wide if _width(name, limits, room[1]) > room[0]]
    return limits


def _width(name: Iterable[_Part], limits: Sequence[int], mark: int) -> int:
    parts = _merged(name) if not limits[_SHARED] else name
    return sum(
        part.width if _stays(part, limits) else cells(_head(part.text, limits[part.kind])) + mark for part in parts
    )


def _short(name: Iterable[_Part], limits: Sequence[int], mark: str) -> str:
    parts = _merged(name) if not limits[_SHARED] else name
    return "".join(part.text if _stays(part, limits) else _head(part.text, limits[part.kind]) + mark for part in parts)


def _merged(name: Iterable[_Part]) -> list[_Part]:
    """Make one part of shared words that follow each other, and of the separators between them."""
    parts = list(name)
    between = [
        0 < k < len(parts) - 1 and part.text in _SEPARATORS and parts[k - 1].kind == parts[k + 1].kind == _SHARED
        for k, part in enumerate(parts)
    ]
    marked = zip(parts, between, strict=True)
    found = list[_Part]()
    for joined, run in groupby(marked, lambda pair: pair[1] or pair[0].kind == _SHARED):
        some = [part for part, _ in run]
        text = "".join(part.text for part in some)
        found += [_Part(text, _SHARED, cells(text))] if joined else some
    return found


def _stays(part: _Part, limits: Sequence[int]) -> bool:
    """Whether a part is not cut: it is no word, or a mark in place of the letters beyond the limit would save too little."""
    return part.kind == _FIXED or part.width <= limits[part.kind] + _SAVED


@cache
def _head(word: str, width: int) -> str:
    """Return the first letters of a word that take at most `width` cells, and one at least unless that is 0."""
    found = word[:1] if width else ""
    for letter in word[len(found) :]:
        if cells(found + letter) > width:
            break
        found += letter
    return found
