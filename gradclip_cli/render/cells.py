"""How much room text takes on a terminal."""


def cells(text: str) -> int:
    """How many cells of a terminal a text takes; Chinese characters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
