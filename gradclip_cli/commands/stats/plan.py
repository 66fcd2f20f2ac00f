"""The plan of `stats`, and the trials in it."""

from dataclasses import dataclass, replace

from gradclip_cli.commands.plans import check_learning_rate
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.choices import DEFAULT, Choices
from gradclip_cli.inputs.norm_logs.base import Logs
from gradclip_cli.inputs.selection import Selection
from gradclip_cli.inputs.source import DumpSource
from gradclip_cli.inputs.unit_axis import AUTO, MIN_WEIGHT_NORM, check_units, check_weights
from gradclip_cli.notes import Note
from gradclip_cli.strategies import STRATEGIES, Group, Strategy, find
from gradclip_cli.strategies.base import Norm
from gradclip_cli.strategies.builtin import GLOBAL
from gradclip_cli.text import real
from gradclip_cli.thresholds.adaptive import AdaptiveRule, own_strategy
from gradclip_cli.thresholds.rules import RULES, Chooser, Threshold, is_rule, parse

EVERY = "all"
"""What stands for all strategies that have a threshold."""


@dataclass(frozen=True)
class Trial:
    """A strategy to try out, with a threshold where it takes one."""

    strategy: Strategy
    threshold: Threshold | None = None
    bare: bool = False  # a threshold alone, for the strategy at hand

    def __post_init__(self) -> None:
        name = self.strategy.name
        if self.threshold is not None and not self.strategy.takes_threshold:
            raise UsageError(f"{name} takes no threshold; try {name} alone")
        if self.threshold is None and self.strategy.takes_threshold:
            raise UsageError(f"{name} needs a threshold, such as {name}:1 or {name}:{RULES[0]}")
        if isinstance(self.threshold, AdaptiveRule):
            self.threshold.check(self.strategy)

    @classmethod
    def parse(cls, text: str) -> "Trial":
        """Parse `STRATEGY[:THRESHOLD]`: split at the first `:`, since a rule may hold another; or a number or a rule alone.

        >>> str(Trial.parse("clip-by-norm:percentile:95").threshold), Trial.parse("adagc:1.03").strategy.name
        ('percentile:95', 'clip-l2-per-param-type')
        """
        if real(text) is not None or is_rule(text):
            threshold = parse(text)
            return cls(own_strategy(threshold), threshold, bare=True)
        name, colon, limit = text.partition(":")
        return cls(find(name), parse(limit) if colon else None)

    def of(self, strategy: Strategy | None) -> "Trial":
        """Return the trial of a threshold alone for a strategy, unless it is a rule for one kind of group; any other stays."""
        bound = isinstance(self.threshold, AdaptiveRule) and self.threshold.bound
        return (
            replace(self, strategy=strategy, bare=False) if self.bare and strategy is not None and not bound else self
        )


@dataclass(frozen=True)
class StatsPlan:
    """A request for norm statistics; `strategy`, where given, is the only one to get a suggestion.

    A screen shows the thresholds of `strategy` or of the global norm; of every strategy where `every` is set.
    """

    inputs: tuple[DumpSource, ...]
    strategy: Strategy | None = None
    rule: Chooser = RULES[0]
    norm: Norm = Norm()
    selection: Selection = Selection()
    notes: tuple[Note, ...] = ()  # on the inputs
    repeated: str | None = None  # what to take where files with several steps hold the same
    skip_steps: int = 0
    allow_missing: bool = False
    keep_going: bool = False
    jobs: int | None = None
    cache: bool = False  # whether figures may come from an earlier reading
    tries: tuple[Trial, ...] = ()
    every: bool = False
    given: tuple[str, ...] = ()  # the paths as the user gave them
    choices: Choices = DEFAULT  # how they became dumps
    logs: Logs | None = None  # in place of dumps
    groups: frozenset[Group] | None = None  # of which the norms are known, if not all
    weights: tuple[DumpSource, ...] = ()  # one dump, or one for each step
    weights_at: tuple[str, ...] = ()  # where the user says that they are
    lr: float | None = None  # the learning rate, for update ratios
    unit_axis: str = AUTO
    min_weight_norm: float = MIN_WEIGHT_NORM

    def __post_init__(self) -> None:
        used = self._used
        check_units(used, self.selection.along, self.unit_axis)
        check_weights(used, bool(self.weights) or self.logs is not None, self.min_weight_norm, shown=True)
        check_learning_rate(self.lr, bool(self.weights))
        if self.strategy is not None and not self.strategy.takes_threshold:
            raise UsageError(f"{self.strategy.name} has no threshold to suggest; `gradclip strategies` says which have")
        if self.strategy is not None and not self.strategy.takes_norm and self.norm != Norm():
            raise UsageError(f"{self.strategy.name} uses neither --norm-type nor --epsilon; leave them out")
        if isinstance(self.rule, AdaptiveRule):
            self.rule.check(self.strategy or self.rule.own, self.norm)
        for one in self.tries:
            if isinstance(one.threshold, AdaptiveRule):
                one.threshold.check(one.strategy, self.norm)
        if self.skip_steps < 0:
            raise UsageError("--skip-steps must be at least 0")

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        """The strategies that get a suggestion: one for each kind of group, unless one was asked for."""
        if self.strategy:
            return (self.strategy,)
        known = [s for s in STRATEGIES if self.groups is None or s.group in self.groups]
        usual = [s for s in known if s.takes_threshold and not s.of_mean and s.group is not Group.UNIT]
        others = [s for s in known if s in self.compared] if self.every else []
        return *usual, *others

    @property
    def _used(self) -> list[Strategy]:
        """The strategies that the user asked for."""
        return [*([self.strategy] if self.strategy else []), *(one.strategy for one in self.tries)]

    @property
    def compared(self) -> list[Strategy]:
        """Those of them that compare other norms than those of tensors, layers or the dump."""
        means = [s for s in STRATEGIES if self.every and s.of_mean and self.norm.type == 2.0 and self.groups is None]
        return [*dict.fromkeys(s for s in (*self._used, *means) if s.of_mean or s.group is Group.UNIT)]

    @property
    def compares_others(self) -> bool:
        """Whether there is any such strategy."""
        return bool(self.compared)

    @property
    def has_units(self) -> bool:
        """Whether any strategy compares the norms of units."""
        return any(strategy.group is Group.UNIT for strategy in self._used)

    @property
    def rereads(self) -> bool:
        """Whether a rule looks at elements again."""
        rules = self.rule, *(one.threshold for one in self.tries)
        return any(isinstance(rule, AdaptiveRule) and rule.rereads for rule in rules)

    @property
    def shown(self) -> tuple[Strategy, ...]:
        """The strategies whose thresholds a screen shows, the one at hand first."""
        if self.every:
            return (GLOBAL, *(strategy for strategy in self.strategies if strategy is not GLOBAL))
        return (self.strategy or GLOBAL,)
