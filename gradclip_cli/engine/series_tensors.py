"""Follow the tensors of a series from dump to dump: under the wrappers of training tools, and where dumps lack some of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.errors import InputError
from gradclip_cli.inputs.naming import LayerParam, Naming, natural, other_names, wrappers_note
from gradclip_cli.inputs.places import NamedPlaces, picked_places
from gradclip_cli.inputs.selection import Selection, check_included
from gradclip_cli.notes import Note
from gradclip_cli.numerics.groups import NamedGroups, firsts_of
from gradclip_cli.spec_table import names_of, picked
from gradclip_cli.spec_table import shapes_of as shapes_in
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import plural, printable, shortlist

CommonShape = tuple[int, ...] | None
"""The shape of a tensor; None if its pieces differ in shape."""

Shapes = Mapping[str, CommonShape]
"""The shapes of the measured tensors, by name."""

_DIFFER = "give --allow-missing to count in each dump what it has"


class _Alike(NamedTuple):
    """The tensors of a dump, with their shapes and places, those that are measured, and what was found of these."""

    tensors: Sequence[TensorSpec]
    shapes: Sequence[tuple[int, ...]]
    places: Sequence[LayerParam]
    indices: Sequence[int]
    layers: Mapping[str, Sequence[int]]
    named: Mapping[str, Sequence[int]]
    found: Shapes


class SeriesTensors:
    """The tensors of a series: those of its first dump, which all others must have, or with `allow_missing` those of any.

    A tensor has the name, the shape and the layer that it has in the first dump with it. With `allow_missing`, the layers are
    those of a dump that has all tensors; they are final after the last dump or, if `settled`, at once. With `any_shape`,
    a dump whose tensors have other shapes is only noted. Without `with_places`, no layers of the first dump are kept.
    """

    def __init__(
        self, naming: Naming, allow_missing: bool = False, *, any_shape: bool = False, with_places: bool = True
    ) -> None:
        self.shapes: Shapes = {}
        self.places: Mapping[str, LayerParam] = {}
        self.reshaped: set[str] = set()
        self.settled = True
        self._with_places = with_places
        self._naming, self._allow_missing, self._any_shape = naming, allow_missing, any_shape or allow_missing
        self._first: str | None = None  # the path of the first dump
        self._every: dict[str, None] = {}  # the names of all tensors in all dumps, whether they are measured or not
        self._listed: object = None
        self._alike = _Alike([], [], [], (), {}, {}, {})
        self._missing: set[str] = set()
        self._lacking = ""  # the first dump that lacks any
        self._other_names: dict[str, str] = {}
        self._notes: list[Note] = []

    def take(self, dump: MeasuredDump) -> MeasuredDump:
        """Add a dump, and return it with the names of the series; raise InputError if it must not differ as it does."""
        own = self._shapes_of(dump)
        if self._first is None:
            self._begin(dump, own)
        elif own != self.shapes:
            dump = self._renamed(dump)
            self._compare(dump, shapes_of(dump))
        if self._allow_missing and dump.tensors is not self._listed:
            self._listed = dump.tensors
            self._every.update(dict.fromkeys(names_of(dump.tensors)))
        return dump

    def settle(self) -> None:
        """Find the layer of each tensor among the names of all dumps."""
        if not self.settled:
            places = dict(zip(self._every, self._naming.places(list(self._every)), strict=True))
            self.places = {name: places[name] for name in self.shapes}
            self.settled = True

    def placed(self, dump: MeasuredDump) -> MeasuredDump:
        """Return a dump that was taken with the layers of the series."""
        others = {
            index: place
            for name, indices in dump.named.items()
            for index in indices
            if dump.places[index] != (place := self.places[name])
        }
        if not others:
            return dump
        return replace(dump, places=[others.get(index, place) for index, place in enumerate(dump.places)])

    def check_taken(self, selection: Selection) -> None:
        """Raise UsageError if a pattern matches no tensor of any dump, though it should; only with `allow_missing`."""
        if self._allow_missing:
            check_included(self._every, selection)

    @property
    def notes(self) -> list[Note]:
        """Notes for the user on dumps that differ."""
        if not self._missing:
            return self._notes
        which = f"{len(self._missing):,} of {plural(len(self.shapes), 'tensor')} missing in some dumps"
        what = f"{which}, where they add nothing: {shortlist(sorted(self._missing, key=natural), 4)}"
        return [*self._notes, Note("missing", f"{self._lacking}: {what}")]

    def _shapes_of(self, dump: MeasuredDump) -> Shapes:
        """Return the shapes of a dump: those of the dump before, if its tensors are listed and named alike."""
        last = self._alike
        if dump.places is last.places and dump.stats.indices == last.indices and not dump.other_names:
            dump.__dict__.update(layers=last.layers, named=last.named)  # only equal names share a list of places
        shapes = last.shapes if dump.tensors is last.tensors else list(shapes_in(dump.tensors))
        if dump.wholes or dump.other_names or dump.named is not last.named or shapes != last.shapes:
            found = shapes_of(dump)
            self._alike = _Alike(dump.tensors, shapes, dump.places, dump.stats.indices, dump.layers, dump.named, found)
        return self._alike.found

    def _begin(self, dump: MeasuredDump, own: Shapes) -> None:
        self._first = dump.source.location
        if self._allow_missing:
            self._add(own)
        else:
            self.shapes = own  # nothing is added to them
        if self._with_places and not self._allow_missing:
            self.places = NamedPlaces(dump.named, picked_places(dump.places, firsts_of(dump.named)))

    def _add(self, new: Shapes) -> None:
        """Add tensors; a layer that depends on the names of other tensors is only a guess."""
        self.shapes = {**self.shapes, **new}
        self.places = {**self.places, **dict(zip(new, self._naming.places(list(new)), strict=True))}
        self.settled = self.settled and all(map(self._naming.is_settled, new))

    def _renamed(self, dump: MeasuredDump) -> MeasuredDump:
        """Return a dump with the names of the series for tensors that only have other wrappers."""
        names = dump.named.keys()
        if names <= self.shapes.keys():
            return dump
        others = other_names(self.shapes, names)
        for name in self._other_names.keys() & (names - others.keys()):
            both = f"{printable(self._other_names[name])} and {printable(name)}"
            raise InputError(f"holds {both}, which are one tensor in dumps before", path=dump.source.location)
        if not others:
            return dump
        self._other_names |= others
        self._notes.append(wrappers_note(dump.source.location, *next(iter(others.items()))))
        return replace(dump, other_names=others)

    def _compare(self, dump: MeasuredDump, own: Shapes) -> None:
        """Take what a dump has more or less than those before; raise InputError unless it may differ."""
        lacks, extra = self.shapes.keys() - own.keys(), own.keys() - self.shapes.keys()
        changed = [name for name, shape in own.items() if name in self.shapes and self.shapes[name] != shape]
        which = f"step {dump.step} has" if dump.prefix or dump.row is not None else "has"
        path, before = dump.source.location, "earlier dumps" if self._allow_missing else "the first dump"
        if (lacks or extra) and not self._allow_missing:
            raise InputError(f"{which} {_other_tensors(lacks, extra)}; {_advice(dump)}", path=path)
        if changed:
            what = f"{which} other shapes than {before}: {_other_shape(changed, self.shapes, own)}"
            if not self._any_shape:
                raise InputError(f"{what}; {_advice(dump)}", path=path)
            self._notes.append(Note("different-shapes", f"{path}: {what}"))
            self.reshaped.update(changed)
        if lacks or extra:
            self._lacking = (self._first or "") if extra else self._lacking or path
            self._missing |= lacks | extra
            self._add({name: shape for name, shape in own.items() if name in extra})


def shapes_of(dump: MeasuredDump) -> dict[str, CommonShape]:
    """Return the shapes of the measured tensors of a dump."""
    if isinstance(dump.named, NamedGroups) and not dump.wholes:
        return dict(zip(dump.named, shapes_in(picked(dump.tensors, dump.named.groups.firsts)), strict=True))
    return {name: dump.shape(indices) for name, indices in dump.named.items()}


def _other_tensors(lacks: Iterable[str], extra: Iterable[str]) -> str:
    parts = [
        f"{verb} {shortlist(sorted(names), 4)}" for verb, names in (("lacks", lacks), ("also has", extra)) if names
    ]
    return f"other tensors than the first dump: it {' and '.join(parts)}"


def _other_shape(changed: Sequence[str], before: Shapes, now: Shapes) -> str:
    name, more = changed[0], f", and {plural(len(changed) - 1, 'other')}" if changed[1:] else ""
    return f"{printable(name)} is {now[name]}, not {before[name]}{more}"


def _advice(dump: MeasuredDump) -> str:
    pieces = dump.source.layout.in_pieces or not dump.source.layout.single
    return _DIFFER if pieces else f"{_DIFFER}, or --shards if these are the files of ranks"
