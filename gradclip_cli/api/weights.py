"""Find the weights beside gradients, for the functions that take them."""

from contextlib import suppress

from gradclip_cli.api.arguments import Paths, paths_of
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.discovery import Found, find_dumps
from gradclip_cli.storage.streams import STANDARD


def weights_at(paths: Paths, *, shards: bool = False) -> Found:
    """Return the dumps of weights at a path or several; with `shards`, files of ranks are one dump, as those of gradients are."""
    found = paths_of(paths)
    if STANDARD in found:
        raise UsageError("weights are read from files, not from standard input")
    if shards and found:
        with suppress(UsageError):  # they may lie in whole files
            return find_dumps(found, Choices(shards=True, alone=True))
    return find_dumps(found) if found else Found(())
