"""Answer what is asked about URLs, and open and upload the files that they name: the remote side of `storage.locations`."""

from collections.abc import Hashable, Sequence
from errno import ENOENT, ENOTDIR
from functools import cache
from os import strerror

from gradclip_cli.errors import InputError, OutputError, UsageError
from gradclip_cli.storage.fingerprint import Fingerprint
from gradclip_cli.storage.remote.client import FAILURES, client, wait
from gradclip_cli.storage.remote.failures import Failure, failure
from gradclip_cli.storage.remote.file import RemoteFile, fingerprint_by
from gradclip_cli.storage.remote.folders import RECENT, Folders, RemoteEntry
from gradclip_cli.storage.remote.heads import Heads, asked
from gradclip_cli.storage.remote.uploads import ObjectUpload
from gradclip_cli.storage.remote.urls import BUCKETS, Url, canonical, parsed


class Objects:
    """The files and folders of all remote schemes. A folder is a prefix of keys; a web server has none."""

    def __init__(self) -> None:
        self._folders = Folders()
        self._heads = Heads(self._folders)

    def exists(self, location: str) -> bool:
        """Whether there is a file, or a folder of some."""
        return self.is_file(location) or self.is_folder(location)

    def is_folder(self, location: str) -> bool:
        """Whether some key continues that of a URL after a slash; a file of the same name that is not empty is a file."""
        url = parsed(location)
        if url.scheme in ("http", "https"):
            return url.is_folder
        around = self._folders.known_around(url)
        if around is not None:
            name = url.key.rpartition("/")[2]
            return name in around.folders and (url.is_folder or name not in around.files)
        if not url.is_folder and (head := self._heads.of(location)) is not None and head.meta.size:
            return False
        found = self._folders.listing(url, location)
        return bool(found.files or found.folders or not url.key)

    def is_file(self, location: str) -> bool:
        """Whether there is an object of this key, or a page of this address."""
        url = parsed(location)
        if url.is_folder:
            return False
        around = self._folders.known_around(url)
        if around is not None:
            return url.key.rpartition("/")[2] in around.files
        head = self._heads.of(location)
        return head is not None and (head.meta.size > 0 or not self.is_folder(location))

    def entries(self, folder: str) -> list[RemoteEntry]:
        """Return what stands in a folder. Raises OSError if nothing does, InputError if the store does not say."""
        url = parsed(folder)
        if url.scheme in ("http", "https"):
            raise NotADirectoryError(
                ENOTDIR, "a web server does not list its files; name each of them, or an index", folder
            )
        found = self._folders.listing(url, folder)
        if url.key and not found.files and not found.folders:
            raise _missing(folder)
        folders = [name for name in found.folders if name not in found.files]
        return [RemoteEntry(name, False) for name in found.files] + [RemoteEntry(name, True) for name in folders]

    def size(self, location: str) -> int:
        """Return the size of a file in bytes. Raises FileNotFoundError if there is none."""
        url = parsed(location)
        around = self._folders.known_around(url)
        known = around.files.get(url.key.rpartition("/")[2]) if around is not None else None
        if known is not None:
            return known.size
        head = self._heads.of(location)
        if head is None:
            raise _missing(location)
        return head.meta.size

    def identity(self, location: str) -> Hashable:
        """Return the URL in the one spelling that all of its spellings have. Raises FileNotFoundError if nothing is there."""
        if not self.exists(location):
            raise _missing(location)
        return canonical(location)

    def open(self, location: str) -> RemoteFile:
        """Open a file by one request, which brings its head, its size and its ETag."""
        url = parsed(location)
        if url.is_folder:
            raise InputError("is a directory; give a gradient dump", path=location)
        head = self._heads.taken(location)
        if head is None:
            if url.scheme in BUCKETS and self.is_folder(location):
                raise InputError("is a directory; give a gradient dump", path=location)
            raise InputError(_gone(url), path=location)
        return RemoteFile(location, url, client(url), head)

    def fingerprint(self, location: str, *, recent: bool = False) -> Fingerprint:
        """Return the state of a file now, or as the last listing of its folder has it."""
        url = parsed(location)
        around = self._folders.known_around(url, RECENT) if recent else None
        listed = around.files.get(url.key.rpartition("/")[2]) if around is not None else None
        if listed is not None and listed.pin is not None:
            return fingerprint_by(location, url, listed)
        found = wait(lambda: asked(url, location, 1))
        if found is None:
            raise InputError(_gone(url), path=location)
        return fingerprint_by(location, url, found.meta)

    def check_output(self, location: str) -> None:
        """Raise if nothing can be written to a URL, or below it: it must be in a bucket that there is."""
        url = parsed(location)
        if url.scheme not in BUCKETS:
            writable = " or ".join(f"{scheme}://" for scheme in BUCKETS)
            raise UsageError(f"{location} can only be read; write to a file, or to {writable}")
        around = url._replace(key=url.key.rpartition("/")[0], is_folder=True)
        try:
            self._folders.listing(around, location)
        except InputError as error:
            if not self.is_hidden(error):
                raise OutputError(error.message, path=error.path) from error

    def is_hidden(self, error: InputError) -> bool:
        """Whether an error says no more than that the user may not see what is there."""
        cause = error.__cause__
        return isinstance(cause, FAILURES) and failure(cause) is Failure.FORBIDDEN

    def upload(self, location: str, overwrite: bool) -> ObjectUpload:
        """Begin an output; nothing is asked of the network before there is something to send."""
        url = parsed(location)
        return ObjectUpload(location, url, client(url), overwrite, self.forget)

    def expect(self, locations: Sequence[str]) -> None:
        """Say which files will be opened next, in this order; their heads are fetched early."""
        self._heads.expect(locations)

    def forget(self) -> None:
        """Forget what was heard of files and folders, which may be others by now."""
        self._folders.forget()
        self._heads.forget()


@cache
def objects() -> Objects:
    """Return what all remote schemes share."""
    return Objects()


def _missing(location: str) -> FileNotFoundError:
    return FileNotFoundError(ENOENT, strerror(ENOENT), location)


def _gone(url: Url) -> str:
    return f"does not exist; check the {'key' if url.scheme in BUCKETS else 'URL'}"
