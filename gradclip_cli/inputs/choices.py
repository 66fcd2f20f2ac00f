"""The user's choices about which files are dumps, and which of them belong together."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from os.path import basename

from gradclip_cli.errors import UsageError

REPEATED = ("first", "last", "keep", "error")
"""What can be done about a step that is there twice, in different folders."""


@dataclass(frozen=True)
class Choices:
    """How paths become dumps.

    `files` are shell-style patterns for the base names of files. With `shards`, all files of a step are one dump, and each
    holds pieces of its tensors. `repeated` says what to take where a step is there twice; None is `last`, unless more than
    that is doubtful. With `everything`, each file that is found is listed, whatever it is.
    """

    files: tuple[str, ...] = ()
    shards: bool = False
    repeated: str | None = None
    everything: bool = False

    def __post_init__(self) -> None:
        if self.repeated not in (None, *REPEATED):
            raise UsageError(f"repeated must be one of {', '.join(REPEATED)}, not {self.repeated!r}")

    def takes(self, path: str) -> bool:
        """Whether a file is among those that the user wants."""
        return not self.files or any(fnmatchcase(basename(path), pattern) for pattern in self.files)


DEFAULT = Choices()
