"""What a layout of logs is."""

from collections.abc import Callable
from typing import NamedTuple

from gradclip_cli.inputs.norm_logs.collector import Collector
from gradclip_cli.inputs.norm_logs.stream import LogStream


class LogLayout(NamedTuple):
    """An entry of the registry of logs: `kind` names it in sentences, as in `CSV, but none of its columns …`."""

    name: str
    kind: str
    matches: Callable[[bytes], bool]
    """Tell from its first bytes whether a file is laid out so."""
    read: Callable[[LogStream, Collector], None]
    """Add what a log holds to a collector."""
    by_line: bool = False
    """Whether each line stands for itself, and only the last may be incomplete while the log grows."""
