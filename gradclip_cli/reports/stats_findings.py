"""The rows of `stats` that say what stands out: what is not finite, explodes, grows or vanishes, and where norms go."""

from typing import NamedTuple

from gradclip_cli.reports.stats_thresholds import Ranges


class NonfiniteTensor(NamedTuple):
    """A tensor with elements that are NaN or infinite, in the first dump in which it has any.

    `kind` (`NaN`, `+Inf` or `-Inf`) and `index` are those of the first in row-major order. The index is within the whole
    tensor, or within the piece of it in `file` where nothing says where that piece belongs.
    """

    input: str | list[str]
    step: int | None
    name: str
    nan: int
    posinf: int
    neginf: int
    elements: int
    kind: str
    index: list[int]  # type: ignore[assignment]  # a key of JSON, which hides the method of tuples
    file: str | None


class Exploding(NamedTuple):
    """The step whose norm is highest above its neighbours, `times` their median; `steps` are all that explode."""

    input: str | list[str]
    step: int | None
    norm: float
    times: float
    count: int  # type: ignore[assignment]  # hides `tuple.count`, which nobody calls
    steps: Ranges | None


class Growing(NamedTuple):
    """A block whose norms grow slowly, from the level `start` to the level `end`, from the step `since` on until the step `until`."""

    block: str
    start: float
    end: float
    since: int | None
    until: int | None


class Vanishing(NamedTuple):
    """Tensors whose norm is so small at every step that it is lost: their blocks, how many they are, and their usual norm."""

    blocks: list[str]
    tensors: int
    norm: float


class BlockRise(NamedTuple):
    """How high a block rises: its largest norm over its median; None where that is 0."""

    block: str
    median: float
    max: float
    row: int
    times: float | None


class StatsTrend(NamedTuple):
    """Where the norms of dumps go over the run: they `kind` (falls, rises, steps or steady) from `start` to `end`.

    `settled` is the first step of the part at that level, `threshold` what percentile:90 chooses by that part alone.
    """

    kind: str
    start: float
    end: float
    settled: int | None
    threshold: float | None


class Peak(NamedTuple):
    """The largest element of the leading tensor of the largest step of a series, and the slice that holds most of its square.

    `slice` is that of `slices` along axis 0 which holds more than half of the square of the tensor, and so stands out;
    `share` is what it holds, and both are None where none does. `file` holds the piece that the index and the slice are in,
    where nothing says where that piece belongs.
    """

    input: str | list[str]
    step: int | None
    name: str
    max_abs: float
    index: list[int]  # type: ignore[assignment]  # a key of JSON, which hides the method of tuples
    slice: int | None
    slices: int
    share: float | None
    file: str | None
