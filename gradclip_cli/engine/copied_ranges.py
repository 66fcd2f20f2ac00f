"""Copy the ranges of a file that an output has unchanged, here or where the work is done."""

from collections.abc import Iterable
from typing import NamedTuple

from gradclip_cli.engine.executors.progress import Progress, portable
from gradclip_cli.formats.copy_ranges import Copy
from gradclip_cli.formats.portable import PortableReader
from gradclip_cli.storage.base import RandomAccess
from gradclip_cli.storage.descriptor import Descriptor
from gradclip_cli.storage.fingerprint import changed
from gradclip_cli.storage.random_access import copy_at, open_input

_COPIED = 64 << 20


class CopyTask(NamedTuple):
    """Copies ranges of a file to an output; it can be sent with that."""

    source: PortableReader
    file: Descriptor
    output: str
    progress: Progress

    def copy(self, part: Copy) -> None:
        """Copy a range in another process; raise InputError if the file has changed."""
        path, fingerprint = self.source.fingerprints[0]
        with open_input(path) as file:
            if file.fingerprint.anywhere != fingerprint.anywhere:
                raise changed(path)
            self.copy_from(file, part)

    def copy_from(self, file: RandomAccess, part: Copy) -> None:
        """Copy a range of an open file."""
        copy_at(file, part.source, self.file.fd, part.target, part.nbytes, self.output)
        self.progress(part.nbytes, self.source.path)

    def __reduce__(self) -> tuple[type["CopyTask"], tuple[object, ...]]:
        return CopyTask, (*self[:-1], portable(self.progress))


def in_parts(copies: Iterable[Copy]) -> list[Copy]:
    """Split copies into parts of at most 64 MiB: progress is reported after each."""
    return [
        Copy(copy.source + start, copy.target + start, min(_COPIED, copy.nbytes - start))
        for copy in copies
        for start in range(0, copy.nbytes, _COPIED)
    ]
