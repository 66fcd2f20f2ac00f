"""Options about what counts, and in which units: copies, ties, and the loss scale."""

import click

from gradclip_cli.cli.help import COUNTED, grouped
from gradclip_cli.cli.types import TENSORS, UNSCALE
from gradclip_cli.inputs.selection import TIED

replicated_option = grouped(
    COUNTED,
    click.option(
        "--replicated",
        type=TENSORS,
        multiple=True,
        metavar="PATTERN",
        help="Count once the tensors whose names match: each file holds a copy, not a piece (repeatable).",
    ),
    rare=True,
)

copies_options = grouped(
    COUNTED,
    replicated_option,
    click.option(
        "--tied",
        type=click.Choice(TIED),
        default="twice",
        show_default=True,
        help="Count tensors of a dump that have the same bits, such as tied embeddings, twice or once.",
    ),
    rare=True,
)

unscale_option = grouped(
    COUNTED,
    click.option(
        "--unscale",
        type=UNSCALE,
        metavar="NUMBER|KEY",
        help="Divide norms by the loss scale: this number, or what the metadata of each file holds under this key.",
    ),
    rare=True,
)
