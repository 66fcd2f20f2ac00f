"""The options of strategies that look at weights, or limit each unit of a tensor."""

import click

from gradclip_cli.cli.help import NORM, grouped
from gradclip_cli.cli.types import PATH, REAL
from gradclip_cli.inputs.unit_axis import AUTO, AXES, MIN_WEIGHT_NORM

weights_option = click.option(
    "--weights",
    type=PATH,
    multiple=True,
    metavar="PATH",
    help="Read weights: one dump, or one for each step.",
)

lr_option = click.option(
    "--lr",
    type=REAL,
    metavar="X",
    help="Show update ratios: the learning rate times the norms of gradients over those of weights.",
)

unit_options = grouped(
    NORM,
    click.option(
        "--min-weight-norm",
        type=REAL,
        default=MIN_WEIGHT_NORM,
        show_default=True,
        metavar="X",
        help="Let adaptive-clip take each unit of weights for at least this norm.",
    ),
    click.option(
        "--unit-axis",
        type=click.Choice(AXES),
        default=AUTO,
        show_default=True,
        help="Say which axis holds the outputs: PyTorch stores it first, Flax and Keras last.",
    ),
    rare=True,
)
