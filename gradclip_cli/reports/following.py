"""What `stats --follow` says of a run that goes on, besides the norms of its dumps: a line of JSON each."""

from typing import NamedTuple


class Explodes(NamedTuple):
    """A dump whose norm is `times` the median of its neighbours; it may be known only when dumps after it have come."""

    scope: str
    event: str
    input: str | list[str]
    step: int | None
    norm: float
    times: float


class NotFinite(NamedTuple):
    """A dump with NaN or infinities: how many, and the tensor that the backward pass reached first.

    The tensor is None where it was not finite before; both are None for the norm of a log.
    """

    scope: str
    event: str
    input: str | list[str]
    step: int | None
    nonfinite: int | None
    tensor: str | None


class Threshold(NamedTuple):
    """The threshold for a strategy from all dumps so far, when its first four digits change; `before` is the last that was said."""

    scope: str
    event: str
    strategy: str
    rule: str | None
    threshold: float | None
    before: float | None
    dumps: int


Event = Explodes | NotFinite | Threshold
