"""Read dumps with a file for each parameter, with one tensor in it: all files of a folder, or those that are given."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gradclip_cli.errors import InputError
from gradclip_cli.inputs.headers import header_of
from gradclip_cli.inputs.kinds import is_gradient
from gradclip_cli.inputs.layouts.numbered import Numbered, holders
from gradclip_cli.inputs.layouts.single import Single, single
from gradclip_cli.inputs.listing import dump_files, is_folder, may_be_read
from gradclip_cli.inputs.name_numbers import apart, differ_in_one
from gradclip_cli.inputs.source import DumpOutput, DumpSource, FoundDump
from gradclip_cli.inputs.steps import step_in, step_in_metadata, step_of
from gradclip_cli.notes import Note
from gradclip_cli.storage.fingerprint import changed
from gradclip_cli.storage.location_names import real
from gradclip_cli.text import plain, plural, printable, shortlist

KEY = "gradient"
"""The name of the one tensor in each file that tells parameters without a doubt."""
_MOST_DAMAGED = 3
_FIRST_ROWS = r"_first(\d+)$"
_KINDS = r"(?i)grads?|gradients?|model|optim(?:izer)?|scheduler|scaler|ema|latest|last|final|best|checkpoint|ckpt"
"""The names of kinds of files, which stand for no parameter: a pattern, compiled on its first use."""


class ParamFiles(Single):
    """Files of one parameter each; with `first_rows`, their names end in `_first4` or the like."""

    single = False

    def __init__(self, first_rows: bool = False) -> None:
        self.first_rows = first_rows

    def tensor_names(self, file: str, names: Sequence[str]) -> Sequence[str]:
        """Return the name of the parameter in a file: that of the file, or the tensor's if that only has other separators."""
        return [name if self.is_own(file, name) else self._stem(file) for name in names]

    def check(self, source: DumpSource, names: Sequence[Sequence[str]]) -> None:
        """Raise InputError if a file holds anything but its parameter, or if two files are of one parameter."""
        self.check_unchanged(source)
        key = next((tensors[0] for tensors in names if len(tensors) == 1), KEY)
        for file, tensors in zip(source.files, names, strict=True):
            if len(tensors) != 1 or (tensors[0] != key and not self.is_own(file, tensors[0])):
                message = (
                    f"holds {shortlist(list(tensors), 4) or 'nothing'}; in this folder each file holds one {key!r}"
                )
                raise InputError(message, path=file)
        holders(source, [self.tensor_names(file, tensors) for file, tensors in zip(source.files, names, strict=True)])

    def is_own(self, file: str, name: str) -> bool:
        """Whether a tensor is called like its file, but for separators."""
        return name != KEY and _reduced(name) == _reduced(self._stem(file))

    def _stem(self, file: str) -> str:
        stem = stem_of(file)
        return re.sub(_FIRST_ROWS, "", stem) if self.first_rows else stem


class Params(ParamFiles):
    """All files of a folder."""

    def output_files(self, source: DumpSource, location: str) -> DumpOutput:
        """Return targets in the folder `location`; the files keep their names."""
        return DumpOutput(location, tuple(os.path.join(location, os.path.basename(file)) for file in source.files))

    def output_names(self, source: DumpSource) -> tuple[str, ...]:
        """Return the real path of the folder, so that it keeps its name even if it was given as `.`."""
        return (real(source.location),)

    def check_unchanged(self, source: DumpSource) -> None:
        """Raise InputError if files were added or removed since the folder was listed."""
        if tuple(dump_files(source.location)) != source.files:
            raise changed(source.location)


class GivenParams(ParamFiles, Numbered):
    """Files that were given by themselves: there may be others in their folder."""


class ParamsFinder:
    """Takes every folder among the paths: all other folders were replaced by their files before.

    Several files of one folder without steps in their names are parameters if each holds one tensor that is called
    `gradient`, or like its file, or of which only the first rows were saved.
    """

    endings: tuple[str, ...] = ()

    def find(self, paths: Sequence[str]) -> Iterator[FoundDump]:
        """Yield each folder once, and each group of files."""
        folders: dict[str, list[int]] = {}
        files: dict[str, list[int]] = {}
        for position, path in enumerate(paths):
            if is_folder(path):
                folders.setdefault(path, []).append(position)
            elif step_in(os.path.basename(path)).step is None:
                files.setdefault(os.path.dirname(path), []).append(position)
        for path, positions in folders.items():
            inside = tuple(dump_files(path))
            layout = Params(_first_rows(inside))
            yield FoundDump(DumpSource(path, inside, layout, step_of(path)), positions, _notes(path, inside))
        for positions in files.values():
            yield from _given(tuple(dict.fromkeys(paths[k] for k in positions)), positions)


def _given(group: tuple[str, ...], positions: Sequence[int]) -> Iterator[FoundDump]:
    """Yield files of one folder as one dump if they are parameters; if they only seem to be, yield the first with a note."""
    manner = _looked_into(group) if len(group) > 1 and not _are_numbered(group) else None
    if manner is None:
        return
    if manner.name != "same" or _first_rows(group):
        folder = os.path.dirname(group[0])
        source = DumpSource(group[0], group, GivenParams(_first_rows(group)), step_of(folder))
        yield FoundDump(source, positions, _notes(folder or os.curdir, group))
    elif len(manner.steps) == 1 and all("." in stem_of(path) for path in group):
        yield FoundDump(single(group[0]), positions[:1], _doubt(group, manner))


FINDER = ParamsFinder()


