"""safetensors files whose tensors are odd: entries, dtypes, offsets, names."""

import ml_dtypes
import numpy as np

from hostile.safetensors_headers import EIGHT, FILES, GOOD, ONE, W, entry, file, written

for name, value in {
    "null": None, "a-number": 1, "a-list": [1, 2], "a-text": "F32", "empty": {},
    "without-dtype": {"shape": [2], "data_offsets": [0, 8]},
    "without-shape": {"dtype": "F32", "data_offsets": [0, 8]},
    "without-offsets": {"dtype": "F32", "shape": [2]},
}.items():  # fmt: skip
    FILES.reject(f"entry-{name}", file({"w": value}), "A tensor has a dtype, a shape and offsets.")

for name, shape in {
    "null": None, "a-number": 2, "a-text": "2", "an-object": {"0": 2}, "of-texts": ["2"], "of-null": [None],
    "of-fractions": [2.0], "of-truth": [True, 2], "of-lists": [[2]], "negative": [-2], "twice-negative": [-1, -2],
    "too-small": [1], "too-large": [3], "wraps-to-2": [1 << 32, (1 << 32) + 1], "2^63": [1 << 63], "2^64+2": [(1 << 64) + 2],
    "zero": [0], "of-3000-digits": [10**3000], "of-many-giants": [(1 << 62) + 1] * 20_000,
    "of-many-giants-and-0": [(1 << 62)] * 20_000 + [0],
}.items():  # fmt: skip
    FILES.reject(f"shape-{name}", file({"w": entry(shape=shape)}), "A shape is a list of sizes whose product fits.")

FILES.reject(
    "shape-of-5000-digits", file(GOOD.replace(b"[2]", b"[" + b"9" * 5000 + b"]")), "No size has so many digits."
)
FILES.reject("shape-1e0", file(GOOD.replace(b"[2]", b"[2e0]")), "A size is written as a whole number.")
FILES.reject("offset-of-5000-digits", file(GOOD.replace(b"8]", b"9" * 5000 + b"]")), "No offset has so many digits.")

for name, offsets in {
    "null": None, "a-number": 8, "one": [8], "three": [0, 8, 8], "of-texts": ["0", "8"], "of-fractions": [0.0, 8.0],
    "of-truth": [False, 8], "negative": [-8, 0], "turned": [8, 0], "late": [4, 12], "past-the-end": [8, 16],
    "wraps": [(1 << 64) - 8, 1 << 64], "2^63": [(1 << 63), (1 << 63) + 8], "an-object": {"0": 0, "1": 8}, "empty": [],
}.items():  # fmt: skip
    header = {"w": {"dtype": "F32", "shape": [2], "data_offsets": offsets}}
    FILES.reject(f"offsets-{name}", file(header), "Offsets are a begin and an end, one tensor behind the other.")

for code in (
    "",
    "f32",
    "F32 ",
    "float32",
    "F128",
    "F80",
    "F4_E2M1",
    "F6",
    "F8_E8M0FNU",
    "I4",
    "U128",
    "C128",
    "STR",
):
    FILES.reject(f"dtype-{code or 'empty'}", file({"w": entry(dtype=code)}), "A dtype that is not known has no norm.")
for code, count, size in (("F4", 3, 1), ("F4", 3, 2), ("F4", 1, 1), ("F6_E2M3", 2, 2), ("F6_E3M2", 3, 3)):
    header = {"w": entry(0, size, [count], code)}
    FILES.reject(f"bits-of-{count}-{code}-in-{size}", file(header, bytes(size)), "Its values fill no whole bytes.")
for name, kind in {"null": None, "a-number": 32, "a-list": ["F32"], "an-object": {"F": 32}}.items():
    FILES.reject(f"dtype-{name}", file({"w": entry(dtype=kind)}), "A dtype is a text.")

for name, first, second, data in (
    ("overlap", (0, 8), (4, 12), bytes(12)), ("the-same-bytes", (0, 8), (0, 8), bytes(8)),
    ("hole", (0, 8), (12, 20), bytes(20)), ("hole-at-the-start", (4, 12), (12, 20), bytes(20)),
    ("one-inside-the-other", (0, 8), (0, 8), bytes(16)),
):  # fmt: skip
    header = {"a": entry(*first), "b": entry(*second)}
    FILES.reject(f"layout-{name}", file(header, data), "Each byte of the data belongs to one tensor.")

