"""Whether the dumps of a series have the same tensors, of the same shapes."""

from collections.abc import Iterable, Mapping

from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.text import count, listed, printable

Shapes = Mapping[str, tuple[int, ...] | None]
"""The shapes of the tensors that count, by name; None where the pieces of one differ."""


def shapes_of(dump: MeasuredDump) -> Shapes:
    """Return the shapes of the tensors of a dump."""
    return {name: dump.shape(indices) for name, indices in dump.named.items()}


def difference(first: Shapes, dump: MeasuredDump) -> str:
    """Say how a dump differs from the first one: in its tensors, or else in their shapes; nothing where it does not."""
    own = shapes_of(dump)
    if own == first:
        return ""
    which = f"step {dump.step} has" if dump.prefix else "has"
    missing, extra = sorted(first.keys() - own.keys()), sorted(own.keys() - first.keys())
    if missing or extra:
        parts = [f"lacks {listed(missing, 4)}"] if missing else []
        parts += [f"also has {listed(extra, 4)}"] if extra else []
        return f"{which} other tensors than the first dump: it {' and '.join(parts)}"
    changed = [name for name, shape in own.items() if shape != first[name]]
    name, more = changed[0], f", and {count(len(changed) - 1, 'other')}" if changed[1:] else ""
    return f"{which} other shapes than the first dump: {printable(name)} is {own[name]}, not {first[name]}{more}"


def notes(dumps: Iterable[tuple[str, str]]) -> list[str]:
    """Return a note on dumps, given by path and by how each differs from the first: the first of them, and how many more."""
    found = [f"{path}: {what}" for path, what in dumps if what]
    more = f" (and {count(len(found) - 1, 'more dump')})" if found[1:] else ""
    return [f"{found[0]}{more}"] if found else []
