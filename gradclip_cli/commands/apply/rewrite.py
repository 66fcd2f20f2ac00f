"""The second pass: read each input again, change it as decided, and write it."""

from collections.abc import Collection, Sequence
from contextlib import closing
from typing import NamedTuple

from gradclip_cli.commands.apply.changes import Changes, changes_of
from gradclip_cli.commands.apply.copy_ahead import CopyAhead
from gradclip_cli.commands.apply.decisions import DumpDecisions
from gradclip_cli.commands.apply.output_dtypes import check_in_place, is_converted, output_type, stand_in_notes, targets
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.engine.rewrite import Rewriter, Rewritten
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.errors import OutputError
from gradclip_cli.formats.accumulated import AccumulatedReader
from gradclip_cli.formats.base import Format, Reader, Writer
from gradclip_cli.inputs.captured import is_captured
from gradclip_cli.inputs.layouts.index import with_total
from gradclip_cli.inputs.opened import DumpFile, OpenFile
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpOutput, DumpSource
from gradclip_cli.notes import Note
from gradclip_cli.storage.atomic import Outputs
from gradclip_cli.storage.random_access import copy_at, open_input, write_at
from gradclip_cli.storage.staged import Staged
from gradclip_cli.strategies import Group
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import plural, shortlist


class Written(NamedTuple):
    """The result for one input: the tensors that changed, for each slice if slices are dumps, and notes for the user."""

    rewritten: Sequence[Rewritten]
    notes: list[Note]

    def of(self, dump: MeasuredDump) -> Rewritten:
        """Return the tensors that changed in a dump of this input."""
        return self.rewritten[dump.row or 0]


