"""The plan of `apply`, and its overrides by layer."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from gradclip_cli.errors import UsageError
from gradclip_cli.formats import by_name, by_suffix
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpOutput, DumpSource
from gradclip_cli.inputs.unit_axis import AUTO, MIN_WEIGHT_NORM, check_units, check_weights
from gradclip_cli.notes import Note
from gradclip_cli.storage.streams import STANDARD
from gradclip_cli.strategies import Group, Strategy
from gradclip_cli.strategies.base import Norm
from gradclip_cli.text import printable
from gradclip_cli.thresholds.adaptive import ADAPTIVE_RULES, AdaptiveRule
from gradclip_cli.thresholds.rules import Chooser, Threshold, strategy_called, threshold_of

if TYPE_CHECKING:
    from gradclip_cli.formats.base import Format

NONFINITE = ("error", "zero", "skip", "propagate")
"""The policies of `apply` for NaN and infinities."""

KEEP = "keep"
OUTPUT_DTYPES = (KEEP, "float32", "float16", "bfloat16")
"""What `--output-dtype` takes: the dtype of each gradient in the input, or one for all."""


@dataclass(frozen=True)
class Override:
    """A strategy, a threshold, or both, for the layers that match a pattern; None means that of the plan."""

    pattern: str
    strategy: Strategy | None = None
    threshold: Threshold | None = None

    def __post_init__(self) -> None:
        if self.strategy is None and self.threshold is None:
            raise UsageError(f"the layer pattern {self.pattern!r} needs a strategy, a threshold, or both")
        if self.strategy is not None and self.threshold is not None and not self.strategy.takes_threshold:
            raise UsageError(f"{self.strategy.name} takes no threshold; leave it out for the layers {self.pattern!r}")

    @classmethod
    def of(cls, pattern: str, strategy: str | None = None, threshold: float | str | None = None) -> "Override":
        """Make an override from names and texts; an empty name means no strategy of its own."""
        return cls(pattern, strategy_called(strategy) if strategy else None, threshold_of(threshold))

    @classmethod
    def parse(cls, text: str) -> "Override":
        """Parse `PATTERN=[STRATEGY][:THRESHOLD]`: split at the last `=`, then at the first `:`, since a rule may hold a `:`.

        The `=` of a rule's parameters are none of these: those behind the `:` that follows a strategy.
        """
        pattern, equals, rest = _without_parameters(text).rpartition("=")
        rest = text[len(pattern) + len(equals) :]
        if not equals or not pattern:
            raise UsageError(f"{text!r} is not PATTERN=STRATEGY, PATTERN=STRATEGY:THRESHOLD or PATTERN=:THRESHOLD")
        name, colon, threshold = rest.partition(":")
        return cls.of(pattern, name, threshold if colon else None)


def _without_parameters(text: str) -> str:
    """Return the text of an override up to the `:` before a rule with parameters by name; all of it if there are none.

    >>> _without_parameters("head=:zclip:2.5,max=1"), _without_parameters("a=b=none")
    ('head=:', 'a=b=none')
    """
    found = re.search(rf":({_WITH_PARAMETERS})[:=][^:]*=[^:]*$", text, re.IGNORECASE)
    return text[: found.start() + 1] if found else text


_WITH_PARAMETERS = "|".join(rule.name for rule in ADAPTIVE_RULES if rule.parameters)


class Writing(NamedTuple):
    """How a plan writes each file, whatever is decided: all that a worker of a cluster needs to know of it.

    `clips` is whether it is to clip, and not only to copy or to convert.
    """

    output_format: str | None
    output_dtype: str | None
    selection: Selection
    norm_types: tuple[float, ...]
    clips: bool
    overwrite: bool

    def format_of(self, path: str, output: str, found: "Format") -> "Format":
        """Return the format to write: the one asked for, or that of the output's suffix, or that of the input."""
        if output == path != STANDARD:
            if self.output_format not in (None, found.name):
                raise UsageError(
                    f"{printable(path)} is {found.name} and stays so in its place; leave out "
                    f"--output-format {self.output_format}, or give -o another file"
                )
            return found
        return by_name(self.output_format) if self.output_format else by_suffix(output) or found


