"""Answer the requests of a parent process one after the other, each within its limits."""

import gc
import os
import socket
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any

from gradclip_cli.errors import GradclipError, OutputError
from gradclip_cli.formats.hdf5.limits import Limits, limit, rest, settle
from gradclip_cli.formats.hdf5.messages import Message, receive, send

Service = Callable[[str, list[Any], Message], tuple[Any, Any]]
"""Answers a request, given its name and arguments, with a plain value and raw bytes."""


_MARKS = 3
"""The descriptor that tells the parent which part of a request is begun."""


def begin(message: Message) -> None:
    """Begin the next part of a request: it has the limits of a request of its own, and is to blame if the library dies."""
    os.write(_MARKS, b".")
    limit(Limits(*message.value[2:]))


def serve(parent: int, service: str) -> None:
    """Answer the requests that arrive on descriptor 0 until it is closed; `service` is `module:function`."""
    settle(parent)
    gc.freeze()  # collecting the objects of the parent would copy their pages
    module, _, name = service.partition(":")
    start: Callable[[], Service] = getattr(import_module(module), name)
    channel, answer = socket.socket(fileno=0), start()
    while (message := receive(channel)) is not None:
        request, arguments, *limits = message.value
        limit(Limits(*limits))
        reply = _answered(answer, request, arguments, message)
        rest()
        send(channel, reply)


def _answered(answer: Service, request: str, arguments: list[Any], message: Message) -> Message:
    """Answer a request, or report the error; an unexpected one comes with its traceback."""
    try:
        value, payload = answer(request, arguments, message)
        return Message(["done", value], payload)
    except GradclipError as error:
        kind = "output" if isinstance(error, OutputError) else "input"
        return Message([kind, [error.message, error.tensor]])
    except MemoryError:
        return Message(["memory", None])
    except Exception:  # noqa: BLE001 (the parent raises it)
        return Message(["bug", traceback.format_exc()])
    finally:
        for fd in message.files:
            os.close(fd)
