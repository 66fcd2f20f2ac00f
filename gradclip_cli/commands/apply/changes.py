"""What is done to the tensors of an input: to each as a whole, or to each of its slices where slices are dumps."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from gradclip_cli.commands.apply.decisions import DumpDecisions
from gradclip_cli.commands.apply.output_dtypes import is_converted
from gradclip_cli.engine.rewrite import Rewriter, Rewritten
from gradclip_cli.engine.rewrite_slices import SliceActions, SliceRewriter
from gradclip_cli.numerics.dtypes import DType
from gradclip_cli.strategies.action_table import ActionTable, indices_of
from gradclip_cli.strategies.actions import UNCHANGED, Action


class Changes(Protocol):
    """The changes to the tensors of an input, or of one file of it, by their indices."""

    @property
    def indices(self) -> Collection[int]:
        """The indices of the tensors that change."""

    def within(self, start: int, stop: int) -> "Changes":
        """Return the changes to tensors `start` to `stop`, counted from `start`."""

    def run(self, rewriter: Rewriter) -> list[Rewritten]:
        """Rewrite a file; return the results for each dump in it."""


class WholeChanges(NamedTuple):
    """One action for each tensor that changes."""

    actions: Mapping[int, Action]

    @classmethod
    def of(cls, decided: Sequence[DumpDecisions]) -> "WholeChanges":
        """Take the actions of all dumps of an input."""
        if len(decided) == 1:
            return cls(decided[0].actions)
        return cls({index: action for one in decided for index, action in one.actions.items()})

    @property
    def indices(self) -> Collection[int]:
        """The indices of the tensors that change."""
        return indices_of(self.actions)

    def within(self, start: int, stop: int) -> "WholeChanges":
        """Return the changes to tensors `start` to `stop`, counted from `start`."""
        if isinstance(self.actions, ActionTable):
            return WholeChanges(self.actions.within(start, stop))
        return WholeChanges({index - start: action for index, action in self.actions.items() if start <= index < stop})

    def run(self, rewriter: Rewriter) -> list[Rewritten]:
        """Rewrite a file."""
        return [rewriter._replace(actions=self.actions).run()]


class SliceChanges(NamedTuple):
    """An action for each of `length` slices of each tensor that changes."""

    actions: SliceActions
    length: int

    @classmethod
    def of(cls, decided: Sequence[DumpDecisions], rounded: Collection[int] = ()) -> "SliceChanges":
        """Take the actions of all slices of an input; those of tensors that are `rounded` all have one."""
        length, sizes = len(decided), [spec.size for spec in decided[0].dump.tensors]
        actions: dict[int, list[Action | None]] = {k: [UNCHANGED] * length for k in rounded if sizes[k]}
        for one in decided:
            for index, action in one.actions.items():
                if sizes[index]:
                    actions.setdefault(index, [None] * length)[one.dump.row or 0] = action
        return cls(actions, length)

    @property
    def indices(self) -> Collection[int]:
        """The indices of the tensors of which a slice changes."""
        return self.actions.keys()

    def within(self, start: int, stop: int) -> "SliceChanges":
        """Return the changes to tensors `start` to `stop`, counted from `start`."""
        own = {index - start: actions for index, actions in self.actions.items() if start <= index < stop}
        return SliceChanges(own, self.length)

    def run(self, rewriter: Rewriter) -> list[Rewritten]:
        """Rewrite a file."""
        return SliceRewriter(rewriter, self.actions, self.length).run()


def changes_of(decided: Sequence[DumpDecisions], to: DType | None = None) -> Changes:
    """Return the changes to an input, from the decisions for all dumps in it.

    Gradients that are rounded to another dtype count as changed: all of those that are accumulated from several files, and
    those that are written as `to` and are of another dtype.
    """
    dump = decided[0].dump
    if dump.source.layout.accumulate:
        return WholeChanges({**dict.fromkeys((*dump.stats, *dump.copies), UNCHANGED), **decided[0].actions})
    rounded = {k for one in decided for k in (*one.dump.stats, *one.dump.copies)} if to is not None else set()
    found = [k for k in sorted(rounded) if is_converted(dump.tensors[k], to)]
    if dump.row is None:
        own = WholeChanges.of(decided)
        return WholeChanges({**dict.fromkeys(found, UNCHANGED), **own.actions}) if found else own
    return SliceChanges.of(decided, found)
