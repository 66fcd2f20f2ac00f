"""Choose where the outputs of `apply` go, and their names."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence

from gradclip_cli.errors import OutputError, UsageError
from gradclip_cli.formats import by_suffix, suffixes
from gradclip_cli.inputs.listing import is_folder, is_step_folder
from gradclip_cli.inputs.source import DumpOutput, DumpSource
from gradclip_cli.inputs.steps import is_part
from gradclip_cli.storage import locations
from gradclip_cli.storage.location_names import absolute, real, without_query
from gradclip_cli.storage.streams import STANDARD, is_stream, stream_name
from gradclip_cli.text import printable

_NAMELESS = "standard input has no name to be written under; apply to it alone, with -o FILE"


def into_folder(inputs: Sequence[str], found: Sequence[DumpSource], output_format: str | None = None) -> bool:
    """Return whether outputs go into a directory: for several dumps, a directory (in `inputs` as given) or a dump in shards."""
    sharded = not all(source.layout.single for source in found)
    if sharded and output_format not in (None, "safetensors"):
        raise UsageError("a dump in shards keeps its format; leave out --output-format")
    several = len(found) > 1 or (len(inputs) > 1 and not found[0].layout.accumulate)
    return sharded or several or is_folder(inputs[0])


def outputs_for(
    sources: Sequence[DumpSource],
    output: str | None,
    *,
    in_place: bool,
    dry_run: bool,
    directory: bool,
    output_format: str | None = None,
) -> tuple[DumpOutput | None, ...]:
    """Return the output of each dump; `-` is standard output. A dry run has none, but its options are looked at, too.

    Raise UsageError where options disagree, or where the name of a single output says no format and `output_format` is None.
    """
    piped = any(STANDARD in source.files for source in sources)
    if piped and in_place:
        raise UsageError("standard input cannot be replaced; give -o OUTPUT rather than --in-place")
    if in_place and any(source.layout.accumulate for source in sources):
        raise UsageError("--accumulate makes one file of several, so none of them can be replaced; give -o OUTPUT")
    if (in_place and output is not None) or not (in_place or dry_run or output is not None):
        raise UsageError("give either -o OUTPUT, --in-place or --dry-run")
    if output is not None:
        locations.check_writable(output)
    found = _outputs(sources, output, piped=piped, directory=directory) if in_place or output is not None else ()
    if output is not None and not directory and not output_format and not locations.takes_outputs(output):
        _check_suffix(sources[0], stream_name(output, 1))
    return (None,) * len(sources) if dry_run else found


def _outputs(
    sources: Sequence[DumpSource], output: str | None, *, piped: bool, directory: bool
) -> tuple[DumpOutput, ...]:
    """Name the output of each dump; each replaces its input where `output` is None."""
    if output is None:
        _check_distinct([real(file) for source in sources for file in source.files])
        return tuple(map(_in_place, sources))
    if not directory:
        return (sources[0].layout.output_files(sources[0], _file(sources[0], stream_name(output, 1), piped)),)
    found = _into_directory(sources, output, piped)
    _check_inputs(sources, found)
    return found


def _file(source: DumpSource, output: str, piped: bool) -> str:
    """Return the file that a dump is written to: `output`, or a file of the input's name in the directory `output`."""
    if output == STANDARD or not locations.takes_outputs(output):
        return output
    if piped:
        raise UsageError(_NAMELESS)
    return os.path.join(output, _kept_names([source])[0])


def _check_suffix(source: DumpSource, output: str) -> None:
    """Raise UsageError if a file name says no format, unless it is that of the input or of a directory."""
    if by_suffix(output) or is_stream(output) or output in source.files or output.endswith(os.sep) or not output:
        return
    suffix = os.path.splitext(output)[1]
    what = f"{printable(suffix)} is the suffix of no format" if suffix else "no suffix tells the format"
    ways = f"end the name in {', '.join(suffixes())}, or give --output-format"
    raise UsageError(f"-o {printable(output)}: {what}; {ways}")


