"""safetensors: an 8-byte length, a JSON header, then the tensors one after the other.

The header is parsed here and not by the official library, which knows no float8 in numpy, takes local paths only, and
cannot write a file piece by piece. Source: https://github.com/huggingface/safetensors#format
"""

from gradclip_cli.formats.base import Format
from gradclip_cli.formats.safetensors.reader import SafetensorsReader, matches
from gradclip_cli.formats.safetensors.writer import convert, mark_clipped, retype, rewrite

SAFETENSORS = Format(
    "safetensors",
    (".safetensors",),
    True,
    matches,
    SafetensorsReader,
    rewrite,
    convert,
    retype,
    mark_clipped=mark_clipped,
)
