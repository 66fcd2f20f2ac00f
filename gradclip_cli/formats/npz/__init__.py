"""npz: a zip archive of `.npy` arrays, stored or deflated; never a pickle."""

from gradclip_cli.formats.base import Format
from gradclip_cli.formats.npz.reader import NpzReader, matches
from gradclip_cli.formats.npz.writer import convert, retype, rewrite
from gradclip_cli.numerics.dtypes import BFLOAT16, FLOAT32

_STAND_INS = {BFLOAT16.name: FLOAT32}

NPZ = Format("npz", (".npz",), False, matches, NpzReader, rewrite, convert, retype, _STAND_INS)
