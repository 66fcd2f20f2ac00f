"""Tell files that are whole from those that are still being written to, by looking at them again and again."""

from collections.abc import Callable, Sequence

from gradclip_cli.storage.stamps import Stamp, stamp_of

State = tuple[int | str, ...]


class Settling:
    """Remembers in which state files were when they were last looked at; `look` tells the stamp of a file."""

    def __init__(self, look: Callable[[str], Stamp | None] = stamp_of) -> None:
        self._look = look
        self._seen: dict[str, State] = {}

    def state(self, files: Sequence[str]) -> tuple[State, ...] | None:
        """Return the state of files that are all settled: old enough, or as they were when they were last looked at.

        None if any is not: what a program writes is looked at again later. An object in a store is whole by nature.
        """
        stamps = [self._look(path) for path in files]
        found = [self._settled(path, stamp) for path, stamp in zip(files, stamps, strict=True)]
        return tuple(stamp.state for stamp in stamps if stamp is not None) if all(found) else None

    def _settled(self, path: str, stamp: Stamp | None) -> bool:
        if stamp is None:  # it is not there any more, or is no regular file, of which reading will tell
            return True
        before, self._seen[path] = self._seen.get(path), stamp.state
        return stamp.is_old or before == stamp.state
