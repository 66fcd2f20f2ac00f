"""Headers that one call has parsed: neither a second reading of a file nor the next dump of a series parses the same again."""

from typing import Any

from gradclip_cli.storage.fingerprint import Fingerprint


class Headers:
    """What formats parsed: of every file by its fingerprint where `keep` is set, and of the last file by the bytes of its header.

    It belongs to one call, and to the thread that opens its dumps.
    """

    def __init__(self, keep: bool = False) -> None:
        self._keep = keep
        self._of: dict[Fingerprint, Any] = {}
        self._last: tuple[object, Any] | None = None

    def of_file(self, fingerprint: Fingerprint) -> Any | None:
        """Return what was parsed of this very file."""
        return self._of.get(fingerprint)

    def of_bytes(self, data: object) -> Any | None:
        """Return what was parsed of the last header, if that was the same; of a million tensors it takes seconds."""
        return self._last[1] if self._last is not None and self._last[0] == data else None

    def add(self, fingerprint: Fingerprint, data: object, header: Any) -> None:
        """Take note of what was parsed of a file, and from what."""
        self._last = data, header
        if self._keep:
            self._of[fingerprint] = header
