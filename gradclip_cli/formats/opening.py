"""Open a file in the format that its first bytes show."""

from types import TracebackType

from gradclip_cli.errors import InputError
from gradclip_cli.formats import FORMATS, by_name
from gradclip_cli.formats.base import Format, Options, Reader, check_shapes
from gradclip_cli.formats.foreign import HEAD, about
from gradclip_cli.storage.base import RandomAccess
from gradclip_cli.storage.fingerprint import Fingerprint, changed
from gradclip_cli.storage.random_access import open_input


class opened:  # noqa: N801 (a context, as those of contextlib)
    """Open a file in the format `name`, or else in the one that its first bytes show; as a context, give format and reader.

    Raises InputError if the file is no dump, cannot be read, or no longer has the given fingerprint. A class, since for a
    small dump a generator takes a tenth of the time.
    """

    def __init__(
        self, path: str, options: Options, name: str | None = None, fingerprint: Fingerprint | None = None
    ) -> None:
        self._file = open_input(path)
        self._reader: Reader | None = None
        sound = False
        try:
            self._format, self._reader = _open(self._file, options, name, fingerprint)
            check_shapes(self._reader)
            sound = True
        finally:
            if not sound:
                self._close()

    def __enter__(self) -> tuple[Format, Reader]:
        if self._reader is None:
            raise ValueError("the file is closed")
        return self._format, self._reader

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        reader, self._reader = self._reader, None
        try:
            if reader is not None:
                reader.close()
        finally:
            self._file.close()


def _open(
    file: RandomAccess, options: Options, name: str | None, fingerprint: Fingerprint | None
) -> tuple[Format, Reader]:
    format = by_name(name) if name else _recognised(file)
    file.complete()  # only now: a pipe that is no dump may never end
    if fingerprint is not None and fingerprint.anywhere != file.fingerprint.anywhere:
        raise changed(file.path)
    return format, format.open_reader(file, options)


def _recognised(file: RandomAccess) -> Format:
    head = file.read(0, HEAD)
    for name in () if file.path.lower().endswith(".distcp") else FORMATS:
        if by_name(name).matches(head, file):
            return by_name(name)
    if not head:
        raise InputError("it is empty; save the gradients again", path=file.path)
    otherwise = f"is none of {', '.join(FORMATS)}; save the gradients with one of their libraries"
    raise InputError(about(head, file.path) or otherwise, path=file.path)
