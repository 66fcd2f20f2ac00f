"""npz: a zip archive of `.npy` arrays, stored or deflated; never a pickle."""

from gradclip_cli.formats.npz.reader import open
from gradclip_cli.formats.npz.writer import convert, rewrite
from gradclip_cli.storage.random_access import RandomAccess

__all__ = ["convert", "fits", "keeps_places", "name", "open", "rewrite", "suffixes"]

name = "npz"
suffixes = (".npz",)
keeps_places = False


def fits(head: bytes, file: RandomAccess) -> bool:
    """Tell by the signature of a zip archive."""
    return head[:4] in (b"PK\x03\x04", b"PK\x05\x06")
