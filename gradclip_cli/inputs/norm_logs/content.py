"""Tell by its first bytes whether a file is a log that holds norms, and no dump, page or archive."""

from gradclip_cli.formats.foreign import HEAD, about
from gradclip_cli.inputs.norm_logs import json_logs
from gradclip_cli.inputs.norm_logs.reading import WANDB, layout_of
from gradclip_cli.inputs.norm_logs.stream import head_of
from gradclip_cli.inputs.norm_logs.text import TEXT
from gradclip_cli.storage.spooling import standard_input
from gradclip_cli.storage.streams import PIECE, STANDARD

_INDEX = b'"weight_map"'
_JSON = (json_logs.LINES, json_logs.TABLE)
_PRINTED = bytes({7, 8, 9, 10, 12, 13, 27} | set(range(32, 256)) - {127})


def is_log_by_content(path: str, column: str | None = None) -> bool:
    """Whether a file, or standard input, is a log; JSON is one only if it speaks of norms, or a column is asked for."""
    head = head_of(path)
    if head.startswith(WANDB):
        return True
    layout = layout_of(head)
    if layout is None or _INDEX in head:
        return False
    if layout is TEXT:
        # Of a pipe more is looked at, since it may never end.
        first = head if path != STANDARD else standard_input().read_on(0, PIECE)
        known = path != STANDARD or (column or "norm").lower().encode() in first.lower()
        return known and not head.translate(None, _PRINTED) and _is_nothing_else(head)
    return layout not in _JSON or b"norm" in head.lower() or column is not None


def is_surely_log(path: str) -> bool:
    """Whether a file is a log in a layout that nothing else has, and speaks of norms."""
    return is_log_by_content(path) and layout_of(head := head_of(path)) is not TEXT and b"norm" in head.lower()


def _is_nothing_else(head: bytes) -> bool:
    """Whether text is no page or the like; what begins with a bracket is taken for JSON elsewhere, but lines may begin so."""
    return head.lstrip()[:1] in (b"[", b"{") or about(head[:HEAD], "") is None
