"""A Dask worker with something odd about it: python -m support.odd_worker ODDITY, then the arguments of `dask worker`."""

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distributed.cli.dask_worker import main

from gradclip_cli.engine.executors import canary, held_uploads, orders
from gradclip_cli.storage import random_access, seen_from

MARK = Path("mark")
"""Tells tests that an order has arrived; beside it, `gate` holds orders up as long as it is there."""


def _version() -> None:
    canary.__dict__["__version__"] = "0.0.1"


def _sums() -> None:
    canary.__dict__["_hashed"] = lambda p: "other"


def _late() -> None:
    """Show other sums only at the first order, as a worker does that came later than the client."""
    identity = canary.Identity("0.0.1", "0", ())
    orders.__dict__["identity"] = lambda types: identity


def _dies() -> None:
    """Be killed by every order about a file named after death, or by the first if `mark` is not there yet."""
    real = orders._done

    def done(order: orders.Order) -> Any:
        if b"deadly" in order.task + order.items or not MARK.exists():
            MARK.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return real(order)

    orders.__dict__["_done"] = done


def _waits() -> None:
    """Leave a mark, and wait while the gate is closed."""
    real = orders._done

    def done(order: orders.Order) -> Any:
        MARK.touch()
        while Path("gate").exists():
            time.sleep(0.01)
        return real(order)

    orders.__dict__["_done"] = done


def _blind() -> None:
    """See no input."""
    for module in (orders, random_access, seen_from):
        module.__dict__["place_of"] = lambda path: f"/nowhere{path}"


def _brief() -> None:
    """Hold outputs for some seconds only that no client asks after."""
    held_uploads.__dict__["LEASE"] = 5.0


def _full() -> None:
    """Have room for a megabyte in each file."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


if __name__ == "__main__":
    oddities: list[Callable[[], None]] = [_version, _sums, _late, _dies, _waits, _blind, _brief, _full]
    {oddity.__name__[1:]: oddity for oddity in oddities}[sys.argv.pop(1)]()
    main()
