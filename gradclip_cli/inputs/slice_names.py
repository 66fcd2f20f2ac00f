"""Say what the slices of a tensor along axis 0 are."""


def slice_word(name: str, axes: int) -> str:
    """Return the word for one slice of a tensor: an expert of stacked experts, or the row of a matrix.

    >>> slice_word("layers.0.experts.gate_up_proj", 3), slice_word("embed.weight", 2), slice_word("conv.weight", 4)
    ('expert', 'row', 'slice')
    """
    if axes > 2 and "expert" in name.lower():
        return "expert"
    return "row" if axes == 2 else "slice"
