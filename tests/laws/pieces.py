"""Pieces of any size."""

import pytest

from gradclip_cli import tensors
from gradclip_cli.engine import row_major
from gradclip_cli.formats.hdf5 import chunks


def patch_pieces(patch: pytest.MonkeyPatch, size: int) -> None:
    """Set how much of a tensor is read, turned or unpacked at once, in bytes."""
    patch.setattr(tensors, "PIECE_BYTES", size)
    patch.setattr(row_major, "TURNED_BYTES", size)
    patch.setattr(chunks, "BAND_BYTES", size)
