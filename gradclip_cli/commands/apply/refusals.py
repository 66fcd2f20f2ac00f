"""What `apply` refuses once dumps are measured."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from gradclip_cli.commands.apply.plan import Override
from gradclip_cli.engine.survey import Dump
from gradclip_cli.errors import NonFiniteError, UsageError
from gradclip_cli.numerics.statistics import TensorStats
from gradclip_cli.text import did_you_mean, printable

_MOST = 8


def check_layers(dumps: Sequence[Dump], overrides: Sequence[Override]) -> None:
    """Raise where a pattern matches no layer of any dump."""
    layers = {layer for dump in dumps for layer in dump.layers} if overrides else set()
    for override in overrides:
        if not any(fnmatchcase(layer, override.pattern) for layer in layers):
            hint = did_you_mean(override.pattern, layers, "`gradclip ls` lists the layers")
            raise UsageError(f"no layer matches {override.pattern!r}; {hint}")


def refuse_nonfinite(dumps: Sequence[Dump]) -> None:
    """Raise NonFiniteError if there are NaN or infinities, naming the tensors that hold them."""
    found = [(dump, dump.own_name(k), dump.stats[k]) for dump in dumps for k in dump.stats.with_nonfinite()]
    if not found:
        return
    path = found[0][0].path
    parts = [
        f"{'' if dump.path == path else printable(dump.path) + ': '}{_shortened(name)} ({_counts(stats)})"
        for dump, name, stats in found[:_MOST]
    ]
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    raise NonFiniteError(
        f"{', '.join(parts)}{more}; choose what to do with --nonfinite zero, skip or propagate", path=path
    )


def _counts(stats: TensorStats) -> str:
    counted = ((stats.nan, "NaN"), (stats.posinf, "+Inf"), (stats.neginf, "-Inf"))
    return ", ".join(f"{number} {word}" for number, word in counted if number)


def _shortened(name: str) -> str:
    text = printable(name)
    return text if len(text) <= 60 else f"{text[:28]} .. {text[-28:]}"
