"""Compare two machines before they share work: the versions they run, and the bits of the sums that their processors find."""

import hashlib
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gradclip_cli._version import __version__
from gradclip_cli.numerics.norms import BLOCK, block_sums
from gradclip_cli.numerics.workspace import Workspace


class Identity(NamedTuple):
    """What the bits of a figure depend on: versions, and a hash of the sums of one block for each norm type."""

    version: str
    numpy: str
    sums: tuple[tuple[float, str], ...]

    def refusal(self, other: "Identity") -> str | None:
        """Say why a machine cannot work for this one; None if it can."""
        if other.version != self.version:
            return f"runs gradclip {other.version}, this is {self.version}; install the same"
        if other.numpy != self.numpy:
            return f"has numpy {other.numpy}, this one {self.numpy}, whose figures may differ; install the same"
        differing = [f"{p:g}" for (p, mine), (_, theirs) in zip(self.sums, other.sums, strict=True) if mine != theirs]
        if differing:
            return f"its processor sums powers to other bits, for norms with p = {', '.join(differing)}"
        return None


@lru_cache(8)
def identity(types: tuple[float, ...]) -> Identity:
    """Return the identity of this machine for these norm types."""
    return Identity(__version__, np.__version__, tuple((p, _hashed(p)) for p in types))


def _hashed(p: float) -> str:
    """Hash the sums Σ|x|^P of a block of fixed numbers, in float32 and float64, near 1 and tiny."""
    bits = (np.arange(1, BLOCK + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(11)
    block, found = (bits * 2.0**-53).reshape(1, BLOCK), hashlib.sha256()
    for rows in (block, block.astype(np.float32), block * 1e-200):
        exponents, sums = block_sums(rows, p, rows.max(axis=1), Workspace())
        found.update(exponents.tobytes() + sums.tobytes())
    return found.hexdigest()[:16]
