"""Find the weights beside gradients, for the functions that take them."""

from gradclip_cli.api.arguments import Paths, paths_of
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.discovery import Found, find_dumps
from gradclip_cli.storage.streams import STANDARD


def weights_at(paths: Paths) -> Found:
    """Return the dumps of weights at a path or several."""
    found = paths_of(paths)
    if STANDARD in found:
        raise UsageError("weights are read from files, not from standard input")
    return find_dumps(found) if found else Found(())
