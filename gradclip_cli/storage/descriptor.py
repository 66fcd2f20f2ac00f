"""An open file that another process can be given."""

from typing import NoReturn


class Descriptor:
    """The descriptor of an open file; it can be sent to another process only together with the file (`executors.sending`)."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __reduce__(self) -> NoReturn:
        raise TypeError("an open file can only be sent together with its descriptor")
