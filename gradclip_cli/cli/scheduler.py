"""The option that gives the work to a cluster."""

import click

from gradclip_cli.cli.help import RUN, grouped

scheduler_option = grouped(
    RUN,
    click.option(
        "--scheduler",
        metavar="URL",
        help="Work on a Dask cluster that shares the file system: tcp://HOST:PORT, or tls://.",
    ),
    rare=True,
)
