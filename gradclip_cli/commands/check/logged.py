"""Make the figures that checks use of the norms of logs: those of each step, and of tensors where they are logged."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from gradclip_cli.checks import OF_LAYERS, OF_NORMS
from gradclip_cli.checks.base import Figures, Tensor
from gradclip_cli.checks.limits import Limits
from gradclip_cli.checks.logged_norms import LoggedFigures
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.naming import Naming, natural
from gradclip_cli.inputs.norm_logs.joining import JoinedLogs
from gradclip_cli.notes import Note
from gradclip_cli.text import printable


def logged_figures(joined: JoinedLogs, naming: Naming) -> Figures:
    """Take the norms of logs; a tensor or layer whose norm is logged counts as one element, since no more is known of it."""
    tensors = _tensors(joined.tensors, naming)
    norms, absent = joined.of_tensors([tensor.name for tensor in tensors])
    steps, total, nothing = joined.steps, joined.norms, np.zeros(norms.shape)
    finite = np.isfinite(norms)
    return LoggedFigures(
        dumps=[_named(step, name) for step, name in zip(steps, joined.names, strict=True)],
        tensors=tensors,
        dtypes=(),
        elements=(~absent).astype(np.float64),
        zeros=((norms == 0) & ~absent).astype(np.float64),
        nan=(~finite).astype(np.float64),
        posinf=nothing,
        neginf=nothing,
        max_abs=nothing,
        norm=np.where(finite, norms, 0.0),
        mass=nothing,
        same=nothing,
        small=np.zeros((0, *norms.shape)),
        large=np.zeros((0, *norms.shape)),
        steps=steps,
        whole=np.where(np.isfinite(total), total, np.nan),
    )


def _tensors(names: Sequence[str], naming: Naming) -> list[Tensor]:
    placed = [
        Tensor(name, *place, block=naming.block(place.layer))
        for name, place in zip(names, naming.places(names), strict=True)
    ]
    return sorted(placed, key=lambda tensor: (natural(tensor.layer), natural(tensor.name)))


def _named(step: int | None, name: str | None) -> str:
    return f"step {step}" if step is not None else name or "a norm"


def judged_rules(rules: Sequence[str], figures: Figures, limits: Limits, path: str) -> tuple[list[str], list[Note]]:
    """Return the rules that a log can be checked by, and a note on the others; raise UsageError for a limit of one of these."""
    known = (*OF_NORMS, *OF_LAYERS) if figures.tensors else OF_NORMS
    for limit in fields(Limits):
        option = f"--{limit.name.replace('_', '-')}"
        judges = any(option.startswith(f"--{rule}-") for rule in known) and option != "--vanishing-mean"
        if not judges and getattr(limits, limit.name) != limit.default:
            raise UsageError(f"{option} needs gradients, and {printable(path)} is a log of norms; leave it out")
    left = [rule for rule in rules if rule not in known]
    if not left:
        return list(rules), []
    what = "these rules need gradients" if figures.tensors else "these rules need gradients, or the norms of layers"
    note = Note("needs-gradients", f"{path}: a log of norms, so it is not checked for {', '.join(left)}: {what}")
    return [rule for rule in rules if rule in known], [note]
