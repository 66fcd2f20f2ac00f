"""Read the loss scale of dumps that were written before `GradScaler.unscale_`, and point out those that seem to be."""

import math
from collections.abc import Mapping
from contextlib import suppress

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.inputs.captured import is_captured
from gradclip_cli.notes import Note
from gradclip_cli.text import did_you_mean, printable, real, shortlist

KEYS = ("loss_scale", "grad_scale")
"""The keys of metadata under which training tools write the loss scale."""

_UNSCALED_STAGES = ("before-clip", "after-clip")
"""The values of the metadata `stage` that say that gradients were divided by the loss scale before they were written."""


def parse_unscale(given: float | str | None) -> float | str | None:
    """Return the value of --unscale: a number above 0, or a key of metadata; raise UsageError for any other.

    >>> parse_unscale("65536"), parse_unscale("loss_scale")
    (65536.0, 'loss_scale')
    """
    if given is None:
        return None
    number = real(given) if isinstance(given, str) else given
    if number is None and _is_number(str(given)):
        raise UsageError(f"--unscale must be a number above 0, or a key of the metadata, not {given}")
    if number is None:
        return _key(str(given))
    if not 0 < number < math.inf:
        raise UsageError(f"--unscale must be a number above 0, or a key of the metadata, not {given}")
    return float(number)


def _is_number(text: str) -> bool:
    """Return whether a text is written as a number, also as one beyond float64."""
    with suppress(ValueError):
        return bool(text[-1:].isdigit() and str(float(text)))
    return False


def scale_of(unscale: float | str | None, metadata: Mapping[str, str], path: str) -> float:
    """Return the loss scale of a file; raise InputError if its metadata holds none under the key of the option.

    Without the option it is 1, unless the file was captured with the scale that its gradients are multiplied by.
    """
    if unscale is None and is_captured_scaled(metadata):
        return scale_of(KEYS[0], metadata, path)
    if not isinstance(unscale, str):
        return 1.0 if unscale is None else unscale
    text = metadata.get(unscale)
    if text is None:
        held = f"it holds {shortlist(list(metadata), 4)}" if metadata else "it holds none"
        hint = did_you_mean(unscale, metadata, held)
        raise InputError(f"has no {printable(unscale)!r} in its metadata, as --unscale asks; {hint}", path=path)
    number = real(text)
    if number is None or not 0 < number < math.inf:
        what = f"{printable(unscale)!r} in its metadata is {printable(text[:40])!r}, no loss scale"
        raise InputError(f"{what}; give --unscale a number above 0", path=path)
    return number


def loss_scale_notes(unscale: float | str | None, metadata: Mapping[str, str], path: str) -> list[Note]:
    """Note a loss scale in the metadata that no figure takes into account, or one that may be taken into account twice."""
    stage = metadata.get("stage")
    if unscale is not None:
        if stage not in _UNSCALED_STAGES:
            return []
        what = f"its metadata says stage {stage}, where gradients are unscaled already; leave out --unscale if they are"
        return [Note("loss-scale", f"{path}: {what}", changes_figures=True)]
    if is_captured_scaled(metadata):
        what = f"captured with a loss scale of {printable(metadata[KEYS[0]][:40])}, by which norms are divided"
        return [Note("loss-scale", f"{path}: {what}; give --unscale 1 for the values as stored", changes_figures=True)]
    key = next((key for key in KEYS if _is_scaled(metadata.get(key))), None)
    if key is None or stage in _UNSCALED_STAGES:
        return []
    what = f"its metadata says {key} {printable(metadata[key][:40])}, and norms are of the values as stored"
    return [Note("loss-scale", f"{path}: {what}; give --unscale {key} for those without it", changes_figures=True)]


def is_captured_scaled(metadata: Mapping[str, str]) -> bool:
    """Whether a file says that it was captured before its gradients were divided by the loss scale, and what that was."""
    return is_captured(metadata) and metadata.get("stage") == "scaled" and KEYS[0] in metadata


def _is_scaled(text: str | None) -> bool:
    number = real(text) if text is not None else None
    return number is not None and 0 < number < math.inf and number != 1


def _key(text: str) -> str:
    if not text.strip():
        raise UsageError("--unscale must be a number above 0, or a key of the metadata, and not empty")
    return text
