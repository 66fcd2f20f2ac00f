"""The text of `--layer`."""

from gradclip_cli.cli.types import Parsed
from gradclip_cli.commands.apply.plan import Override
from gradclip_cli.errors import UsageError
from gradclip_cli.strategies import find
from gradclip_cli.thresholds.rules import parse


def parse_override(text: str) -> Override:
    """Parse `PATTERN=STRATEGY`, `PATTERN=STRATEGY:THRESHOLD` or `PATTERN=:THRESHOLD`: cut at the last `=`, then at the first `:`."""
    pattern, equals, rest = text.rpartition("=")
    if not equals or not pattern:
        raise UsageError(f"{text!r} is not PATTERN=STRATEGY, PATTERN=STRATEGY:THRESHOLD or PATTERN=:THRESHOLD")
    name, colon, threshold = rest.partition(":")
    return Override(pattern, find(name) if name else None, parse(threshold) if colon else None)


OVERRIDE = Parsed("layer", parse_override, "overrides")
