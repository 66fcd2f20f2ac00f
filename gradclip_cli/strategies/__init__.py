"""The strategies, found by any spelling. To add one, define a `Strategy` in the module of its family and list it here."""

from gradclip_cli.errors import UsageError
from gradclip_cli.strategies import builtin
from gradclip_cli.strategies.base import Group, Strategy
from gradclip_cli.text import did_you_mean, plain

STRATEGIES: tuple[Strategy, ...] = (
    builtin.NONE,
    builtin.RENORMALIZE_PER_LAYER,
    builtin.RENORMALIZE_PER_PARAM_TYPE,
    builtin.ELEMENTWISE,
    builtin.CLIP_PER_LAYER,
    builtin.CLIP_PER_PARAM_TYPE,
    builtin.BLOCK_RMS,
    builtin.UNIT_NORM,
    builtin.ADAPTIVE,
    builtin.GLOBAL,
)

SPELLED = {plain(name): strategy for strategy in STRATEGIES for name in (strategy.name, *strategy.aliases)}
"""The strategies by their names and other names, each without case, `-` and `_`."""

__all__ = ["SPELLED", "STRATEGIES", "Group", "Strategy", "find"]


def find(text: str) -> Strategy:
    """Return the strategy called `text`, ignoring case, `-` and `_`; raise UsageError if there is none.

    >>> find("ClipL2PerLayer").name
    'clip-l2-per-layer'
    """
    if found := SPELLED.get(plain(text)):
        return found
    known = [name for strategy in STRATEGIES for name in (*strategy.aliases, strategy.name)]
    hint = did_you_mean(text, known, "`gradclip strategies` lists them")
    raise UsageError(f"there is no strategy {text!r}; {hint}")
