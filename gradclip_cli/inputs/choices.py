"""The user's choices about which files are dumps, and which of them belong together."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Choices:
    """How paths become dumps: with `shards`, all files of a step are one dump, and each holds pieces of its tensors."""

    shards: bool = False


DEFAULT = Choices()
