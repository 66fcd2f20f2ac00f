"""npz: a zip archive of `.npy` arrays, stored or deflated; never a pickle."""

from gradclip_cli.formats.base import Format
from gradclip_cli.formats.npz.reader import NpzReader, matches
from gradclip_cli.formats.npz.writer import convert, rewrite

NPZ = Format("npz", (".npz",), False, matches, NpzReader, rewrite, convert)
