"""What is read from a log: the norms of its steps."""

from array import array
from collections.abc import Sequence
from typing import NamedTuple

from gradclip_cli.notes import Note

LOG = "log"
"""What `--input-format` calls a log."""


class LogOptions(NamedTuple):
    """What the user asks of a log: the column to take, the norms of steps that came twice, and what norms are divided by.

    `repeated` is one of `first`, `last`, `keep` and `error`; None is `last` for a resumed run. `unscale` is a loss scale, or the
    name of the column that holds it. Of a log that is `growing`, a last line without an end is left for later.
    """

    column: str | None = None
    repeated: str | None = None
    unscale: float | str | None = None
    growing: bool = False


class Logs(NamedTuple):
    """Logs whose norms are taken in place of those of dumps, and how they are read."""

    paths: tuple[str, ...]
    options: LogOptions


class TensorNorms(NamedTuple):
    """The norms of one tensor or layer, one for each step of its log, and at which steps there is none (a byte for each)."""

    name: str
    norms: "array[float]"
    absent: bytearray | None = None


class NormLog(NamedTuple):
    """The norms of a log in the order of their steps; a norm that is not finite is one of a step that is not.

    `steps` is None where none is logged; `epochs` is known only then, if at all. `candidates` are the columns that could be
    meant. `scale` is the largest loss scale that is logged beside the norms. `digits` says how many digits the log writes.
    """

    path: str
    kind: str
    column: str
    steps: "array[int] | None"
    norms: "array[float]"
    tensors: Sequence[TensorNorms] = ()
    candidates: Sequence[str] = ()
    epochs: "array[float] | None" = None
    scale: float | None = None
    digits: int | None = None
    notes: Sequence[Note] = ()
