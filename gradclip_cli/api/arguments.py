"""Check the arguments of the public functions against their annotations, and convert them.

An argument of the wrong type raises UsageError. mypy reads the same annotations, so there is no second list of types.
"""

import os
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from inspect import Parameter, signature
from numbers import Integral, Real
from typing import Any, ParamSpec, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints, runtime_checkable

import numpy as np

from gradclip_cli.engine.executors.progress import Crew, silent
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.loss_scale import parse_unscale
from gradclip_cli.inputs.naming import Naming
from gradclip_cli.inputs.norm_logs.base import LOG
from gradclip_cli.inputs.selection import Selection, replicated_in
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.inputs.wanted_steps import parse_steps
from gradclip_cli.storage.location_names import given as location
from gradclip_cli.storage.wildcards import matching
from gradclip_cli.strategies import Strategy, find

Path = str | os.PathLike[str]
Paths = Path | Iterable[Path]


@runtime_checkable
class Progress(Protocol):
    """An object that a call informs of its progress.

    One that is callable as `advance` is, and has a method `workers`, is also told how many workers of a cluster there are.
    """

    def start(self, dumps: int, files: Iterable[str], passes: int) -> None:
        """Note that `dumps` dumps are about to be read, from these files, each `passes` times."""

    def advance(self, count: int, path: str) -> None:
        """Note that `count` more bytes of a file have been read; called from any thread."""


@runtime_checkable
class Client(Protocol):
    """A `distributed.Client`: the scheduler of a cluster, to which it is connected."""

    def submit(self, *given: Any, **keywords: Any) -> Any:
        """Send work to the cluster."""

    def nthreads(self) -> Any:
        """Return the threads of each worker."""


def begin(progress: Progress | None, dumps: Sequence[DumpSource], passes: int) -> Callable[[int, str], None]:
    """Announce the files to be read, and return the function to call with the bytes read and the path of their file."""
    if progress is None:
        return silent
    progress.start(len(dumps), (file for dump in dumps for file in dump.files), passes)
    return progress if isinstance(progress, Crew) else progress.advance


def paths_of(inputs: Paths) -> list[str]:
    """Return one path or several as a list of strings; URLs with wildcards become those that they stand for."""
    given = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    return [one for path in given for one in matching(location(path))]


def path_of(given: Path) -> str:
    """Return the path of an argument that takes one; raise UsageError for a URL with wildcards that stands for several."""
    found = matching(location(given))
    if len(found) > 1:
        raise UsageError(
            f"{location(given)} stands for {len(found):,} files and folders; name one, or the folder of all"
        )
    return found[0]


def strategy_of(given: str | Strategy) -> Strategy:
    """Return a strategy that is given itself or by its name."""
    return find(given) if isinstance(given, str) else given


def selection_of(asked: Mapping[str, Any], pieces: Iterable[DumpSource], *, or_logs: bool = False) -> Selection:
    """Return what the keywords of a function say of how dumps are read, and which of their tensors count.

    `pieces` are the dumps that `replicated` may be about. A function that takes dumps `or_logs` may be told the format of logs.
    """
    format = asked["input_format"]
    return Selection(
        tuple(asked["include"]),
        tuple(asked["exclude"]),
        Naming.parse(asked["layer_regex"], asked["group_depth"]),
        None if or_logs and format == LOG else format,
        asked["void_dtype"],
        asked["allow_huge"],
        along=asked.get("along"),
        unscale=parse_unscale(asked["unscale"]),
        replicated=replicated_in(pieces, asked["replicated"]),
        tied=asked.get("tied", Selection.tied),
        steps=parse_steps(asked["steps"]),
    )


P = ParamSpec("P")
T = TypeVar("T")

