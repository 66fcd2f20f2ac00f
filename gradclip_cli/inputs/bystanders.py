"""Note tensors that count, but that nothing has a gradient of: settings, figures of a step, and buffers of layers."""

import re
from collections.abc import Iterable, Sequence
from glob import escape

from gradclip_cli.inputs.lookalikes import excluding, lines_with
from gradclip_cli.notes import Note
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import shortlist

# Patterns are compiled on their first use: most dumps need none of them.
_SETTING = r"(?is)(?:.*[./])?(?:loss|lr|learning_?rate|learn_?rate|epoch|alpha|grad_norm|iteration|iter|step|global_step|loss_scale)"
_HINTS = ("loss", "lr", "learn", "epoch", "alpha", "grad_norm", "iter", "step")
"""A name without any of these is no name of a setting: they are looked for in all names of a dump at once."""
_BUFFER = r"(?s)(?:.*[./])?(?P<end>running_mean|running_var|inv_freq)"


def bystander_notes(path: str, tensors: Sequence[TensorSpec], counted: Iterable[int]) -> list[Note]:
    """Return the notes on the tensors of a dump that count, which are given by index."""
    specs = [tensors[index] for index in counted]
    text = "\n".join([spec.name for spec in specs])
    lower = text.lower()
    some = specs if any(hint in lower for hint in _HINTS) else ()
    single = [spec.name for spec in some if spec.size == 1 and re.fullmatch(_SETTING, spec.name)]
    ends = [name for end in ("running_", "inv_freq") if end in text for name in lines_with(end, text)]
    return [*_settings(path, single), *_buffers(path, [name for name in ends if re.fullmatch(_BUFFER, name)])]


def _settings(path: str, names: Sequence[str]) -> list[Note]:
    if not names:
        return []
    what = f"single numbers that are called like settings or figures of a step count as gradients: {shortlist(list(names), 4)}"
    advice = excluding(list(map(escape, names)))
    return [Note("settings", f"{path}: {what}; if they are none, give {advice}", len(names), changes_figures=True)]


def _buffers(path: str, names: Sequence[str]) -> list[Note]:
    if not names:
        return []
    ends = dict.fromkeys(match["end"] for name in names if (match := re.fullmatch(_BUFFER, name)))
    what = f"{shortlist(list(names), 3)} have no gradients in any trainer, so these may be weights"
    advice = excluding([f"*{end}" for end in ends])
    return [Note("buffers", f"{path}: {what}; else leave them out with {advice}", len(names), changes_figures=True)]