_TWO = {"b": entry(8, 16), "a": entry(0, 8)}
FILES.accept(
    "order-of-names", file(_TWO, EIGHT + bytes(8)), {"a": W, "b": np.zeros(2, np.float32)}, "Any order will do."
)
FILES.accept("padded-with-spaces", file(GOOD + b" " * 4096), ONE, "Spaces behind the header are padding.")
FILES.accept("padded-with-white", file(GOOD + b"\n\t\r "), ONE, "JSON may end with any white space.")
FILES.accept(
    "unaligned", file(GOOD + b" " * (1 - len(GOOD) % 2)), ONE, "No element has to stand at a multiple of its size."
)
FILES.accept("nothing", file(b"{}", b""), {}, "A dump may hold no tensor.")
FILES.accept("only-metadata", file({"__metadata__": {"a": "b"}}, b""), {}, "Metadata needs no tensor.")
FILES.accept("metadata-null", file(written('{"__metadata__": null, W}')), ONE, "No metadata may be written as null.")
FILES.accept("metadata-empty", file(written('{"__metadata__": {}, W}')), ONE, "Metadata may be empty.")
FILES.accept(
    "metadata-of-any-text",
    file({"__metadata__": {"\x1b[31m": "\u202e\x00", "": ""}, "w": entry()}),
    ONE,
    "Metadata is any text.",
)
FILES.either("entry-with-more", file({"w": {**entry(), "x": 1}}), ONE, "The official library passes over other keys.")
FILES.reject("offset-minus-0", file(GOOD.replace(b"[0,", b"[-0,")), "-0 is a fraction to the official library.")
FILES.accept("scalar", file({"w": entry(0, 4, ())}, EIGHT[:4]), {"w": np.array(3, np.float32)}, "A shape may be empty.")
FILES.accept(
    "empty-between",
    file({"b": entry(8, 8, (0,)), "w": entry(), "a": entry(0, 0, (3, 0))}),
    {"w": W, "a": np.zeros((3, 0), np.float32), "b": np.zeros(0, np.float32)},
    "Tensors without elements take no bytes, wherever they stand.",
)
FILES.either(
    "empty-inside",
    file({"w": entry(), "a": entry(4, 4, (0,))}),
    {"w": W, "a": np.zeros(0, np.float32)},
    "A tensor without elements may stand inside another.",
)
for name, sizes in {"giant-and-0": (1 << 40, 1 << 40, 0), "0-and-giant": (0, 1 << 40, 1 << 40)}.items():
    header = {"w": entry(), "a": entry(8, 8, sizes)}
    FILES.reject(f"shape-{name}", file(header), "Libraries multiply the other sizes, and theirs overflows.")
FILES.accept(
    "ranks-to-64",
    file({f"r{k}": entry(4 * k, 4 * k + 4, (1,) * k) for k in range(65)}, bytes(260)),
    {f"r{k}": np.zeros((1,) * k, np.float32) for k in range(65)},
    "Any rank will do.",
)
FILES.accept(
    "many-tensors",
    file({f"layer.{k}.w": entry(4 * k, 4 * k + 4, (1,)) for k in range(1000)}, bytes(4000)),
    {f"layer.{k}.w": np.zeros(1, np.float32) for k in range(1000)},
    "Many small tensors are a matter of time, not of memory.",
)

_BITS = np.random.default_rng(11).integers(0, 256, 256, np.uint8)
for code, dtype in {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16,
    "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2,
    "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz, "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
    "I64": np.int64, "I32": np.int32, "I16": np.int16,
    "I8": np.int8, "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8,
}.items():  # fmt: skip
    values = _BITS.view(dtype)
    with np.errstate(invalid="ignore"):
        usual = np.abs(values.astype(np.float64)) < 1e290
    values = np.where(usual, values, values.dtype.type(1)).astype(dtype)
    header = {"w": entry(0, 256, [values.size], code)}
    FILES.accept(f"bits-{code}", file(header, values.tobytes()), {"w": values}, "Elements come out as they went in.")
FILES.accept(
    "bits-BOOL",
    file({"w": entry(0, 3, [3], "BOOL")}, b"\0\1\1"),
    {"w": np.array([False, True, True])},
    "Truths come out as they went in.",
)

NAMES = {
    "empty": "", "space": " ", "dot": ".", "dots": "..", "slash": "/", "slashes": "a//b", "leading-slash": "/a", "up": "../../up",
    "backslash": "a\\b", "drive": "C:\\x", "nul": "a\0b", "tab": "a\tb", "newline": "a\nb", "return": "a\rb", "escape": "\x1b[31m",
    "osc": "\x1b]52;c;aGk=\x07", "c1": "\x9b31m", "delete": "\x7f", "bidi": "\u202egnp.exe", "zero-width": "a\u200bb",
    "line-separator": "a\u2028b", "mark": "[red]a[/red]", "close": "[/]", "formula": "=1+1", "at": "@x",
    "minus": "-x", "plus": "+x",
    "quote": '"', "comma": "a,b", "percent": "%s%n{0}", "html": "<script>", "emoji": ":smile:\U0001f600",
    "combining": "e" + "\u0301" * 200,
    "non-character": "\ufffe", "astral": "\U0010ffff", "metadata": "__metadata", "file": "file", "allow_pickle": "allow_pickle",
    "npy": "a.npy", "long": "n" * 3000, "nbsp": "a\u00a0b", "json": '{"a": 1}', "option": "--help", "number": "007",
}  # fmt: skip
for name, text in NAMES.items():
    FILES.accept(
        f"name-{name}", file({text: entry()}), {text: W}, "A name is any text; it is kept, and escaped when shown."
    )