class Manner(NamedTuple):
    """How the files of a folder call their only tensors: `gradient`, `own` (like the file), or `same`."""

    name: str
    key: str = KEY
    steps: frozenset[int | None] = frozenset()  # what the files that were read say of themselves


def is_by_param(paths: Sequence[str]) -> bool:
    """Whether the files of a folder hold one parameter each."""
    return manner_of(paths) is not None


def manner_of(paths: Sequence[str]) -> Manner | None:
    """Return how files call their parameters, judged by their names and the headers of three of them; None if they hold none.

    Files whose names have a step, or differ in one number only, or that say different steps of themselves, are steps, unless
    their only tensor is called `gradient` or like the file. A file alone is a dump, unless its only tensor is called `gradient`.
    """
    found = _looked_into(paths) if paths else None
    if found is None:  # the first file may be damaged
        return Manner("gradient") if KEY in map(_key_of, paths[1:_MOST_DAMAGED]) else None
    if found.name == "gradient" or (found.name == "own" and len(paths) > 1):
        return found
    names = list(map(os.path.basename, paths))
    kinds = any(re.fullmatch(_KINDS, stem_of(name)) for name in names) or len(set(map(is_gradient, names))) > 1
    steps = len(found.steps) > 1 or any(step_in(name).step is not None for name in names)
    return None if len(paths) < 2 or kinds or steps or _are_numbered(paths) else found


def manner_notes(folder: str, paths: Sequence[str], manner: Manner) -> list[Note]:
    """Note that files are taken for parameters only since they call their tensors alike, though names may be those of steps."""
    doubtful = manner.name == "same" or (_are_numbered(paths) and step_in(os.path.basename(paths[0])).step is None)
    if manner.name == "own" or not doubtful or _first_rows(paths):
        return []
    what = f"is one dump, a parameter in each file, since each holds one tensor, called {printable(manner.key)}"
    return [
        Note("params", f"{folder}: {what}; give the files themselves to take each for a dump", changes_figures=True)
    ]


def folder_below(folders: Sequence[str]) -> str | None:
    """Return the only folder that holds dumps, if its files are parameters, as in `step100/sampled_gradients`."""
    found = [(path, files) for path in folders if may_be_read(path) and (files := dump_files(path))]
    return found[0][0] if len(found) == 1 and is_by_param(found[0][1]) else None


def stem_of(path: str) -> str:
    """Return the name of a file without its ending.

    >>> stem_of("step100/lstm.weight_ih_l0.safetensors")
    'lstm.weight_ih_l0'
    """
    return os.path.splitext(os.path.basename(path))[0]


def _looked_into(paths: Sequence[str]) -> Manner | None:
    """Return how files call their only tensors; None for anything else.

    The first file tells `gradient`; otherwise the one in the middle and the last are read, too.
    """
    first = header_of(paths[0], most=1)
    if first is None or len(first.names) != 1 or first.names[0] == KEY:
        return None if first is None or len(first.names) != 1 else Manner("gradient")
    headers = {path: header_of(path, most=1) for path in dict.fromkeys([paths[len(paths) // 2], paths[-1]])}
    headers[paths[0]] = first
    keys = {path: header.names[0] for path, header in headers.items() if header and len(header.names) == 1}
    if len(keys) < len(headers):
        return None
    layout = ParamFiles(_first_rows(paths))
    if all(layout.is_own(path, key) for path, key in keys.items()):
        return Manner("own")
    steps = frozenset(step_in_metadata(header.metadata) for header in headers.values() if header)
    return Manner("same", first.names[0], steps) if len(set(keys.values())) == 1 else None


def _key_of(path: str) -> str | None:
    """Return the name of the only tensor in a file; None if there are others."""
    header = header_of(path, most=1)
    return header.names[0] if header is not None and len(header.names) == 1 else None


def _are_numbered(paths: Sequence[str]) -> bool:
    """Whether names differ in one number only, of a step or of a rank; one may be without it, as `adapters` of `100_adapters`."""
    split = [apart(os.path.basename(path)) for path in paths]
    most = max(map(len, split))
    numbered = [parts for parts in split if len(parts) == most]
    word = _reduced("".join(numbered[0][::2]))
    alike = all(_reduced("".join(parts[::2])) == word for parts in split if len(parts) < most)
    return alike and differ_in_one(numbered)


def _reduced(name: str) -> str:
    """Reduce a name to what writers of files do not change in it."""
    return "".join(character for character in plain(name) if character.isalnum())


def _first_rows(files: Sequence[str]) -> bool:
    return bool(files) and all(re.search(_FIRST_ROWS, stem_of(path)) for path in files)


def _doubt(paths: Sequence[str], manner: Manner) -> list[Note]:
    """Note files that are taken for dumps, though they are called as parameters are."""
    what = f"is taken for a dump, as are {len(paths) - 1:,} more, though each holds one tensor, called {printable(manner.key)}"
    text = f"{paths[0]}: {what}; give their folder to take them for the parameters of one"
    return [Note("dumps-or-params", text, changes_figures=True)]


def _notes(folder: str, files: Sequence[str]) -> list[Note]:
    """Note that files hold only the first rows of their tensors, if their names say so."""
    found = [match for path in files if (match := re.search(_FIRST_ROWS, stem_of(path)))]
    if not found:
        return []
    of = "each tensor" if len(found) == len(files) else f"{len(found)} of {plural(len(files), 'tensor')}"
    what = f"only the first {found[0][1]} rows of {of} were saved ({found[0][0]}), so norms are not those of the run"
    return [Note("first-rows", f"{folder}: {what}; save the whole gradients for those", changes_figures=True)]
