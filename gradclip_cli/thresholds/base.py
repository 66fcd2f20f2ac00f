"""Share what all rules need: their names and arguments, and the summary of the norms that they choose from."""

import math
from collections.abc import Sized
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, Self

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.text import real

Value = float | str
"""What a parameter of a rule is: a number or a word."""


class Parameter(NamedTuple):
    """A parameter of a rule, given by its name: a number within limits, or one of several words; None leaves it out."""

    name: str
    default: Value | None = None
    limits: tuple[float, float] = (0.0, math.inf)
    words: tuple[str, ...] = ()
    whole: bool = False

    def parse(self, text: str, rule: str) -> Value:
        """Return the value in `text`; raise UsageError, naming the rule, if it is none of this parameter."""
        if self.words:
            if text not in self.words:
                raise UsageError(f"{self.name} of the rule {rule} is one of {', '.join(self.words)}, not {text!r}")
            return text
        value, (low, high) = real(text), self.limits
        if value is None or not low <= value <= high or math.isinf(value) or (self.whole and value != int(value)):
            kind = "a whole number" if self.whole else "a number"
            raise UsageError(f"{self.name} of the rule {rule} is {kind} from {low:g} to {high:g}, not {text!r}")
        return value

    def __str__(self) -> str:
        return f"{self.name}={'|'.join(self.words) or ('N' if self.default is None else f'{self.default:g}')}"


FLAG = ("false", "true")
"""The words of a parameter that is set or not."""


@dataclass(frozen=True)
class Named:
    """A rule as a user writes it after `-t` or `--rule`, such as `percentile:90`; `str()` returns this text.

    A rule may have more parameters, by name behind the first one: `zclip:2.5,max=1`. `first` is the name of the first one,
    `named` holds those that a user gave. A `required` argument has no default.
    """

    name: str
    source: str
    argument: float | None = None
    limits: tuple[float, float] = (0.0, math.inf)
    first: str = ""
    parameters: tuple[Parameter, ...] = ()
    named: tuple[tuple[str, Value], ...] = ()
    required: bool = False

    def __str__(self) -> str:
        own = (
            "X" if self.required and self.argument is None else "" if self.argument is None else _written(self.argument)
        )
        parts = [*([own] if own else []), *(f"{name}={_written(value)}" for name, value in self.named)]
        return f"{self.name}:{','.join(parts)}" if parts else self.name

    def value(self, name: str) -> Any:
        """Return a parameter: as it was given, else its default."""
        return dict(self.named).get(name, next(one.default for one in self.parameters if one.name == name))

    def given(self, text: str) -> Self:
        """Return this rule with the parameters in `text`; raise UsageError if it takes none or not these."""
        found = self
        for k, part in enumerate(text.split(",") if self.parameters else [text]):
            name, equals, value = part.partition("=")
            if self.parameters and equals:
                found = self._with(found, name.strip().lower(), value.strip())
            elif k:
                raise UsageError(
                    f"the rule {self.name} takes one number, and more by name: {self._spelled}; not {part!r}"
                )
            else:
                found = replace(found, argument=self._argument(part))
        return found

    def complete(self) -> Self:
        """Return this rule; raise UsageError if it lacks its argument."""
        if self.required and self.argument is None:
            raise UsageError(f"the rule {self.name} needs a number, as in {self.name}:10")
        return self

    def _argument(self, text: str) -> float:
        value = real(text)
        low, high = self.limits
        if self.argument is None and not self.required:
            raise UsageError(f"the rule {self.name} takes no argument")
        if value is None or not low <= value <= high or math.isinf(value):
            raise UsageError(f"the rule {self.name} needs a number from {low:g} to {high:g}, not {text!r}")
        return value

    def _with(self, found: Self, name: str, text: str) -> Self:
        """Return `found`, this rule with some parameters, with another one."""
        if name == self.first:
            return replace(found, argument=self._argument(text))
        known = {one.name: one for one in self.parameters}
        if name not in known:
            raise UsageError(f"the rule {self.name} has no parameter {name!r}; {self._spelled}")
        value = known[name].parse(text, self.name)
        values = {**dict(found.named), name: value}
        named = tuple((key, values[key]) for key, one in known.items() if key in values and values[key] != one.default)
        return replace(found, named=named)

    @property
    def _spelled(self) -> str:
        return f"parameters are {', '.join([self.first, *map(str, self.parameters)])}"


def _written(value: Value) -> str:
    return value if isinstance(value, str) else repr(value).removesuffix(".0")


_LOOK = "look at it with `gradclip check`, and leave it out, or clip the rest of it by `apply --nonfinite zero`"


class Samples(Protocol):
    """Norms that a rule chooses from; `require` needs only these two attributes."""

    nonfinite: int

    @property
    def finite(self) -> Sized:
        """The norms that are neither NaN nor infinite."""


def require(rule: Named, samples: Samples, what: str, path: str | None = None) -> None:
    """Raise InputError if no norm is finite, since no rule can choose a threshold then."""
    if not len(samples.finite):
        which = f"all {samples.nonfinite:,} norms are" if samples.nonfinite > 1 else "its one norm is"
        bad = f"{which} NaN or infinite; {_LOOK}"
        reason = bad if samples.nonfinite else "there is no norm; give dumps with gradients"
        raise InputError(f"no threshold can be chosen by {rule} for {what}: {reason}", path=path)


DEVIATION = 1.4826
"""The standard deviation of normally distributed values over the median of their distances from the middle."""

EXPLODING_FACTOR = 5.0
"""Default factor: a norm explodes if it is above so many times the median of its neighbours, the steps before it."""

EXPLODING_DUMPS = 5
"""Default number of finite norms below which a series is not judged."""


MIN_STEPS = 10
"""Fewer steps, or samples, than this call for a caveat."""

PERCENTILES = (90.0, 95.0, 99.0)


class Summary(NamedTuple):
    """Figures of the finite samples, NaN if there are none; `nonfinite` counts the others, `std` is of the population."""

    count: int  # type: ignore[assignment]  # hides `tuple.count`, which nobody calls
    nonfinite: int
    mean: float
    std: float
    median: float
    mad: float
    min: float
    max: float
    p90: float
    p95: float
    p99: float


def between(count: int, percent: float) -> tuple[int, int, float]:
    """Return the indices of the two sorted samples (of `count`) around a percentile, and its position between them (0 to 1).

    >>> between(5, 90.0)
    (3, 4, 0.6000000000000001)
    """
    at = percent / 100 * (count - 1)
    low = int(at)
    return low, min(low + 1, count - 1), at - low
