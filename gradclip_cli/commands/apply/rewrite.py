"""The second pass: read each input again, change it as decided, and write it."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

from gradclip_cli.commands.apply.changes import Changes, changes_of
from gradclip_cli.commands.apply.copy_ahead import CopyAhead, Range
from gradclip_cli.commands.apply.decisions import DumpDecisions
from gradclip_cli.commands.apply.output_dtypes import (
    check_convertible,
    check_in_place,
    is_converted,
    not_convertible_notes,
    output_type,
    stand_in_notes,
    targets,
)
from gradclip_cli.commands.apply.plan import ApplyPlan, Writing
from gradclip_cli.engine.rewrite import Rewriter, Rewritten
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.errors import OutputError
from gradclip_cli.formats.accumulated import AccumulatedReader
from gradclip_cli.formats.base import Format, Writer
from gradclip_cli.inputs.captured import is_captured
from gradclip_cli.inputs.layouts.index import with_total
from gradclip_cli.inputs.opened import DumpFile, OpenFile
from gradclip_cli.inputs.ordering import expect_all
from gradclip_cli.inputs.source import DumpOutput, DumpSource
from gradclip_cli.notes import Note
from gradclip_cli.storage.atomic import Outputs
from gradclip_cli.storage.random_access import copy_at, open_input, write_at
from gradclip_cli.storage.staged import Staged
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import plural


class Written(NamedTuple):
    """The result for one input: the tensors that changed, for each slice if slices are dumps, and notes for the user."""

    rewritten: Sequence[Rewritten]
    notes: list[Note]

    def of(self, dump: MeasuredDump) -> Rewritten:
        """Return the tensors that changed in a dump of this input."""
        return self.rewritten[dump.row or 0]


class FileChange(NamedTuple):
    """One file to write; the changes are to its own tensors."""

    file: DumpFile
    target: str | None
    changes: Changes

    @classmethod
    def each(cls, dump: MeasuredDump, output: DumpOutput | None, changes: Changes) -> "Iterator[FileChange]":
        """Yield the files of an input; in a dry run they have no targets."""
        starts = [*(file.start for file in dump.files), len(dump.tensors)]
        paths = [None] * len(dump.files) if output is None else output.files
        for file, path, stop in zip(dump.files, paths, starts[1:], strict=True):
            yield cls(file, path, changes.within(file.start, stop))

    @property
    def nbytes(self) -> int:
        """The size of what is read."""
        return sum(one.fingerprint.size for one in (self.file, *self.file.others))


class FileRewriter:
    """Rewrite files, in the client or in a worker of a cluster.

    `stage` begins the output of an input by the paths of both, and says what is written of it already; `complete` ends it.
    """

    def __init__(
        self,
        how: Writing,
        run: Run,
        stage: Callable[[str, str], tuple[Staged, list[Range]]],
        complete: Callable[[Staged], None],
    ) -> None:
        self._how, self._run, self._stage, self._complete = how, run, stage, complete

    def rewrite(self, one: FileChange) -> Written:
        """Rewrite a file; without a target do the arithmetic only."""
        target, changes = one.target, one.changes
        with self._run.reopen(one.file) as opened:
            self._check_alike(opened)
            to = opened.format if target is None else self._how.format_of(opened.path, target, opened.format)
            specs = targets(opened.tensors, changes.indices, self._how, to, opened.format)
            if target is None:
                return Written(changes.run(self._rewriter(opened, specs)), [])
            return self._write(opened, target, changes, to, specs)

    def _write(
        self, opened: OpenFile, target: str, changes: Changes, to: Format, specs: Sequence[TensorSpec]
    ) -> Written:
        """Write a file in the format `to` with tensors as in `specs`."""
        staged, written = self._stage(opened.path, target)
        writer, lost = self._begin(opened, staged, changes, to, specs)
        with closing(writer):
            rewriter = self._rewriter(opened, specs)
            rewriter = rewriter._replace(writer=writer, fd=staged.fd, output=target, written=written)
            rewritten = changes.run(rewriter)
            writer.finish()
        if to.mark_clipped is not None and self._how.clips and is_captured(opened.reader.metadata):
            to.mark_clipped(staged.fd, target)
        opened.reader.verify()
        self._complete(staged)
        return Written(rewritten, [*lost, *writer.notes])

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
        check_convertible(reader, target, self._how.selection)
        lost = stand_in_notes(opened.tensors, specs, to, self._how, target)
        return to.convert(specs, fd, target), [*not_convertible_notes(reader, target), *lost]

    def _rewriter(self, opened: OpenFile, specs: Sequence[TensorSpec]) -> Rewriter:
        """Return what rewrites a file and changes nothing yet."""
        types, run = self._how.norm_types, self._run
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


Elsewhere = Callable[[Iterator[FileChange]], Mapping[str, Written]]
"""What has some files written by other machines, and returns the results of those by their targets."""


class DumpRewriter:
    """Rewrite inputs as a plan says; in a dry run do the arithmetic only."""

    def __init__(self, plan: ApplyPlan, run: Run, outputs: Outputs, ahead: CopyAhead) -> None:
        self._plan, self._run, self._outputs, self._ahead = plan, run, outputs, ahead
        self._elsewhere: Mapping[str, Written] = {}

    def rewrite(
        self, decided: Sequence[DumpDecisions], elsewhere: Elsewhere | None = None
    ) -> dict[DumpSource, Written]:
        """Rewrite each input by the decisions for its dumps, here what is not written elsewhere; return the result for each."""
        inside: dict[DumpSource, list[DumpDecisions]] = {}
        for one in decided:
            inside.setdefault(one.dump.source, []).append(one)
        targets = dict(zip(self._plan.inputs, self._plan.outputs, strict=True))

        def changes(source: DumpSource) -> Changes:
            return changes_of(inside[source], output_type(self._plan))

        def rewrite(run: Run, source: DumpSource) -> Written:
            own = DumpRewriter(self._plan, run, self._outputs, self._ahead)
            own._elsewhere = self._elsewhere
            return own.input(inside[source][0].dump, targets[source], changes(source))

        if elsewhere is not None:
            self._elsewhere = elsewhere(
                one
                for source, output in targets.items()
                for one in FileChange.each(inside[source][0].dump, output, changes(source))
            )
        if elsewhere is None:
            expect_all(targets)
        with closing(self._run.each(rewrite, targets)) as each:  # before the outputs are closed
            return {source: found() for source, found in zip(targets, each, strict=True)}

    def input(self, dump: MeasuredDump, output: DumpOutput | None, changes: Changes) -> Written:
        """Rewrite the files of an input that no other machine has written, and copy its companion files."""
        source = dump.source
        source.layout.check_unchanged(source)
        here = FileRewriter(self._plan.writing, self._run, self._ahead.stage, self._outputs.complete)
        every = list(FileChange.each(dump, output, changes))
        files = [self._elsewhere.get(one.target or "") or here.rewrite(one) for one in every]
        if output is not None and output.companions:
            for path, target in zip(source.layout.companions(source), output.companions, strict=True):
                self._copy(path, target, self._size(dump, changes))
            source.layout.check_unchanged(source)
        starts = [file.start for file in dump.files]
        dumps = zip(*(one.rewritten for one in files), strict=True)
        rewritten = [Rewritten.concatenate(list(zip(starts, parts, strict=True))) for parts in dumps]
        if source.layout.accumulate and output_type(self._plan) is None:
            _check_range(dump, rewritten[0], every[0].target)
        return Written(rewritten, [note for one in files for note in one.notes])

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
