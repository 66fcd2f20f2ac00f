"""npz archives whose arrays are odd, stored and deflated."""

import numpy as np

from hostile.npz_making import FILES, METHODS, ONE, W, archive, by_hand, fields, npy

for title, method in METHODS.items():

    def npz(data: bytes, method: int = method) -> bytes:
        """Pack one array."""
        return archive({"w.npy": data}, method)

    for name, data, reason in (
        ("no-magic", b"NUMPY" * 20, "It is no array."),
        ("half-a-magic", b"\x93NU", "It is no array."),
        ("version-0", by_hand(fields(), version=(0, 0)), "No such version is known."),
        ("version-1.1", by_hand(fields(), version=(1, 1)), "No such version is known."),
        ("version-4", by_hand(fields(), version=(4, 0)), "No such version is known."),
        ("no-length", b"\x93NUMPY\x01\x00", "It ends before the length of its header."),
        ("length-0", by_hand(fields(), length=0), "Without a header its elements have no type."),
        ("length-less", by_hand(fields(), length=20), "Its header is cut in the middle."),
        ("length-more", by_hand(fields(), length=len(fields()) + 4), "Its header takes elements."),
        ("length-2^32-1", by_hand(fields(), version=(2, 0), length=0xFFFFFFFF), "Its header is longer than the file."),
        ("header-of-20000-spaces", by_hand(fields() + " " * 20_000, version=(2, 0)), "numpy reads at most 10 000 bytes of header."),
        ("header-not-utf-8", by_hand(fields(), version=(3, 0)).replace(b"descr", b"desc\xff"), "Version 3 is UTF-8."),
        ("header-with-nul", by_hand(fields().replace("descr", "de\0cr")), "Python has no NUL in its sources."),
        ("header-calls", by_hand(fields(shape="(__import__('os').getpid(),)")), "A header is never run."),
        ("header-comprehension", by_hand(fields(shape="tuple(2 for _ in '1')")), "A header is never run."),
        ("header-product", by_hand(fields(shape="(2*1,)")), "A header is never computed."),
        ("header-power", by_hand(fields(shape="(9**9**9**9,)")), "A header is never computed."),
        ("header-of-brackets", by_hand("(" * 9000), "A parser that recurses must not fall over."),
        ("header-of-signs", by_hand(fields(shape="(" + "-" * 9000 + "2,)")), "A parser that recurses must not fall over."),
        ("header-of-tildes", by_hand("~" * 9000 + "1"), "A parser that recurses must not fall over."),
        ("header-of-sums", by_hand("1" + "+1j" * 3000), "A parser that recurses must not fall over."),
        ("header-set", by_hand("{1, 2}"), "A header is a dictionary."),
        ("header-unhashable", by_hand("{[]: 1}"), "A header is a dictionary."),
        ("header-unpacks", by_hand("{**{}}"), "A header is a dictionary."),
        ("header-list", by_hand("[]"), "A header is a dictionary."),
        ("header-nothing", by_hand("   \n"), "A header is a dictionary."),
        ("header-two-lines", by_hand(fields() + fields()), "A header is one dictionary."),
        ("header-key-missing", by_hand("{'descr': '<f4', 'shape': (2,)}"), "A header has three keys."),
        ("header-key-more", by_hand(fields()[:-3] + "'x': 1}"), "A header has three keys."),
        ("header-key-bytes", by_hand(fields().replace("'descr'", "b'descr'")), "Its keys are texts."),
        ("header-line-continued", by_hand(fields() + "\\"), "The header does not end."),
        ("shape-list", by_hand(fields(shape="[2]")), "A shape is a tuple."),
        ("shape-none", by_hand(fields(shape="None")), "A shape is a tuple."),
        ("shape-text", by_hand(fields(shape="('2',)")), "A size is a whole number."),
        ("shape-fraction", by_hand(fields(shape="(2.0,)")), "A size is a whole number."),
        ("shape-truth", by_hand(fields(shape="(True, 2)")), "A size is a whole number."),
        ("shape-negative", by_hand(fields(shape="(-2,)")), "A size is not negative."),
        ("shape-twice-negative", by_hand(fields(shape="(-1, -2)")), "A size is not negative."),
        ("shape-wraps-to-0", by_hand(fields(shape="(4294967296, 4294967296)"), b""), "Its product is 2^64, not 0."),
        ("shape-wraps-to-2", by_hand(fields(shape="(4294967296, 4294967296, 2)")), "Its product is 2^65, not 0."),
        ("shape-2^63", by_hand(fields(shape="(9223372036854775808,)")), "No array is so large."),
        ("shape-5000-digits", by_hand(fields(shape=f"({'9' * 5000},)")), "No size has so many digits."),
        ("shape-1e12", by_hand(fields(shape="(1000000000000,)")), "Its elements are not there."),
        ("shape-65-ones", by_hand(fields(shape="(1,) * 65")), "A header is never computed."),
        ("shape-65-dimensions", by_hand(fields(shape=str((1,) * 64 + (2,)))), "numpy has at most 64 dimensions."),
        ("shape-65-dimensions-F", by_hand(fields(shape=str((1,) * 64 + (2,)), order="True")), "numpy has at most 64 dimensions."),
        ("a-byte-missing", npy(W)[:-1], "Its last element lacks a byte."),
        ("a-byte-more", npy(W) + b"\0", "A byte belongs to no element."),
        ("order-number", by_hand(fields(order="1")), "The order is True or False."),
        ("order-none", by_hand(fields(order="None")), "The order is True or False."),
        ("order-text", by_hand(fields(order="'C'")), "The order is True or False."),
        ("descr-unknown", by_hand(fields("'<q9'")), "numpy knows no such type."),
        ("descr-empty", by_hand(fields("''")), "numpy knows no such type."),
        ("descr-number", by_hand(fields("4")), "A type is a text."),
        ("descr-none", by_hand(fields("None")), "None is float64 to numpy, and nothing to anybody else."),
        ("descr-list", by_hand(fields("[('a', '<f4')]")), "Structured elements are no plain numbers."),
        ("descr-list-empty", by_hand(fields("[]")), "Structured elements are no plain numbers."),
        ("descr-list-unicode", by_hand(fields("[('\u00e9', '<f4')]")), "Structured elements are no plain numbers."),
        ("descr-tuple", by_hand(fields("('<f4', (2,))", shape="(1,)")), "Arrays inside arrays are no plain numbers."),
        ("descr-fields-text", by_hand(fields("'<f4,<f4'", shape="(1,)")), "Structured elements are no plain numbers."),
        ("descr-subarray-text", by_hand(fields("'(2,)<f4'", shape="(1,)")), "Arrays inside arrays are no plain numbers."),
        ("descr-objects", by_hand(fields("'|O'", shape="(1,)")), "Objects are pickled, and never loaded."),
        ("descr-objects-8", by_hand(fields("'|O8'", shape="(1,)")), "Objects are pickled, and never loaded."),
        ("descr-objects-inside", by_hand(fields("[('a', '|O')]", shape="(1,)")), "Objects are pickled, and never loaded."),
        ("objects", npy(np.array([{}], object)), "Objects are pickled, and never loaded."),
        ("descr-f16", by_hand(fields("'<f16'", shape="(1,)"), bytes(16)), "No norm of it could be right in float64."),
        ("descr-c32", by_hand(fields("'<c32'", shape="(1,)"), bytes(32)), "No norm of it could be right in float64."),
        ("descr-v2", by_hand(fields("'|V2'", shape="(4,)")), "Two bytes of no type are bfloat16 only if the user says so."),
        ("descr-v4", by_hand(fields("'|V4'")), "Bytes of no type are no numbers."),
        ("descr-s0", by_hand(fields("'|S0'", shape="(1099511627776,)"), b""), "Elements of no size fill any shape."),
        ("descr-u0", by_hand(fields("'<U0'", shape="(1099511627776,)"), b""), "Elements of no size fill any shape."),
        ("descr-v0", by_hand(fields("'|V0'", shape="(1099511627776,)"), b""), "Elements of no size fill any shape."),
        ("only-texts", npy(np.array(["a", "b"])), "It holds no number."),
        ("only-bytes", npy(np.array([b"a", b"b"])), "It holds no number."),
        ("only-dates", npy(np.array(["2020-01-01"], "M8[D]")), "It holds no number."),
        ("only-durations", npy(np.array([1], "m8[s]")), "It holds no number."),
        ("descr-escape", by_hand(fields(r"'<f4\d'")), "Python warns of such escapes; nobody is to see that."),
    ):  # fmt: skip
        FILES.reject(f"{title}-{name}", npz(data), reason)

    for code in ("<f8", "<f4", "<f2", ">f8", ">f4", ">f2", "<i8", ">i2", "|i1", "<u4", "|u1", "|b1"):
        array = np.array([[1, 0, 5], [2, 3, 4]], code)
        array = -array if array.dtype.kind == "f" else array
        for order in "CF":
            turned = np.asarray(array, order=order)  # type: ignore[call-overload]
            FILES.accept(
                f"{title}-{code}-{order}", npz(npy(turned)), {"w": array}, "Orders of bytes and axes change no value."
            )
    for major in (1, 2, 3):
        FILES.accept(f"{title}-version-{major}", npz(npy(W, (major, 0))), ONE, "All three versions are read.")
    for name, shape in {"scalar": (), "empty": (0,), "empty-inside": (3, 0, 2), "rank-64": (1,) * 64}.items():
        zeros = np.zeros(shape, np.float32)
        FILES.accept(f"{title}-{name}", npz(npy(zeros)), {"w": zeros}, "Any shape will do.")
    FILES.accept(f"{title}-unpadded", npz(by_hand(fields().strip())), ONE, "A header need not be padded.")
    FILES.accept(f"{title}-shape-number", npz(by_hand(fields(shape="(2)"))), ONE, "Other writers leave out the comma.")
    FILES.accept(
        f"{title}-objects-beside",
        archive({"w.npy": npy(W), "o.npy": npy(np.array([{}], object))}, method),
        ONE,
        "Objects are never loaded, and not in the way.",
    )
    FILES.accept(
        f"{title}-structures-beside",
        archive({"w.npy": npy(W), "s.npy": npy(np.zeros(2, [("g", "f4")]))}, method),
        ONE,
        "Structures are kept and named.",
    )
    FILES.accept(f"{title}-without-suffix", archive({"w": npy(W)}, method), ONE, "numpy goes by the first bytes, too.")
    FILES.either(f"{title}-long-shape", npz(by_hand(fields(shape="(2L,)"))), ONE, "Python 2 wrote long integers so.")
    FILES.either(f"{title}-descr-name", npz(by_hand(fields("'float32'"))), ONE, "numpy knows types by name, too.")
    FILES.either(
        f"{title}-key-twice", npz(by_hand(fields()[:-2] + "'shape': (2,)}")), ONE, "The last of two equal keys wins."
    )
    giant = npz(by_hand(fields(shape=f"(0, {1 << 40}, {1 << 40})"), b""))
    FILES.reject(f"{title}-empty-giant", giant, "numpy multiplies the other sizes, and their product overflows.")