def _into_directory(sources: Sequence[DumpSource], output: str, piped: bool) -> tuple[DumpOutput, ...]:
    if stream_name(output, 1) == STANDARD:
        raise UsageError("standard output takes one dump in one file; give -o DIRECTORY for several, or for shards")
    if piped:
        raise UsageError(_NAMELESS)
    if (format := by_suffix(output)) is not None and not locations.takes_outputs(output):
        what = f"-o {printable(output)} would be a directory, for several files; give a name that does not end"
        raise UsageError(f"{what} like {format.name}")
    return _in_folder(sources, output)


def _check_inputs(sources: Sequence[DumpSource], outputs: Sequence[DumpOutput]) -> None:
    """Raise UsageError if an output leads, by a link, to the file of another input."""
    own = {real(file): file for source in sources for file in source.files}
    for source, output in zip(sources, outputs, strict=True):
        for file, target in zip(source.files, output.files, strict=False):
            replaced = own.get(real(target)) if locations.is_remote(target) or locations.exists(target) else None
            if replaced not in (None, file):
                what = f"the output {printable(target)} leads to the input {printable(str(replaced))}"
                raise UsageError(f"{what}, which it would replace; write to another directory")


def check_new(sources: Sequence[DumpSource], targets: Iterable[str]) -> None:
    """Raise OutputError if an output is an input itself, where nothing was asked to be replaced."""
    own = {real(file) for source in sources for file in source.files}
    for target in targets:
        if (locations.is_remote(target) or locations.exists(target)) and real(target) in own:
            raise OutputError("is the input itself; write elsewhere, or give --in-place to replace it", path=target)


def check_kept(weights: Sequence[DumpSource], targets: Iterable[str]) -> None:
    """Raise OutputError if an output would replace weights, whatever was asked to be replaced."""
    read = {real(file) for source in weights for file in source.files}
    for target in targets if read else ():
        if real(target) in read:
            raise OutputError("is among the weights, which are only read; write elsewhere", path=target)


def _in_place(source: DumpSource) -> DumpOutput:
    return DumpOutput(source.location, source.files, source.layout.companions(source))


def _in_folder(sources: Sequence[DumpSource], folder: str) -> tuple[DumpOutput, ...]:
    """Name the outputs in a directory; where the only dump is a directory, `folder` itself is its output."""
    if len(sources) == 1 and is_folder(sources[0].location):
        return (sources[0].layout.output_files(sources[0], folder),)
    return tuple(
        source.layout.output_files(source, os.path.join(folder, name))
        for source, name in zip(sources, _kept_names(sources), strict=True)
    )


def _kept_names(sources: Sequence[DumpSource]) -> list[str]:
    """Name outputs after their inputs, together with the folders of their steps or ranks where names alone are not distinct."""
    kept = [[absolute(without_query(path)) for path in source.layout.output_names(source)] for source in sources]
    names = [[os.path.basename(path) for path in paths] for paths in kept]
    if not _are_distinct(names):
        longer = [[_below_step(path) for path in paths] for paths in kept]
        names = names if any(None in paths for paths in longer) else [[str(path) for path in paths] for paths in longer]
    _check_distinct([name for paths in names for name in paths])
    return [paths[-1] for paths in names]


def _below_step(path: str) -> str | None:
    """Return a path from the folder of its step or rank on, which is at most three folders above it; None if there is none.

    >>> _below_step("/run/step7/g.npz"), _below_step("/run/step7/x/g.npz"), _below_step("/run/g.npz")
    ('step7/g.npz', 'step7/x/g.npz', None)
    >>> _below_step("/run/rank0/step7/g.npz"), _below_step("/run/step7/rank0/g.npz"), _below_step("/run/rank0/step7.npz")
    ('rank0/step7/g.npz', 'step7/rank0/g.npz', 'rank0/step7.npz')
    """
    parts = path.split(os.sep)
    found = (k for k in (4, 3, 2) if len(parts) > k and (is_step_folder(parts[-k]) or is_part(parts[-k])))
    return next((os.path.join(*parts[-k:]) for k in found), None)


def _are_distinct(names: Sequence[Sequence[str]]) -> bool:
    every = [name for paths in names for name in paths]
    return len(set(every)) == len(every)


def _check_distinct(keys: Sequence[str]) -> None:
    name, number = Counter(keys).most_common(1)[0]
    if number > 1:
        what = f"{number} inputs would be written to the same file {printable(name)!r}"
        raise UsageError(
            f"{what}; apply to each alone with an output of its own, or call their folders step_1, step_2 .."
        )
