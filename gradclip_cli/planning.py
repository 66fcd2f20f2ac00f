"""From what a user asked for to parts of a plan."""

import re

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.naming import Naming


def naming(layer_regex: str | None, group_depth: int | None) -> Naming:
    """Check how names are to become layers."""
    if group_depth is not None and group_depth < 1:
        raise UsageError("--group-depth must be at least 1")
    if layer_regex is None:
        return Naming(None, group_depth)
    if group_depth is not None:
        raise UsageError("--layer-regex and --group-depth exclude each other")
    try:
        regex = re.compile(layer_regex)
    except re.error as error:
        raise UsageError(f"--layer-regex {layer_regex!r} is no regular expression: {error}") from error
    if not {"layer", "param"} <= regex.groupindex.keys():
        raise UsageError("--layer-regex needs the groups (?P<layer>...) and (?P<param>...)")
    return Naming(regex)
