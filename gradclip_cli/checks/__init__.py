"""Find what may be wrong with a series; this file has the names of the checks, which the command line needs.

To add a check, write a pure function from figures to problems, declare its limits in `limits`, and list it here and in
`registry`.
"""

from collections.abc import Sequence

from gradclip_cli.errors import UsageError
from gradclip_cli.text import with_all

NAMES = (
    "nonfinite",
    "exploding",
    "growing",
    "accumulating",
    "vanishing",
    "dead",
    "unchanged",
    "underflow",
    "dominated",
    "spread",
    "ratio",
    "unlike-baseline",
)
"""The checks, in the order in which their problems are shown: what breaks a run first."""

_OTHER_WORDS = {
    **dict.fromkeys(("nan", "nans", "inf", "infs", "infinite", "overflowing"), "nonfinite"),
    **dict.fromkeys(("spike", "spikes", "explode", "explosion", "explosions"), "exploding"),
    **dict.fromkeys(("zero", "zeros", "zeroes"), "dead"),
}
"""What people call problems, and the checks that find them."""

RATIO = "ratio"
"""The check that needs weights."""

BASELINE = "unlike-baseline"
"""The check that needs a run that went well."""


OF_NORMS = ("nonfinite", "exploding", "growing", BASELINE)
"""The checks of a log, which take no more than the norm of each step."""

OF_LAYERS = ("vanishing", "dominated", "spread")
"""The checks of a log that holds norms of tensors or layers, too."""


def checked(name: str) -> str:
    """Return the name of a check in lower case; raise UsageError if there is no such check."""
    if name.lower() in NAMES:
        return name.lower()
    if name.lower() in _OTHER_WORDS:
        raise UsageError(f"there is no rule {name!r}; did you mean {_OTHER_WORDS[name.lower()]}?")
    hint = with_all(name, NAMES, f"rules are {', '.join(NAMES)}")
    raise UsageError(f"there is no rule {name!r}; {hint}")


def parse_names(lists: Sequence[str]) -> tuple[str, ...]:
    """Return the names in several comma-separated lists of checks, each once; raise UsageError for an unknown one.

    >>> parse_names(["dead,Spread", "dead"])
    ('dead', 'spread')
    """
    names = (name.strip() for text in lists for name in text.split(","))
    return tuple(dict.fromkeys(checked(name) for name in names))
