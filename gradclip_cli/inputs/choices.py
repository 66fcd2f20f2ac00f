"""The user's choices about which files are dumps, and which of them belong together."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from os.path import basename

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.wanted_steps import WantedSteps

REPEATED = ("first", "last", "keep", "error")
"""Which of the dumps of a step counts that several folders or files hold."""

ACCUMULATE = ("mean", "sum")
"""How the micro-batches of a step become one dump."""


@dataclass(frozen=True)
class Choices:
    """How paths become dumps.

    `files` are shell-style patterns for the base names of files. With `shards`, all files of a step are one dump, and each
    holds pieces of its tensors. `repeated` says what to take where a step is there twice; None is `last`, unless the dumps
    look like two runs, or like parts of one dump. With `everything`, each file that is found is listed, whatever it is. With
    `accumulate`, all files of a step in a folder are micro-batches of one dump, their mean or their sum. With `alone`, one
    dump is taken as it is even where `shards` asks for files of ranks. Of several steps, `steps` are taken; with `whole_files`,
    no step of a file without the others.
    """

    files: tuple[str, ...] = ()
    shards: bool = False
    repeated: str | None = None
    everything: bool = False
    accumulate: str | None = None
    alone: bool = False
    steps: WantedSteps | None = None
    whole_files: bool = False

    def __post_init__(self) -> None:
        if self.repeated not in (None, *REPEATED):
            raise UsageError(f"repeated must be one of {', '.join(REPEATED)}, not {self.repeated!r}")
        if self.accumulate not in (None, *ACCUMULATE):
            raise UsageError(f"accumulate must be one of {', '.join(ACCUMULATE)}, not {self.accumulate!r}")
        if self.accumulate and self.shards:
            raise UsageError("--accumulate and --shards exclude each other: files are micro-batches, or they are ranks")

    def takes(self, path: str) -> bool:
        """Whether a file is among those that the user wants."""
        return not self.files or any(fnmatchcase(basename(path), pattern) for pattern in self.files)


DEFAULT = Choices()
