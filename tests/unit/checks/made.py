"""Series of dumps for checks."""

from support.findings import Arrays

SUFFIXES = (".safetensors", ".h5", ".npz")


def norms(*values: float, **others: float) -> list[Arrays]:
    """Return dumps of a layer `fc` with these norms, beside others of the same norm throughout; no two dumps are alike."""
    signs = (1 - 2 * (k % 2) for k in range(len(values)))
    steps = zip(signs, values, strict=True)
    return [
        {"fc.w": [sign * float(value)], **{name: [sign * other] for name, other in others.items()}}
        for sign, value in steps
    ]


def steady(*values: float) -> list[Arrays]:
    """Return dumps of a layer `fc` with these values."""
    return [{"fc.w": [float(value)]} for value in values]
