"""Check the arguments of public functions against their annotations: a wrong type is wrong usage, and no traceback.

mypy sees the same annotations, so there is no second list of types.
"""

import os
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from inspect import signature
from numbers import Integral, Real
from typing import Any, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from gradclip_cli.errors import UsageError

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
    """Make a function raise UsageError for an argument whose type is not the annotated one.

    An iterable becomes a tuple, so that it can be read more than once.
    """
    parameters = signature(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        hints = get_type_hints(function)
        try:
            given = parameters.bind(*args, **kwargs)
        except TypeError as error:  # a name that no argument has, or one argument too many or too few
            raise UsageError(f"{function.__name__}: {error}") from None
        for name, value in given.arguments.items():
            given.arguments[name] = _taken(name, value, hints[name])
        return function(*given.args, **given.kwargs)

    return call


def _taken(name: str, value: Any, hint: Any) -> Any:
    """Return the value of an argument; raise UsageError where its type is none of the annotated ones."""
    kinds = _kinds(hint)
    several = any(get_origin(kind) in (Iterable, Sequence) for kind in kinds)
    if several and isinstance(value, Iterable) and not isinstance(value, str | Mapping | os.PathLike):
        value = tuple(value)
    if not _fits(value, hint):
        raise UsageError(f"{name} must be {_described(hint)}, not of type {type(value).__name__}")
    if isinstance(value, Integral) and int in kinds and abs(int(value)) > sys.maxsize:
        raise UsageError(f"{name} must be a whole number of at most {sys.maxsize}")
    return _own(name, value) if float in kinds and isinstance(value, Real) else value


def _own(name: str, value: Real) -> float:
    """Return a number as Python's own float, so that a narrow one of numpy counts no other way."""
    try:
        return float(value)
    except OverflowError:
        raise UsageError(f"{name} is beyond float64") from None


def _kinds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (types.UnionType, Union) else (hint,)


def _fits(value: Any, hint: Any) -> bool:
    """Tell whether a value is of an annotated type; numpy's numbers are numbers, and truth values are none."""
    kinds = _kinds(hint)
    if len(kinds) > 1:
        return any(_fits(value, kind) for kind in kinds)
    if get_args(hint):
        return _holds(value, get_origin(hint), get_args(hint))
    if hint in _NUMBERS:
        return isinstance(value, _NUMBERS[hint]) and not isinstance(value, _BOOLS)
    return isinstance(value, hint)


def _holds(value: Any, kind: Any, inner: tuple[Any, ...]) -> bool:
    """Tell whether a value is of a generic type, and what it holds is of the types `inner`."""
    if kind is os.PathLike:
        return isinstance(value, os.PathLike) and isinstance(os.fspath(value), str)
    if kind is Mapping:
        return isinstance(value, Mapping) and all(_holds(pair, tuple, inner) for pair in value.items())
    if not isinstance(value, tuple | list):
        return False
    return all(_fits(item, inner[0]) for item in value) if kind in (Iterable, Sequence) else _fits_each(value, inner)


def _fits_each(values: Any, hints: tuple[Any, ...]) -> bool:
    return len(values) == len(hints) and all(map(_fits, values, hints))


def _described(hint: Any) -> str:
    """Write an annotation in words."""
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
