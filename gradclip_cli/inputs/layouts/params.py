"""Read folders that are one dump: a file for each parameter, with one tensor called `gradient`."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.layouts.single import Single
from gradclip_cli.inputs.listing import dump_files, is_folder
from gradclip_cli.inputs.source import DumpOutput, DumpSource, FoundDump
from gradclip_cli.inputs.steps import step_of
from gradclip_cli.storage.fingerprint import changed
from gradclip_cli.text import shortlist

KEY = "gradient"
"""The name of the one tensor in each file; in the dump, the tensor has the name of its file."""


_MOST_DAMAGED = 3


class Params(Single):
    """A folder whose files are parameters."""

    single = False

    def tensor_names(self, file: str, names: Sequence[str]) -> Sequence[str]:
        """Return the file's name without its ending, as the name of its tensor."""
        return [param_of(file)] * len(names)

    def output_files(self, source: DumpSource, location: str) -> DumpOutput:
        """Return targets in the folder `location`; the files keep their names."""
        return DumpOutput(location, tuple(os.path.join(location, os.path.basename(file)) for file in source.files))

    def output_names(self, source: DumpSource) -> tuple[str, ...]:
        """Return the real path of the folder, so that it keeps its name even if it was given as `.`."""
        return (os.path.realpath(source.location),)

    def check(self, source: DumpSource, names: Sequence[Sequence[str]]) -> None:
        """Raise InputError if a file holds anything but its parameter, or if two files are of one parameter."""
        self.check_unchanged(source)
        holders: dict[str, str] = {}
        for file, tensors in zip(source.files, names, strict=True):
            param = param_of(file)
            if list(tensors) != [KEY]:
                message = f"holds {shortlist(list(tensors), 4)}; in this folder each file holds one {KEY!r}"
                raise InputError(message, path=file)
            if param in holders:
                raise InputError(f"stands in {os.path.basename(holders[param])} too", path=file, tensor=param)
            holders[param] = file

    def check_unchanged(self, source: DumpSource) -> None:
        """Raise InputError if files were added or removed since the folder was listed."""
        if tuple(dump_files(source.location)) != source.files:
            raise changed(source.location)


class ParamsFinder:
    """Takes every folder among the paths: all other folders were replaced by their files before."""

    endings: tuple[str, ...] = ()

    def find(self, paths: Sequence[str]) -> Iterator[FoundDump]:
        """Yield each folder once."""
        positions: dict[str, list[int]] = {}
        for position, path in enumerate(paths):
            if is_folder(path):
                positions.setdefault(path, []).append(position)
        for path, places in positions.items():
            yield FoundDump(DumpSource(path, tuple(dump_files(path)), PARAMS, step_of(path)), places)


PARAMS = Params()
FINDER = ParamsFinder()


def is_by_param(paths: Sequence[str]) -> bool:
    """Whether files hold one parameter each, judged by the first of them that can be read."""
    from gradclip_cli.inputs.opened import tensor_names

    for path in paths[:_MOST_DAMAGED]:
        with suppress(InputError):
            return tensor_names(path, most=1) == [KEY]
    return False


def param_of(path: str) -> str:
    """Return the name of the parameter in a file.

    >>> param_of("step100/lstm.weight_ih_l0.safetensors")
    'lstm.weight_ih_l0'
    """
    return os.path.splitext(os.path.basename(path))[0]
