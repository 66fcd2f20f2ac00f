"""Find the weights beside gradients, for the functions that take them."""

from contextlib import suppress

from gradclip_cli.api.arguments import Paths, paths_of
from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.choices import Choices
from gradclip_cli.inputs.discovery import Found, find_dumps
from gradclip_cli.storage.streams import STANDARD


def weights_at(paths: Paths, *, shards: bool = False) -> Found:
    """Return the dumps of weights at a path or several.

    Files of ranks are one dump, with `shards` even if their names do not say so: weights are one dump, or one of each step.
    """
    found = paths_of(paths)
    if STANDARD in found:
        raise UsageError("weights are read from files, not from standard input")
    if not found:
        return Found(())
    together = Choices(shards=True, alone=True)
    if shards:
        with suppress(UsageError):  # they may lie in whole files
            return find_dumps(found, together)
    apart = find_dumps(found)
    return find_dumps(found, together) if any(note.kind == "ranks" for note in apart.notes) else apart
