"""Overrides for layers: the text of `--layer`, and the `[[layer]]` tables of a configuration file."""

from typing import Any

from gradclip_cli.cli import completion
from gradclip_cli.cli.types import Tabular
from gradclip_cli.commands.apply.plan import Override
from gradclip_cli.errors import UsageError

_KEYS = {"pattern", "strategy", "threshold"}


def _read(table: dict[str, Any]) -> Override:
    """Make an override of a table."""
    if unknown := table.keys() - _KEYS:
        raise UsageError(f"unknown key {sorted(unknown)[0]!r} in [[layer]]; keys are {', '.join(sorted(_KEYS))}")
    pattern, strategy, threshold = table.get("pattern"), table.get("strategy"), table.get("threshold")
    if (
        not isinstance(pattern, str)
        or not isinstance(strategy, str | None)
        or isinstance(threshold, bool | list | dict)
    ):
        raise UsageError("[[layer]] needs a pattern, and a strategy, a threshold or both")
    return Override.of(pattern, strategy, None if threshold is None else str(threshold))


def _write(override: Override) -> dict[str, Any]:
    """Make a table of an override."""
    entries = {"pattern": override.pattern, "strategy": override.strategy, "threshold": override.threshold}
    return {key: value for key, value in entries.items() if value is not None}


OVERRIDE = Tabular("layer", Override.parse, completion.overrides, _read, _write)
