"""Write the lines that clip at a threshold in the code, or in the configuration, of a framework."""

import math
from collections.abc import Mapping

from gradclip_cli.errors import UsageError
from gradclip_cli.inputs.unit_axis import MIN_WEIGHT_NORM
from gradclip_cli.strategies import Group, Strategy

Lines = Mapping[Group, str]
"""The lines of a framework for each kind of group that it clips; `{c}` is the threshold."""

_TORCH_NORM = "torch.nn.utils.clip_grad_norm_({parameters}, max_norm={{c}}{{p}})"

FRAMEWORKS: Mapping[str, Lines] = {
    "torch": {
        Group.DUMP: _TORCH_NORM.format(parameters="model.parameters()"),
        Group.LAYER: "for module in model.modules():\n"
        "    parameters = list(module.parameters(recurse=False))\n"
        "    if parameters:\n"
        "        " + _TORCH_NORM.format(parameters="parameters"),
        Group.TENSOR: "for parameter in model.parameters():\n    " + _TORCH_NORM.format(parameters="parameter"),
        Group.ELEMENT: "torch.nn.utils.clip_grad_value_(model.parameters(), clip_value={c})",
    },
    "hf": {Group.DUMP: "max_grad_norm={c}"},
    "lightning": {
        Group.DUMP: 'gradient_clip_val={c}, gradient_clip_algorithm="norm"',
        Group.ELEMENT: 'gradient_clip_val={c}, gradient_clip_algorithm="value"',
    },
    "keras": {Group.DUMP: "global_clipnorm={c}", Group.TENSOR: "clipnorm={c}", Group.ELEMENT: "clipvalue={c}"},
    "optax": {Group.DUMP: "optax.clip_by_global_norm({c})", Group.ELEMENT: "optax.clip({c})"},
    "deepspeed": {Group.DUMP: '"gradient_clipping": {c}'},
}
"""What to paste, by framework: PyTorch's own call, arguments of TrainingArguments (Hugging Face), of Lightning's Trainer and of
a Keras optimizer, a transformation of optax, a key of DeepSpeed's JSON."""

OTHERS: Mapping[str, Mapping[str, str]] = {
    "optax": {"clip-by-block-rms": "optax.clip_by_block_rms({c})", "adaptive-clip": "optax.adaptive_grad_clip({c}{e})"}
}
"""The lines of a framework for strategies that compare other norms than those of their kind of group, by name."""

_CLIPS: Mapping[Group, str] = {
    Group.DUMP: "the global norm",
    Group.LAYER: "norms of layers",
    Group.TENSOR: "norms of tensors",
    Group.ELEMENT: "values",
}


def pasted(framework: str, strategy: Strategy, threshold: float, norm_type: float, least: float | None = None) -> str:
    """Return the lines to paste; raise UsageError where a framework has no such clipping, and name what it has.

    `least` is the norm that a unit of weights has at least, if it is not the usual one.

    >>> from gradclip_cli.strategies import find
    >>> pasted("keras", find("clip-by-norm"), 19.753776, 2.0)
    'clipnorm=19.75'
    """
    if strategy.of_mean or strategy.group is Group.UNIT:
        return _of_others(framework, strategy, threshold, least)
    own = FRAMEWORKS[framework]
    if strategy.group not in own:
        others = [name for name, lines in FRAMEWORKS.items() if strategy.group in lines]
        has = " and ".join(_CLIPS[group] for group in own)
        where = f"--paste {', '.join(others)} {'has' if len(others) == 1 else 'have'} it"
        raise UsageError(f"{framework} has no {strategy.name}: it clips {has}; {where}")
    if strategy.takes_norm and norm_type != 2 and "{p}" not in own[strategy.group]:
        raise UsageError(f"{framework} clips L2 norms only, not L{norm_type:g} norms; --paste torch takes a norm_type")
    kind = 'float("inf")' if math.isinf(norm_type) else f"{norm_type:g}"
    return own[strategy.group].format(c=f"{threshold:.4g}", p="" if norm_type == 2 else f", norm_type={kind}")


def _of_others(framework: str, strategy: Strategy, threshold: float, least: float | None) -> str:
    lines = OTHERS.get(framework, {})
    if strategy.name not in lines:
        others = [name for name, own in OTHERS.items() if strategy.name in own]
        where = f"--paste {' or '.join(others)} has it" if others else "no framework here has it"
        raise UsageError(f"{framework} has no {strategy.name}; {where}")
    return lines[strategy.name].format(
        c=f"{threshold:.4g}", e="" if least in (None, MIN_WEIGHT_NORM) else f", eps={least:.4g}"
    )


def usual_line(strategy: Strategy, threshold: float, norm_type: float, least: float | None = None) -> str | None:
    """Return what to paste in PyTorch, or in the framework that has such a strategy; None if there is none."""
    if not strategy.of_mean and strategy.group is not Group.UNIT:
        return pasted("torch", strategy, threshold, norm_type)
    return next(
        (_of_others(name, strategy, threshold, least) for name, own in OTHERS.items() if strategy.name in own), None
    )
