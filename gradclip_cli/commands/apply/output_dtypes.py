"""Choose the dtypes of the tensors in an output: those of the input, the one that was asked for, or what a format has instead.

Also say what the format of an output cannot hold.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from gradclip_cli.commands.apply.plan import KEEP, ApplyPlan, Writing
from gradclip_cli.errors import OutputError
from gradclip_cli.formats.base import Format, Reader
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.notes import Note
from gradclip_cli.numerics.dtypes import DType, named
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import plural, shortlist


def output_type(plan: ApplyPlan | Writing) -> DType | None:
    """Return the dtype in which all gradients are written; None if each keeps its own."""
    return None if plan.output_dtype in (None, KEEP) else named(plan.output_dtype or "")


def is_converted(spec: TensorSpec, to: DType | None) -> bool:
    """Return whether a gradient is written in another dtype than its own; complex ones never are."""
    return to is not None and spec.dtype.is_float and spec.dtype.name != to.name


def targets(
    tensors: Sequence[TensorSpec], changed: Collection[int], plan: ApplyPlan | Writing, format: Format, found: Format
) -> Sequence[TensorSpec]:
    """Return the tensors as they are written to a file of `format`, read from one of `found`; `tensors` itself if all stay.

    `changed` holds the indices of all that are converted, and maybe of others. What no norm counts keeps its dtype.
    """
    to = output_type(plan)
    new = {k: to for k in changed if is_converted(tensors[k], to)} if to is not None else {}
    if plan.output_dtype is None and format is not found:
        stand_ins = format.stand_ins
        new |= {k: stand_ins[spec.dtype.name] for k, spec in enumerate(tensors) if spec.dtype.name in stand_ins}
    if not new:
        return tensors
    return [replace(spec, dtype=new[k]) if k in new else spec for k, spec in enumerate(tensors)]


def stand_in_notes(
    tensors: Sequence[TensorSpec], written: Sequence[TensorSpec], format: Format, plan: Writing, path: str
) -> list[Note]:
    """Note the dtypes that a format lacks, and what their tensors became."""
    if written is tensors or plan.output_dtype is not None:
        return []
    return [
        Note("dtype", f"{path}: {_became(format, name, to, count)}", count)
        for name, to in format.stand_ins.items()
        if (count := sum(spec.dtype.name == name for spec in tensors))
    ]


def _became(format: Format, name: str, to: DType, count: int) -> str:
    same = f"became {to.name}, which holds the same numbers"
    return f"{format.name} has no {name}, so {plural(count, 'tensor')} {same}; --output-dtype keep writes |V2"


def check_in_place(reader: Reader, path: str) -> None:
    """Raise OutputError where a new file in place of the input would lack what that holds besides tensors."""
    if found := reader.not_convertible():
        message = f"would lose in place, as its dtypes change: {'; '.join(found)}; give -o another file"
        raise OutputError(message, path=path)


def check_convertible(reader: Reader, output: str, selection: Selection) -> None:
    """Raise OutputError for selected entries of pickled objects, which may be gradients."""
    for name in reader.pickled:
        if selection.takes(name):
            message = (
                "holds pickled objects, which are never loaded and cannot be converted; leave it out with --exclude"
            )
            raise OutputError(message, path=output, tensor=name)


def not_convertible_notes(reader: Reader, output: str) -> list[Note]:
    """Note what the format of the output cannot hold."""
    kept, notes = f"{output}: left out, since its format cannot hold it:", list[Note]()
    if found := reader.not_convertible():
        notes.append(Note("not-convertible", f"{kept} {'; '.join(found)}"))
    if marked := [spec.name for spec in reader.tensors if spec.role is not None]:
        what = f"its format cannot mark what is no gradient, so {shortlist(marked, 4)} count there as gradients"
        notes.append(Note("marks-lost", f"{output}: {what}", len(marked), changes_figures=True))
    return notes
