"""The second pass: read each input again, change it as decided, and write it."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

from gradclip_cli.commands.apply.copy_ahead import CopyAhead
from gradclip_cli.commands.apply.decisions import DumpDecisions
from gradclip_cli.commands.apply.plan import ApplyPlan
from gradclip_cli.engine.rewrite import Rewriter, Rewritten
from gradclip_cli.engine.run import Run
from gradclip_cli.engine.survey import MeasuredDump
from gradclip_cli.errors import OutputError
from gradclip_cli.formats.base import Reader
from gradclip_cli.inputs.opened import DumpFile, OpenFile
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpOutput, DumpSource
from gradclip_cli.notes import Note
from gradclip_cli.storage.atomic import Outputs
from gradclip_cli.storage.random_access import InputFile, copy_at
from gradclip_cli.strategies.actions import Action


class Written(NamedTuple):
    """The result for one input: the tensors that changed, and notes on the output for the user."""

    rewritten: Rewritten
    notes: list[Note]


class DumpRewriter:
    """Rewrite inputs as a plan says; in a dry run do the arithmetic only."""

    def __init__(self, plan: ApplyPlan, run: Run, outputs: Outputs, ahead: CopyAhead) -> None:
        self._plan, self._run, self._outputs, self._ahead = plan, run, outputs, ahead

    def rewrite(self, decided: Sequence[DumpDecisions]) -> dict[DumpSource, Written]:
        """Rewrite each input by the decisions for its dumps; return the result for each."""
        inside: dict[DumpSource, list[DumpDecisions]] = {}
        for one in decided:
            inside.setdefault(one.dump.source, []).append(one)
        return {
            source: self._input(inside[source][0].dump, output, _actions(inside[source]))
            for source, output in dict(zip(self._plan.inputs, self._plan.outputs, strict=True)).items()
        }

    def _input(self, dump: MeasuredDump, output: DumpOutput | None, actions: Mapping[int, Action]) -> Written:
        """Rewrite the files of an input, and copy its companion files."""
        source = dump.source
        source.layout.check_unchanged(source)
        targets = [None] * len(dump.files) if output is None else output.files
        files = [self._file(file, target, actions) for file, target in zip(dump.files, targets, strict=True)]
        if output is not None and output.companions:
            for path, target in zip(source.layout.companions(source), output.companions, strict=True):
                self._copy(path, target)
            source.layout.check_unchanged(source)
        rewritten = Rewritten.concatenate(
            [(file.start, one.rewritten) for file, one in zip(dump.files, files, strict=True)]
        )
        return Written(rewritten, [note for one in files for note in one.notes])

    def _file(self, file: DumpFile, target: str | None, actions: Mapping[int, Action]) -> Written:
        with self._run.reopen(file) as opened:
            end = file.start + len(opened.tensors)
            own = {index - file.start: action for index, action in actions.items() if file.start <= index < end}
            if target is None:
                return Written(self._rewriter(opened, own).run(), [])
            return self._write(opened, target, own)

    def _write(self, opened: OpenFile, target: str, actions: Mapping[int, Action]) -> Written:
        format, reader = opened.format, opened.reader
        staged, written = self._ahead.stage(opened.path, target)
        to = self._plan.format_of(opened.path, target, format)
        if to is format:
            writer, not_convertible = format.rewrite(reader, actions.keys(), staged.fd, target), []
        else:
            _check_convertible(reader, target, self._plan.selection)
            writer, not_convertible = to.convert(reader.tensors, staged.fd, target), _not_convertible(reader, target)
        rewriter = self._rewriter(opened, actions)
        with closing(writer):
            rewritten = rewriter._replace(writer=writer, fd=staged.fd, output=target, written=written).run()
            writer.finish()
        reader.verify()
        self._outputs.complete(staged)
        return Written(rewritten, [*not_convertible, *(Note("dtype", note) for note in writer.notes)])

    def _rewriter(self, opened: OpenFile, actions: Mapping[int, Action]) -> Rewriter:
        types, run = self._plan.norm_types, self._run
        return Rewriter(opened.portable, None, -1, "", actions, types, run.workers, run.progress)

    def _copy(self, path: str, target: str) -> None:
        """Copy a file unchanged."""
        with InputFile(path) as file:
            staged = self._outputs.stage(target)
            copy_at(file, 0, staged.fd, 0, file.size, target)
            file.check_unchanged()
            self._outputs.complete(staged)


def _actions(decided: Sequence[DumpDecisions]) -> dict[int, Action]:
    return {index: action for one in decided for index, action in one.actions.items()}


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
    kept = f"{output}: left out, since its format cannot hold it:"
    return [Note("not-convertible", f"{kept} {'; '.join(found)}")] if (found := reader.not_convertible()) else []
