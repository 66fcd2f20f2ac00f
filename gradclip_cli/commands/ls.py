"""`ls`: list the tensors of dumps from their headers."""

import math
from collections.abc import Sequence

from gradclip_cli.commands.plans import LsPlan
from gradclip_cli.engine.run import Run
from gradclip_cli.inputs.naming import natural
from gradclip_cli.inputs.opened import OpenDump, OpenFile
from gradclip_cli.inputs.selection import Selection, check_included
from gradclip_cli.inputs.uncounted import only_other
from gradclip_cli.notes import Note, merged
from gradclip_cli.reports.listing import LsReport, LsTensor
from gradclip_cli.text import shortlist


def ls(plan: LsPlan, run: Run) -> LsReport:
    """List the tensors of each file by itself, even where the files of a dump do not fit together.

    A tensor whose pieces say where they belong is listed once, with the first of its files.
    """
    report, names = LsReport([], {}, list(plan.notes)), list[str]()
    for source in plan.inputs:
        start = len(report.tensors)
        with run.open(source) as dump:
            for file in dump.each():
                _list(file, plan.selection, report)
            if dump.wholes:
                report.tensors[start:] = _joined(report.tensors[start:], dump)
            report.notes.extend(dump.notes)
            names += [spec.name for spec in dump.tensors] if plan.selection.has_names else []
    check_included(names, plan.selection)
    return report._replace(notes=merged(report.notes))


def _joined(rows: Sequence[LsTensor], dump: OpenDump) -> list[LsTensor]:
    """Return one row for each tensor that is put together from pieces, with its full shape and size."""
    firsts = {row.name: row for row in reversed(rows)}
    found = []
    for name, row in firsts.items():
        whole = dump.wholes[name]
        size = math.prod(whole.shape) * dump.tensors[whole.pieces[0].place].dtype.itemsize
        found.append(row._replace(shape=whole.shape, bytes=size))
    return sorted(found, key=lambda row: (natural(row.layer), natural(row.name)))


def _list(file: OpenFile, selection: Selection, report: LsReport) -> None:
    """Add the selected tensors of a file to the report, by layers in natural order."""
    places = selection.naming.places([spec.name for spec in file.tensors])
    taken = [pair for pair in zip(file.tensors, places, strict=True) if selection.takes(pair[0].name)]
    for spec, place in sorted(taken, key=lambda pair: natural(pair[1].layer)):
        report.tensors.append(LsTensor(file.path, spec.name, *place, spec.shape, spec.dtype.name, spec.nbytes))
        if spec.label is not None:
            report.labels[place.layer] = spec.label
    if names := only_other(file.reader):
        report.notes.append(Note("not-numbers", f"{file.path}: not numbers: {shortlist(names)}"))