@dataclass(frozen=True)
class ApplyPlan:
    """A request to transform dumps; `outputs` holds the output of each input, or None in a dry run."""

    inputs: tuple[DumpSource, ...]
    outputs: tuple[DumpOutput | None, ...]
    strategy: Strategy
    threshold: Threshold | None = None
    overrides: tuple[Override, ...] = ()
    norm: Norm | None = None  # None unless the user has set it
    nonfinite: str = "error"
    selection: Selection = Selection()
    notes: tuple[Note, ...] = ()  # on the inputs
    repeated: str | None = None  # what to take where files with several steps hold the same
    output_format: str | None = None
    output_dtype: str | None = None  # None keeps dtypes, too, but for those that the format of the output lacks
    overwrite: bool = False
    folder: str | None = None  # the directory of several outputs, made if it is missing
    allow_missing: bool = False
    jobs: int | None = None
    unit_axis: str = AUTO
    weights: tuple[DumpSource, ...] = ()  # one dump, or one for each step
    min_weight_norm: float = MIN_WEIGHT_NORM

    def __post_init__(self) -> None:
        check_units(self.used, self.selection.along, self.unit_axis)
        if self.nonfinite not in NONFINITE:
            raise UsageError(f"nonfinite must be one of {', '.join(NONFINITE)}, not {self.nonfinite!r}")
        if self.output_dtype not in (None, *OUTPUT_DTYPES):
            raise UsageError(f"output_dtype must be one of {', '.join(OUTPUT_DTYPES)}, not {self.output_dtype!r}")
        used = self.used
        check_weights(used, bool(self.weights), self.min_weight_norm)
        if self.has_units and self.has_adaptive:
            raise UsageError("rules with a threshold for each step take one norm of a step, and here each unit has one")
        if self.threshold is not None and not any(strategy.takes_threshold for strategy in used):
            raise UsageError(f"{self.strategy.name} takes no threshold; leave out -t")
        if self.norm is not None and not any(strategy.takes_norm for strategy in used):
            raise UsageError(f"{self.strategy.name} uses neither --norm-type nor --epsilon; leave them out")
        bare = [*([None] if self.strategy.takes_threshold else []), *self.overrides]
        for override in bare:
            self._check_threshold(override)

    @property
    def used(self) -> list[Strategy]:
        """The strategies of the plan and its overrides."""
        return [self.strategy, *(override.strategy for override in self.overrides if override.strategy)]

    @property
    def has_units(self) -> bool:
        """Whether any strategy compares the norms of units."""
        return any(strategy.group is Group.UNIT for strategy in self.used)

    @property
    def targets(self) -> list[str]:
        """The paths of all files to be written."""
        return [target for output in self.outputs if output for target in (*output.files, *output.companions)]

    @property
    def measured(self) -> Norm:
        """The norm that the report shows, and that strategies compare unless they fix their own."""
        return self.norm or Norm()

    @property
    def norm_types(self) -> tuple[float, ...]:
        """The norm types to measure: the plan's own, and 2 as well where a strategy always uses the L2 norm."""
        wanted = self.measured.type
        always = [s for s in (self.strategy, *(o.strategy for o in self.overrides)) if s and not s.takes_norm]
        return (wanted, 2.0) if always and wanted != 2.0 else (wanted,)

    @property
    def has_rule(self) -> bool:
        """Whether any threshold is chosen by a rule."""
        thresholds = self.threshold, *(override.threshold for override in self.overrides)
        return any(isinstance(threshold, Chooser) for threshold in thresholds)

    @property
    def has_adaptive(self) -> bool:
        """Whether any threshold is one of each step."""
        return bool(self._adaptive)

    @property
    def rereads(self) -> bool:
        """Whether a rule looks at elements again, once it knows their limits."""
        return any(rule.rereads for rule in self._adaptive)

    @property
    def _adaptive(self) -> list[AdaptiveRule]:
        thresholds = self.threshold, *(override.threshold for override in self.overrides)
        return [threshold for threshold in thresholds if isinstance(threshold, AdaptiveRule)]

    def of_layer(self, layer: str) -> tuple[Strategy, Threshold | None]:
        """Return the strategy and the threshold of a layer: the last pattern that matches wins."""
        for override in reversed(self.overrides):
            if fnmatchcase(layer, override.pattern):
                strategy = override.strategy or self.strategy
                threshold = override.threshold if override.threshold is not None else self.threshold
                return strategy, threshold if strategy.takes_threshold else None
        return self.strategy, self.threshold if self.strategy.takes_threshold else None

    @property
    def writing(self) -> Writing:
        """How each file is written."""
        clips = self.strategy.group is not Group.NONE or bool(self.overrides)
        return Writing(self.output_format, self.output_dtype, self.selection, self.norm_types, clips, self.overwrite)

    def with_single_norm(self, strategy: Strategy) -> str:
        """Say what a threshold does where it was chosen from a single norm, and so equals it."""
        if self.norm is not None and self.norm.epsilon and strategy.takes_norm:
            return f"so it is clipped by --epsilon {self.norm.epsilon:g} alone"
        return "so nothing will be clipped"

    def _check_threshold(self, override: Override | None) -> None:
        strategy = (override.strategy if override else None) or self.strategy
        own = override.threshold if override else None
        where = f" for the layers {override.pattern!r}" if override else ""
        if own is not None and not strategy.takes_threshold:
            raise UsageError(f"{strategy.name} takes no threshold; leave it out{where}")
        if strategy.takes_threshold and own is None and self.threshold is None:
            raise UsageError(f"{strategy.name} needs a threshold{where}: -t with a number, or with a rule such as mean")
        used = self.threshold if own is None else own
        if strategy.takes_threshold and isinstance(used, AdaptiveRule):
            used.check(strategy, self.norm)
