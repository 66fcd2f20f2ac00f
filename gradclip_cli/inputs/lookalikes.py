"""Note tensors that count, but whose names say that they are no plain gradients.

They look like optimizer state, parts of sparse tensors, scales of packed values, settings and figures of a step, or buffers.
"""

import re
from collections.abc import Iterator, Sequence
from glob import escape

from gradclip_cli.inputs.patterns import excluding
from gradclip_cli.notes import Note
from gradclip_cli.spec_table import dtypes_of, names_of, of_kind, picked, sizes_of
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import plural, shortlist

_ROOTS = ("exp_avg", "momentum", "master_weights", "opt", "adam", "ema")
"""A name without any of these is no name of optimizer state: they are looked for in all names of a dump at once."""

_STATE = (
    r"(?P<before>^|[./])(?P<word>exp_avg|exp_avg_sq|max_exp_avg_sq|momentum_buffer|master_weights|opt_state"
    r"|optimizer|optimizer_state|optimizer_weights)(?P<after>$|[./])",
    r"(?P<before>^|[./])(?P<word>ema|model_ema|ema_model)(?P<after>[./])",
    # Between other components, `momentum` may well be a layer.
    r"^(?P<before>)(?P<word>momentum)(?P<after>[./])",
    r"(?P<before>^|[./])(?P<word>momentum)(?P<after>)$",
    # `mu` and `nu` are Adam's moments where an optimizer stands before them; elsewhere, they are layers of many networks.
    r"(?P<before>^|[./])(?P<word>(?:optim\w*|opt|opt_\w*|adam\w*)(?:[./](?P<between>.+))?[./](?:mu|nu))(?P<after>$|[./])",
)
"""Whole components of the names of optimizer state, and of moving averages of weights: patterns, compiled on their first use."""

_VALUES = (".values", "/values")
_SCALES = ("scale", "absmax", "quant")
_SCALE = (
    r"(?P<stem>.+?)(?P<end>[._](?:weight_|input_)?(?:scales?|scale_inv|scale_2|scale_weight|scale_input"
    r"|absmax|nested_absmax|quant_map|nested_quant_map))$"
)
"""What tools that pack values put behind the name of a tensor, or of its layer, for the scales that the values need."""

_SETTING = r"(?is)(?:.*[./])?(?:loss|lr|learning_?rate|learn_?rate|epoch|alpha|grad_norm|iteration|iter|step|global_step|loss_scale)"
_SETTINGS = ("loss", "lr", "learn", "epoch", "alpha", "grad_norm", "iter", "step")
"""A name without any of these, in lower case, is no name of a setting."""

_BUFFER = r"(?s)(?:.*[./])?(?P<end>running_mean|running_var|inv_freq)"
_BUFFERS = ("running_", "inv_freq")


def lookalike_notes(path: str, tensors: Sequence[TensorSpec], counted: Sequence[int]) -> list[Note]:
    """Return the notes on the tensors of a dump that count, which are given by index."""
    specs = picked(tensors, counted)
    names = names_of(specs)
    text = "\n".join(names)
    found = _state_notes(path, _lines_with(_ROOTS, text), len(names))
    if ".v\n" in text + "\n":
        found += _moment_notes(path, names)
    if "values" in text and (values := [name for name in _lines_with(("values",), text) if name.endswith(_VALUES)]):
        found += _sparse_notes(path, values, tensors)
    if scales := _lines_with(_SCALES, text):
        found += _scale_notes(path, scales, tensors)
    lower = text.lower()
    if any(word in lower for word in _SETTINGS):
        found += _setting_notes(path, specs)
    if buffers := _lines_with(_BUFFERS, text):
        found += _buffer_notes(path, buffers)
    return found


def _lines_with(words: Sequence[str], text: str) -> list[str]:
    """Return the lines of a text that contain one of some words, once for each: of a million names, only these cost any time."""
    return [line for word in words if word in text for line in _lines(word, text)]


def _lines(word: str, text: str) -> Iterator[str]:
    at = text.find(word)
    while at >= 0:
        stop = text.find("\n", at)
        stop = len(text) if stop < 0 else stop
        yield text[text.rfind("\n", 0, at) + 1 : stop]
        at = text.find(word, stop)


def _state_notes(path: str, names: Sequence[str], counted: int) -> list[Note]:
    """Note tensors that look like optimizer state, and give the patterns that leave out them alone."""
    patterns = {name: pattern for name in names if (pattern := _state_pattern(name))}
    if not patterns:
        return []
    number, which = len(patterns), shortlist(list(patterns), 4)
    what = f"{plural(number, 'tensor')} that count{'s' if number == 1 else ''} as gradients look"
    what += f"{'s' if number == 1 else ''} like optimizer state: {which}"
    if number < counted:
        what += f"; if so, give {excluding(list(dict.fromkeys(patterns.values())))}"
    return [Note("optimizer-state", f"{path}: {what}", number, changes_figures=True)]


