"""Open a file in the format that its first bytes show."""

from collections.abc import Iterator
from contextlib import contextmanager

from gradclip_cli.errors import InputError
from gradclip_cli.formats import FORMATS, by_name
from gradclip_cli.formats.base import Format, Options, Reader, check_shapes
from gradclip_cli.formats.foreign import HEAD, about
from gradclip_cli.storage.fingerprint import Fingerprint, changed
from gradclip_cli.storage.random_access import InputFile, RandomAccess


@contextmanager
def opened(
    path: str, options: Options, name: str | None = None, fingerprint: Fingerprint | None = None
) -> Iterator[tuple[Format, Reader]]:
    """Open a file in the format `name`, or else in the one that its first bytes show.

    Raises InputError if the file is no dump, cannot be read, or no longer has the given fingerprint.
    """
    with InputFile(path) as file:
        format = by_name(name) if name else _recognised(file)
        file.complete()  # only now: a pipe that is no dump may never end
        if fingerprint not in (None, file.fingerprint):
            raise changed(path)
        reader = format.open_reader(file, options)
        try:
            check_shapes(reader)
            yield format, reader
        finally:
            reader.close()


def _recognised(file: RandomAccess) -> Format:
    head = file.read(0, HEAD)
    for name in () if file.path.lower().endswith(".distcp") else FORMATS:
        if by_name(name).matches(head, file):
            return by_name(name)
    if not head:
        raise InputError("it is empty; save the gradients again", path=file.path)
    otherwise = f"is none of {', '.join(FORMATS)}; save the gradients with one of their libraries"
    raise InputError(about(head, file.path) or otherwise, path=file.path)
