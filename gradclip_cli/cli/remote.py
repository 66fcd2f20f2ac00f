"""Options of what is beyond this machine: how remote files are asked for, which every command has that reads dumps, and a cluster."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from gradclip_cli.cli.help import RUN, combined, grouped
from gradclip_cli.cli.types import COUNT, REAL
from gradclip_cli.storage.remote.settings import CONNECTIONS, TIMEOUT, Settings, using

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--connections",
        type=COUNT,
        default=CONNECTIONS,
        metavar="N",
        show_default=True,
        help="Ask a remote store for at most N ranges at a time.",
    ),
    click.option("--anonymous", is_flag=True, help="Sign no requests to remote stores: for public buckets."),
    click.option(
        "--timeout",
        type=REAL,
        default=TIMEOUT,
        metavar="SECONDS",
        show_default=True,
        help="Give a remote store up after so many seconds without a byte.",
    ),
)

scheduler_option = grouped(
    RUN,
    click.option(
        "--scheduler",
        metavar="URL",
        help="Work on a Dask cluster that shares the file system: tcp://HOST:PORT, or tls://.",
    ),
    rare=True,
)


def remote_options(command: Command) -> Command:
    """Add the options of remote files to a command, which runs under what they say."""

    @wraps(command)
    def under(connections: int, anonymous: bool, timeout: float, **options: Any) -> Any:
        with using(Settings(connections, anonymous, timeout, lean=True)):
            return command(**options)

    declared: Callable[[Any], Any] = grouped(RUN, combined(*_OPTIONS), rare=True)
    found: Command = declared(under)
    return found
