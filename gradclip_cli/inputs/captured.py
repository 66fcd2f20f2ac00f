"""Read what a captured file says of itself: why it was written, and whether its gradients were clipped already."""

import re
from collections.abc import Mapping

from gradclip_cli.inputs.steps import CAPTURE
from gradclip_cli.notes import Note
from gradclip_cli.text import plural

_TURN = "every"
"""The reason of a step that was written since its turn had come, and not for what it is like."""


def is_captured(metadata: Mapping[str, str]) -> bool:
    """Whether a file was written by `gradclip_cli.torch.Capture`."""
    return metadata.get("gradclip") == CAPTURE


def stood_out(metadata: Mapping[str, str]) -> bool:
    """Whether a file was written since its step, or one beside it, stood out: such steps are no sample of a run."""
    return is_captured(metadata) and metadata.get("reason", _TURN) != _TURN


def outstanding_note(others: int, usual: int) -> Note:
    """Note that dumps of steps that stood out count for no threshold."""
    what = f"thresholds and clip rates are from {plural(usual, 'dump')}; {plural(others, 'other')} captured for a spike or NaN"
    return Note("captured", f"{what} would bend them", others)


def stage_notes(path: str, metadata: Mapping[str, str]) -> list[Note]:
    """Note gradients that were clipped before they were saved, and steps of which most were not."""
    if not is_captured(metadata):
        return []
    found, every = list[Note](), metadata.get("every", "")
    if metadata.get("stage") == "after-clip":
        what = "captured after clipping: its norms are what that left, and no guide to a threshold"
        text = f"{path}: {what}; call capture() before clip_grad_norm_"
        found.append(Note("after-clip", text, changes_figures=True))
    if re.fullmatch("[1-9][0-9]{0,8}", every) and int(every) > 1 and not stood_out(metadata):
        found.append(
            Note("every", f"{path}: captured at 1 of {int(every):,} steps; what happens between them is not in it")
        )
    return found
