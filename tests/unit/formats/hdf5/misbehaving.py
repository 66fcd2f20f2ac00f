"""A service for child processes that does what damaged files make a library do."""

import os
import signal
from typing import Any

from gradclip_cli.errors import InputError
from gradclip_cli.formats.hdf5.messages import Message
from gradclip_cli.formats.hdf5.serving import Service, begin


def start() -> Service:
    """Return what answers requests."""
    return answer


def answer(request: str, arguments: list[Any], message: Message) -> tuple[Any, Any]:
    """Answer with what was sent, or misbehave."""
    if request.startswith("begin"):
        _begin(arguments[-1], message)
    if request.endswith("die"):
        os.kill(os.getpid(), signal.SIGSEGV)
    elif request == "work":
        while True:
            pass
    elif request == "hang":
        while True:
            signal.pause()
    elif request == "eat":
        return len(bytearray(arguments[0])), b""
    elif request == "refuse":
        raise InputError("is not wanted", tensor="w")
    elif request == "fail":
        return arguments[len(arguments)], b""
    look = request == "look"
    return (os.pread(message.files[0], 100, 0).decode(), b"") if look else (arguments, message.payload)


def _begin(parts: int, message: Message) -> None:
    for _ in range(parts):
        begin(message)
