"""Take the dumps of some training steps only, by the steps that reports name."""

from collections.abc import Sequence

from gradclip_cli.errors import UsageError
from gradclip_cli.formats.sharing import one_call
from gradclip_cli.inputs.captured import is_captured
from gradclip_cli.inputs.headers import header_of
from gradclip_cli.inputs.layouts.series import step_groups
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.inputs.steps import step_in_metadata, step_named
from gradclip_cli.inputs.wanted_steps import WantedSteps, listed
from gradclip_cli.notes import Note
from gradclip_cli.storage.streams import STANDARD
from gradclip_cli.text import printable


def of_steps(
    sources: Sequence[DumpSource], wanted: WantedSteps, whole_files: bool
) -> tuple[list[DumpSource], list[Note]]:
    """Return the dumps with a step that is wanted, and a note on those without any; a file may hold several steps.

    Headers are read, since a file may say another step than its name. Raise UsageError if none is taken, or if only some
    steps of a file are and `whole_files` are needed.
    """
    with one_call():
        steps = [_reported(source) for source in sources]
    taken, notes = list[DumpSource](), list[Note]()
    for source, own in zip(sources, steps, strict=True):
        inside = [wanted.takes(step) for step in own]
        if whole_files and any(inside) and not all(inside):
            raise _partly(source, own, inside)
        if any(inside):
            taken.append(source)
        elif own == [None]:
            what = "has no step, so --steps leaves it out; give it by itself to take it"
            notes.append(Note("no-step", f"{source.location}: {what}", changes_figures=True))
    if not taken:
        raise wanted.refusal(_named(sources), [step for own in steps for step in own])
    return taken, notes


def _named(sources: Sequence[DumpSource]) -> str:
    if len(sources) > 1:
        return f"the {len(sources):,} dumps"
    return "standard input" if sources[0].location == STANDARD else printable(sources[0].location)


def _partly(source: DumpSource, steps: Sequence[int | None], inside: Sequence[bool]) -> UsageError:
    known = [step for step in steps if step is not None]
    first = next(step for step, taken in zip(steps, inside, strict=True) if taken)
    what = f"{printable(source.location)} holds steps {listed(known)}, and this command takes whole files"
    return UsageError(f"{what}; leave out --steps, or choose tensors: --include '*{first}/*'")


def _reported(source: DumpSource) -> list[int | None]:
    """Return the steps that reports name for a dump: those of the groups in a file, what it says of itself, or its name's."""
    header = header_of(source.files[0])
    if header is None:  # standard input, or what cannot be read, which is said when it is
        return [source.step]
    if groups := step_groups(header.names).groups:
        return [step_named(group) for group in groups]
    own = step_in_metadata(header.metadata)
    trusted = source.step is None or (source.name is None and is_captured(header.metadata))
    return [own if trusted and own is not None else source.step]