def _state_pattern(name: str) -> str:
    """Return the pattern of all names with the same part of an optimizer's state in the same place; empty if there is none.

    >>> _state_pattern("state.0.exp_avg"), _state_pattern("opt/0/mu/dense/kernel"), _state_pattern("momentum_encoder.weight")
    ('*.exp_avg', 'opt/*/mu/*', '')
    """
    match = next((match for pattern in _STATE if (match := re.search(pattern, name))), None)
    if match is None:
        return ""
    before, word, after = match["before"], match["word"], match["after"]
    if match.groupdict().get("between"):
        word = name[match.start("word") : match.start("between")] + "*" + name[match.end("between") : match.end("word")]
    return f"{'*' + before if before else ''}{word}{after + '*' if after else ''}"


def _moment_notes(path: str, names: Sequence[str]) -> list[Note]:
    """Note both moments of a tensor beside it, as optimizers of MLX save them."""
    known = set(names)
    found = [name for name in names if name.endswith(".v") and name[:-2] in known and f"{name[:-2]}.m" in known]
    if not found:
        return []
    what = f"look like the moments of an optimizer beside their tensors: {shortlist(found, 4)}"
    advice = excluding(["*.m", "*.v"])
    return [Note("moments", f"{path}: {what}; if so, give {advice}", len(found), changes_figures=True)]


def _sparse_notes(path: str, values: Sequence[str], tensors: Sequence[TensorSpec]) -> list[Note]:
    """Note values that stand beside the integer indices of the same sparse tensor."""
    whole = set(names_of(of_kind(tensors, "int")))
    found = [name for name in values if f"{name[:-6]}indices" in whole]
    if not found:
        return []
    which = shortlist([name[:-7] for name in found], 4)
    patterns = [escape(name) for name in found[:2]] if len(found) < 3 else [f"*{found[0][-7:]}"]
    what = f"saved as the indices and values of sparse tensors: {which}; where indices repeat, the norm of the dense gradient differs"
    advice = (
        f"add up what repeats before saving (in PyTorch `coalesce`), or leave the values out with {excluding(patterns)}"
    )
    return [Note("sparse-parts", f"{path}: {what}: {advice}", len(found), changes_figures=True)]


def _scale_notes(path: str, names: Sequence[str], tensors: Sequence[TensorSpec]) -> list[Note]:
    """Note the scales of packed values that count as gradients: whole numbers or float8 of the same tensor or layer."""
    pairs = zip(names_of(tensors), dtypes_of(tensors), strict=True)
    packed = {name for name, dtype in pairs if dtype.kind in ("int", "other") or dtype.name.startswith("float8")}
    stems = packed | {name.rpartition(".")[0] for name in packed}
    found = [name for name in names if (match := re.fullmatch(_SCALE, name)) and match["stem"] in stems]
    if not found:
        return []
    patterns = list(dict.fromkeys(f"*{match['end']}" for name in found if (match := re.fullmatch(_SCALE, name))))
    what = "counted as gradients, but they look like the scales of packed values, which mean nothing without them"
    advice = f"leave them out, and the packed values too: {excluding(patterns)}"
    return [Note("scales", f"{path}: {shortlist(found, 4)}: {what}; {advice}", len(found), changes_figures=True)]


def _setting_notes(path: str, specs: Sequence[TensorSpec]) -> list[Note]:
    """Note single numbers that are called like settings of a run, or like figures of a step."""
    pairs = zip(names_of(specs), sizes_of(specs), strict=True)
    names = [name for name, size in pairs if size == 1 and re.fullmatch(_SETTING, name)]
    if not names:
        return []
    what = (
        f"single numbers that are called like settings or figures of a step count as gradients: {shortlist(names, 4)}"
    )
    advice = excluding(list(map(escape, names)))
    return [Note("settings", f"{path}: {what}; if they are none, give {advice}", len(names), changes_figures=True)]


def _buffer_notes(path: str, names: Sequence[str]) -> list[Note]:
    """Note buffers of layers, of which no trainer has gradients."""
    ends = {name: match["end"] for name in names if (match := re.fullmatch(_BUFFER, name))}
    if not ends:
        return []
    what = f"{shortlist(list(ends), 3)} have no gradients in any trainer, so these may be weights"
    advice = excluding([f"*{end}" for end in dict.fromkeys(ends.values())])
    return [Note("buffers", f"{path}: {what}; else leave them out with {advice}", len(ends), changes_figures=True)]