class DumpRewriter:
    """Rewrite inputs as a plan says; in a dry run do the arithmetic only."""

    def __init__(self, plan: ApplyPlan, run: Run, outputs: Outputs, ahead: CopyAhead) -> None:
        self._plan, self._run, self._outputs, self._ahead = plan, run, outputs, ahead

    def rewrite(self, decided: Sequence[DumpDecisions]) -> dict[DumpSource, Written]:
        """Rewrite each input by the decisions for its dumps; return the result for each."""
        inside: dict[DumpSource, list[DumpDecisions]] = {}
        for one in decided:
            inside.setdefault(one.dump.source, []).append(one)
        targets = dict(zip(self._plan.inputs, self._plan.outputs, strict=True))

        def rewrite(run: Run, source: DumpSource) -> Written:
            changes = changes_of(inside[source], output_type(self._plan))
            own = DumpRewriter(self._plan, run, self._outputs, self._ahead)
            return own.input(inside[source][0].dump, targets[source], changes)

        with closing(self._run.each(rewrite, targets)) as each:  # before the outputs are closed
            return {source: found() for source, found in zip(targets, each, strict=True)}

    def input(self, dump: MeasuredDump, output: DumpOutput | None, changes: Changes) -> Written:
        """Rewrite the files of an input, and copy its companion files."""
        source = dump.source
        source.layout.check_unchanged(source)
        paths = [None] * len(dump.files) if output is None else output.files
        files = [self._file(file, path, changes) for file, path in zip(dump.files, paths, strict=True)]
        if output is not None and output.companions:
            for path, target in zip(source.layout.companions(source), output.companions, strict=True):
                self._copy(path, target, self._size(dump, changes))
            source.layout.check_unchanged(source)
        starts = [file.start for file in dump.files]
        dumps = zip(*(one.rewritten for one in files), strict=True)
        rewritten = [Rewritten.concatenate(list(zip(starts, parts, strict=True))) for parts in dumps]
        if source.layout.accumulate and output_type(self._plan) is None:
            _check_range(dump, rewritten[0], paths[0])
        return Written(rewritten, [note for one in files for note in one.notes])

    def _file(self, file: DumpFile, target: str | None, changes: Changes) -> Written:
        with self._run.reopen(file) as opened:
            own = changes.within(file.start, file.start + len(opened.tensors))
            self._check_alike(opened)
            to = opened.format if target is None else self._plan.format_of(opened.path, target, opened.format)
            specs = targets(opened.tensors, own.indices, self._plan, to, opened.format)
            if target is None:
                return Written(own.run(self._rewriter(opened, specs)), [])
            return self._write(opened, target, own, to, specs)

    def _write(
        self, opened: OpenFile, target: str, changes: Changes, to: Format, specs: Sequence[TensorSpec]
    ) -> Written:
        """Write a file in the format `to` with tensors as in `specs`."""
        staged, written = self._ahead.stage(opened.path, target)
        writer, lost = self._begin(opened, staged, changes, to, specs)
        with closing(writer):
            rewriter = self._rewriter(opened, specs)
            rewriter = rewriter._replace(writer=writer, fd=staged.fd, output=target, written=written)
            rewritten = changes.run(rewriter)
            writer.finish()
        if to.mark_clipped is not None and self._clips and is_captured(opened.reader.metadata):
            to.mark_clipped(staged.fd, target)
        opened.reader.verify()
        self._outputs.complete(staged)
        return Written(rewritten, [*lost, *writer.notes])

    @property
    def _clips(self) -> bool:
        """Whether the plan is to clip, and not only to copy or to convert."""
        return self._plan.strategy.group is not Group.NONE or bool(self._plan.overrides)

    def _begin(
        self, opened: OpenFile, staged: Staged, changes: Changes, to: Format, specs: Sequence[TensorSpec]
    ) -> tuple[Writer, list[Note]]:
        """Begin a copy of a file or a new one; return its writer, and notes on what it cannot hold."""
        reader, pending, target, fd = opened.reader, self._pending(opened, changes), staged.target, staged.fd
        if to is opened.format and specs is opened.tensors:
            return to.rewrite(opened.template, pending, fd, target), []
        if to is opened.format and to.retype is not None:
            return to.retype(opened.template, specs, pending, fd, target), []
        if target == opened.path:
            check_in_place(reader, target)
        _check_convertible(reader, target, self._plan.selection)
        lost = stand_in_notes(opened.tensors, specs, to, self._plan, target)
        return to.convert(specs, fd, target), [*_not_convertible(reader, target), *lost]

    def _rewriter(self, opened: OpenFile, specs: Sequence[TensorSpec]) -> Rewriter:
        """Return what rewrites a file and changes nothing yet."""
        types, run = self._plan.norm_types, self._run
        return Rewriter(opened.portable, None, -1, "", {}, types, run.workers, run.progress, stored=specs)

    def _pending(self, opened: OpenFile, changes: Changes) -> Collection[int]:
        """Return the indices of the tensors to write: those that change, or all gradients if files are accumulated."""
        if not isinstance(opened.reader, AccumulatedReader):
            return changes.indices
        return [index for index, spec in enumerate(opened.reader.tensors) if spec.dtype.is_gradient]

    def _check_alike(self, opened: OpenFile) -> None:
        """Raise InputError if a selected tensor that is not accumulated differs between the files."""
        if isinstance(opened.reader, AccumulatedReader):
            for index, spec in enumerate(opened.reader.tensors):
                if not spec.dtype.is_gradient and self._run.selection.takes(spec.name):
                    opened.reader.check_alike(index)

    def _size(self, dump: MeasuredDump, changes: Changes) -> int | None:
        """Return the size of all tensors as written, in bytes; None if none of them changes its size."""
        to, indices = output_type(self._plan), set(changes.indices)
        if to is None or not any(is_converted(dump.tensors[k], to) for k in indices):
            return None
        new = {k for k in indices if is_converted(dump.tensors[k], to)}
        return sum(spec.size * to.itemsize if k in new else spec.nbytes for k, spec in enumerate(dump.tensors))

    def _copy(self, path: str, target: str, size: int | None) -> None:
        """Copy an index; where tensors take `size` bytes instead of what it says, it says so."""
        with open_input(path) as file:
            staged = self._outputs.stage(target)
            if size is None:
                copy_at(file, 0, staged.fd, 0, file.size, target)
            else:
                write_at(staged.fd, 0, with_total(file.read(0, file.size), size), target)
            file.check_unchanged()
            self._outputs.complete(staged)


def _check_range(dump: MeasuredDump, after: Rewritten, target: str | None) -> None:
    """Raise OutputError if accumulated gradients are too large for the dtype of the files."""
    for index, was, now in zip(dump.stats, dump.stats.infinite, after.stats.only(dump.stats).infinite, strict=True):
        if now > was:
            spec = dump.tensors[index]
            message = (
                f"its sum does not fit into {spec.dtype.name}: {plural(int(now - was), 'element')} would be infinite"
            )
            raise OutputError(f"{message}; give --accumulate mean, or a lower threshold", path=target, tensor=spec.name)


def _check_convertible(reader: Reader, output: str, selection: Selection) -> None:
    """Raise OutputError for selected entries of pickled objects, which may be gradients."""
    for name in reader.pickled:
        if selection.takes(name):
            message = (
                "holds pickled objects, which are never loaded and cannot be converted; leave it out with --exclude"
            )
            raise OutputError(message, path=output, tensor=name)


def _not_convertible(reader: Reader, output: str) -> list[Note]:
    """Note what the format of the output cannot hold."""
    kept, notes = f"{output}: left out, since its format cannot hold it:", list[Note]()
    if found := reader.not_convertible():
        notes.append(Note("not-convertible", f"{kept} {'; '.join(found)}"))
    if marked := [spec.name for spec in reader.tensors if spec.role is not None]:
        what = f"its format cannot mark what is no gradient, so {shortlist(marked, 4)} count there as gradients"
        notes.append(Note("marks-lost", f"{output}: {what}", len(marked), changes_figures=True))
    return notes
