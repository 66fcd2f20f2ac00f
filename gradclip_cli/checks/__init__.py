"""What may be wrong with a series; here are the names of the checks, which the command line asks for.

A new check is a pure function from figures to findings in a file of its own, its limits in `limits`, its name here and a line
in `registry`.
"""

from collections.abc import Sequence

from gradclip_cli.errors import UsageError
from gradclip_cli.text import with_all

NAMES = ("nonfinite", "exploding", "vanishing", "dead", "unchanged", "dominated", "underflow", "spread")
"""The checks, in the order in which their findings are shown."""


def checked(name: str) -> str:
    """Return the name of a check, whatever its case; raise where there is no such check."""
    if name.lower() in NAMES:
        return name.lower()
    hint = with_all(name, NAMES, f"rules are {', '.join(NAMES)}")
    raise UsageError(f"there is no rule {name!r}; {hint}")


def parse_names(lists: Sequence[str]) -> tuple[str, ...]:
    """Read names of checks from several lists with commas between them.

    >>> parse_names(["dead,Spread", "dead"])
    ('dead', 'spread')
    """
    names = (name.strip() for text in lists for name in text.split(","))
    return tuple(dict.fromkeys(checked(name) for name in names))