_WORDS: Mapping[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "a text",
    type(None): "None",
    os.PathLike: "a path",
}
_NUMBERS: Mapping[Any, type] = {int: Integral, float: Real}
_BOOLS = (bool, np.bool_)


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """Wrap a function to raise UsageError for an argument whose type is not the annotated one.

    Iterables become tuples, so that they can be iterated more than once.
    """
    parameters = signature(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        hints = get_type_hints(function)
        try:
            given = parameters.bind(*args, **kwargs)
        except TypeError as error:  # an unknown keyword, or too many or too few arguments
            raise UsageError(f"{function.__name__}: {error}") from None
        for name, value in given.arguments.items():
            given.arguments[name] = (
                _keywords(function.__name__, value, hints[name])
                if parameters.parameters[name].kind is Parameter.VAR_KEYWORD
                else _converted(name, value, hints[name])
            )
        return function(*given.args, **given.kwargs)

    return call


def _keywords(function: str, values: Mapping[str, Any], hint: Any) -> dict[str, Any]:
    """Convert the keywords of a function that takes those of a TypedDict; raise UsageError for any other."""
    hints = get_type_hints(get_args(hint)[0])
    if unknown := [name for name in values if name not in hints]:
        raise UsageError(f"{function}: got an unexpected keyword argument {unknown[0]!r}")
    return {name: _converted(name, value, hints[name]) for name, value in values.items()}


def _converted(name: str, value: Any, hint: Any) -> Any:
    """Return the converted value of an argument; raise UsageError where its type or its range does not fit."""
    kinds = _kinds(hint)
    several = any(get_origin(kind) in (Iterable, Sequence) for kind in kinds)
    if several and isinstance(value, Iterable) and not isinstance(value, str | Mapping | os.PathLike):
        value = tuple(value)
    if not _fits(value, hint):
        raise UsageError(f"{name} must be {_described(hint)}, not of type {type(value).__name__}")
    if isinstance(value, Integral) and int in kinds and abs(int(value)) > sys.maxsize:
        raise UsageError(f"{name} must be a whole number of at most {sys.maxsize}")
    return _as_float(name, value) if float in kinds and isinstance(value, Real) else value


def _as_float(name: str, value: Real) -> float:
    """Convert a number to float, since arithmetic with a narrow numpy type gives other results."""
    try:
        return float(value)
    except OverflowError:
        raise UsageError(f"{name} is beyond float64") from None


def _kinds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (types.UnionType, Union) else (hint,)


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a value is of an annotated type; numpy's numbers count as numbers, booleans do not."""
    kinds = _kinds(hint)
    if len(kinds) > 1:
        return any(_fits(value, kind) for kind in kinds)
    if get_args(hint):
        return _fits_generic(value, get_origin(hint), get_args(hint))
    if hint in _NUMBERS:
        return isinstance(value, _NUMBERS[hint]) and not isinstance(value, _BOOLS)
    return isinstance(value, hint)


def _fits_generic(value: Any, kind: Any, inner: tuple[Any, ...]) -> bool:
    """Return whether a value is of the generic type `kind`, and its items are of the types `inner`."""
    if kind is os.PathLike:
        return isinstance(value, os.PathLike) and isinstance(os.fspath(value), str)
    if kind is Mapping:
        return isinstance(value, Mapping) and all(_fits_generic(pair, tuple, inner) for pair in value.items())
    if not isinstance(value, tuple | list):
        return False
    return all(_fits(item, inner[0]) for item in value) if kind in (Iterable, Sequence) else _fits_each(value, inner)


def _fits_each(values: Any, hints: tuple[Any, ...]) -> bool:
    return len(values) == len(hints) and all(map(_fits, values, hints))


def _described(hint: Any) -> str:
    """Describe an annotation in words, for an error message."""
    words = [_word(kind) for kind in _kinds(hint)]
    return " or ".join([", ".join(words[:-1]), words[-1]]) if words[1:] else words[0]


def _word(kind: Any) -> str:
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin in (Iterable, Sequence):
        return f"a list of which each item is {_described(inner[0])}"
    if origin is Mapping:
        return f"a mapping from {_described(inner[0])} to {_described(inner[1])}"
    if origin is tuple:
        return f"({', '.join(map(_described, inner))})"
    return _WORDS.get(origin, getattr(origin, "__name__", str(origin)))
