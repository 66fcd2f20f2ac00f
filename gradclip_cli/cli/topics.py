"""The command `gradclip help`: the help of a command, and pages on topics."""

from collections.abc import Callable, Mapping
from textwrap import fill

import click

from gradclip_cli.cli import COMMANDS, EXIT_CODES, Command, help_text
from gradclip_cli.cli.help import examples
from gradclip_cli.cli.output import standard_output
from gradclip_cli.cli.types import Parsed
from gradclip_cli.text import did_you_mean, plain
from gradclip_cli.thresholds.adaptive import ADAPTIVE_RULES
from gradclip_cli.thresholds.rules import RULES

_DUMP = """\
A dump is one file a step, named after it: run/step_000042.safetensors. Save it
after backward() and before clipping.

PyTorch: Capture writes every 500th step here, and the four last ones when the
norm jumps or is not finite; DDP, FSDP2 and tensor parallelism: on every rank

    from gradclip_cli.torch import Capture

    capture = Capture("run/", model, every=500, last=4)
    for batch in data:
        loss(model(batch)).backward()  # GradScaler: then unscale_(optimizer)
        capture()                      # before clip_grad_norm_

Lightning: as a callback

    Trainer(callbacks=[Capture.lightning("run/", every=500, last=4)])

HF Trainer: before train(); it sees what max_grad_norm clips

    Capture.attach(trainer, "run/", every=500, last=4)

PyTorch by hand: dump(model, step), with DDP on rank 0 alone; make run/ first

    from safetensors.torch import save_file

    def dump(model, step):
        grads = {name: p.grad.detach().cpu().contiguous()
                 for name, p in model.named_parameters() if p.grad is not None}
        save_file(grads, f"run/step_{step:06}.safetensors")

JAX: dump(grads, step) for the gradients of any pytree, so of Flax, too

    import jax
    from safetensors.flax import save_file

    def dump(grads, step):
        named = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf
                 for path, leaf in jax.tree_util.tree_leaves_with_path(grads)}
        save_file(named, f"run/step_{step:06}.safetensors")

Keras 3: model.compile(DumpingAdam(1e-3), loss, run_eagerly=True)

    import keras, numpy
    from safetensors.numpy import save_file

    class DumpingAdam(keras.optimizers.Adam):
        def apply(self, grads, trainable_variables=None):
            variables = trainable_variables or self._trainable_variables
            arrays = map(keras.ops.convert_to_numpy, grads)
            named = {variable.path: numpy.asarray(array, order="C")
                     for variable, array in zip(variables, arrays)}
            save_file(named, f"run/step_{int(self.iterations):06}.safetensors")
            super().apply(grads, trainable_variables)

Then: gradclip stats run/\
"""


def _exit_codes() -> str:
    return "\n".join(f"{code:>5}  {meaning}" for code, meaning in EXIT_CODES.items())


def _rules() -> str:
    rows = [(str(rule), rule.source) for rule in (*RULES, *ADAPTIVE_RULES)]
    width = max(len(name) for name, _ in rows)
    lines = [
        fill(source, 78, initial_indent=f"  {name.ljust(width)}  ", subsequent_indent=" " * (width + 4))
        for name, source in rows
    ]
    more = [
        fill(
            ", ".join([one.first, *map(str, one.parameters)]),
            78,
            initial_indent=f"  {one.name.ljust(width)}  ",
            subsequent_indent=" " * (width + 4),
            break_on_hyphens=False,
        )
        for one in ADAPTIVE_RULES
        if one.parameters
    ]
    first = "Rules choose a threshold from norms: apply -t RULE, stats --rule RULE."
    short = "percentile:90 is p90 for short, and percentile=90 is understood, too."
    by_name = "Parameters by name, with their defaults, as in zclip:2.5,max=1:"
    return "\n".join([first, "", *lines, "", short, "", by_name, "", *more])


def _topics() -> str:
    width = max(map(len, TOPICS))
    return "\n".join(f"  {name.ljust(width)}  {summary}" for name, (summary, _) in TOPICS.items())


TOPICS: Mapping[str, tuple[str, Callable[[], str]]] = {
    "dump": ("How gradients get to disk, framework by framework.", lambda: _DUMP),
    "exit-codes": ("What the exit codes mean.", _exit_codes),
    "rules": ("How a threshold is chosen from norms.", _rules),
    "topics": ("This list.", _topics),
}
"""The topics that are no commands, each with a line on it and what writes its page."""


def _complete(ctx: click.Context, typed: str) -> list[str]:
    return [name for name in (*COMMANDS, *TOPICS) if name.startswith(typed)]


@click.command(
    "help",
    cls=Command,
    help=help_text("help", "Topics: " + ", ".join(TOPICS) + "."),
    epilog=examples("gradclip help apply", "gradclip help dump", "gradclip help exit-codes"),
)
@click.argument("name", metavar="[COMMAND|TOPIC]", required=False, type=Parsed("topic", str, _complete))
@click.pass_context
def command(ctx: click.Context, name: str | None) -> None:
    """Print a page; without a name, the help of the program."""
    with standard_output() as stream:
        print(_page(ctx, name), file=stream)


def _about(word: str) -> str:
    """Suggest the command or topic whose line on itself has a word; nothing where none has."""
    lines = COMMANDS | {name: summary for name, (summary, _) in TOPICS.items()}
    found = next((name for name, text in lines.items() if len(word) > 2 and word.lower() in text.lower()), "")
    return f"did you mean {found}?" if found else ""


def _page(ctx: click.Context, name: str | None) -> str:
    """Return the help of a command, or the page of a topic, whose name is taken without regard to case, `-` and `_`."""
    program = ctx.find_root()
    if name is None:
        return program.get_help()
    known = {plain(one): one for one in (*COMMANDS, *TOPICS)}
    found = known.get(plain(name))
    if found is None:
        everything = f"commands are {', '.join(COMMANDS)}; topics are {', '.join(TOPICS)}"
        near = did_you_mean(name, known.values(), least=0.65) or _about(name)
        ctx.fail(f"there is no command and no topic {name!r}; {f'{near} {everything}'.lstrip()}")
    if found in TOPICS:
        return TOPICS[found][1]()
    wanted = program.command.get_command(program, found)  # type: ignore[attr-defined]
    return str(wanted.get_help(click.Context(wanted, program, found)))
