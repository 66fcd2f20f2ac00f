"""Note what a file holds besides gradients, so that no norm is about something else than the user thinks."""

from collections.abc import Iterable, Iterator

from gradclip_cli.formats.base import Reader
from gradclip_cli.inputs.outline import Outline
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.notes import Note
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import shortlist


def notes_on(reader: Reader, outline: Outline, selection: Selection) -> Iterator[Note]:
    """Note the selected tensors that a file marks as no gradients, and what may hold floats but is no tensor.

    The tensors have their names in the dump. What the user has left out, or named in full, needs no note.
    """
    path, found = reader.file.path, outline.marked
    if apart := [spec for spec in found if not selection.counts(spec)]:
        yield Note("no-gradients", f"{path}: no gradients, so in no norm: {_by_role(apart)}; --include counts them")
    elif matched := [
        spec for spec in found if spec.dtype.kind in ("float", "complex") and spec.name not in selection.include
    ]:
        what = f"counted, since --include matches what is marked as no gradients: {_by_role(matched)}"
        yield Note("counted-by-include", f"{path}: {what}; --exclude leaves them out", changes_figures=True)
    if names := list(filter(selection.takes, reader.pickled)):
        what = f"pickled objects, which are never loaded, in no norm and left as they are: {shortlist(names)}"
        yield Note("pickled", f"{path}: {what}; save arrays of numbers to count them", changes_figures=True)
    if names := list(filter(selection.takes, reader.unmeasured)):
        what = f"records, lists of various lengths or bytes of no type, which may hold floats, in no norm: {shortlist(names)}"
        text = f"{path}: {what}; save gradients as plain arrays, or give --exclude to pass over these"
        yield Note("floats-in-records", text, changes_figures=True)


def only_other(reader: Reader) -> list[str]:
    """Return the names of what is not numbers, and holds no floats either."""
    if not reader.non_numeric:
        return []
    with_floats = set(reader.unmeasured)
    return [name for name in reader.non_numeric if name not in with_floats]


def _by_role(tensors: Iterable[TensorSpec]) -> str:
    roles: dict[str | None, list[str]] = {}
    for spec in tensors:
        roles.setdefault(spec.role, []).append(spec.name)
    return "; ".join(f"{shortlist(names)} ({role})" for role, names in roles.items())
