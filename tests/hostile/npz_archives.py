"""npz archives whose zip is odd: directories, headers, sizes and checksums that contradict each other."""

import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

from hostile.npz_making import (
    CENTRAL,
    END,
    FILES,
    INTEGERS,
    LOCAL,
    ONE,
    PACKED,
    PLAIN,
    TWO,
    W,
    archive,
    both,
    npy,
    patched,
)


def zip64_end(**changes: int) -> bytes:
    """The plain archive with a zip64 end record, some of whose fields are changed."""
    at, start = PLAIN.index(END), PLAIN.index(CENTRAL)
    values = {
        "size": 44,
        "disk": 0,
        "first": 0,
        "here": 1,
        "count": 1,
        "length": at - start,
        "start": start,
        "record": at,
    }
    values |= changes
    record = struct.pack(
        "<4sQ2H2I4Q", b"PK\x06\x06", values["size"], 45, 45, *(values[k] for k in ("disk", "first", "here", "count", "length", "start"))
    )  # fmt: skip
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, values["record"], 1)
    end = struct.pack("<4s4H2IH", END, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return PLAIN[:at] + record + locator + end


def zip64_member(size: int, packed: int, local_at: int) -> bytes:
    """The plain archive whose sizes and offset stand in a zip64 field of the directory."""
    start, end = PLAIN.index(CENTRAL), PLAIN.index(END)
    old = PLAIN[start:end]
    extra = struct.pack("<HHQQQ", 1, 24, size, packed, local_at)
    entry = (
        old[:20]
        + b"\xff" * 8
        + old[28:30]
        + struct.pack("<H", len(extra))
        + old[32:42]
        + b"\xff" * 4
        + old[46:]
        + extra
    )
    tail = struct.pack("<4s4H2IH", END, 0, 0, 1, 1, len(entry), start, 0)
    return PLAIN[:start] + entry + tail


def streamed(data: bytes, signature: bool = True) -> bytes:
    """An archive as it is written to a pipe: sizes behind the data."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(data) + packer.flush()
    local = struct.pack("<4s5H3I2H", LOCAL, 20, 8, 8, 0, 33, 0, 0, 0, 5, 0) + b"w.npy" + body
    local += (b"PK\x07\x08" if signature else b"") + struct.pack("<3I", zlib.crc32(data), len(body), len(data))
    entry = struct.pack(
        "<4s6H3I5H2I", CENTRAL, 20, 20, 8, 8, 0, 33, zlib.crc32(data), len(body), len(data), 5, 0, 0, 0, 0, 0, 0
    )  # fmt: skip
    return local + entry + b"w.npy" + struct.pack("<4s4H2IH", END, 0, 0, 1, 1, len(entry) + 5, len(local), 0)


def quoted() -> bytes:
    """Two members of which the second lies, header and all, inside the first."""
    inner = npy(W)
    local = (
        struct.pack("<4s5H3I2H", LOCAL, 20, 0, 0, 0, 33, zlib.crc32(inner), len(inner), len(inner), 5, 0)
        + b"b.npy"
        + inner
    )
    pad = -len(local) % 4
    outer = npy(np.frombuffer(local + bytes(pad), np.float32))
    data = archive({"a.npy": outer})
    start, end = data.index(CENTRAL), data.index(END)
    sizes = (zlib.crc32(inner), len(inner), len(inner), 5, 0, 0, 0, 0, 0)
    entry = struct.pack("<4s6H3I5H2I", CENTRAL, 20, 20, 0, 0, 0, 33, *sizes, data.index(LOCAL, 4)) + b"b.npy"
    tail = struct.pack("<4s4H2IH", END, 0, 0, 2, 2, end - start + len(entry), start, 0)
    return data[:end] + entry + tail


_AT = PLAIN.index(CENTRAL)
_DATA = 30 + len("w.npy")
for name, data, reason in (
    ("empty", b"", "A file without a byte is no dump."),
    ("a-signature", LOCAL, "A signature is no archive."),
    ("cut-in-half", PLAIN[: len(PLAIN) // 2], "Its directory is not there."),
    ("a-byte-missing", PLAIN[:-1], "Its end record is cut short."),
    ("a-byte-more", PLAIN + b"\0", "It has been added to."),
    ("an-archive-behind", PLAIN + PLAIN, "Two archives in one file: readers differ on which counts."),
    ("bytes-before", b"junk" + PLAIN, "It begins with a member."),
    ("a-signature-before", LOCAL + PLAIN, "Its directory is not where it says."),
    ("no-directory", PLAIN[:_AT] + PLAIN[PLAIN.index(END) :], "Its directory is not there."),
    ("directory-signature", patched(PLAIN, CENTRAL, 0, b"PK\1\3"), "Its directory is damaged."),
    ("directory-cut", patched(PLAIN, CENTRAL, 28, b"\xff\xff"), "A name in its directory is longer than the directory."),
    ("directory-size-0", patched(PLAIN, END, 12, bytes(4)), "Its directory is not where it says."),
    ("directory-far-away", patched(PLAIN, END, 16, b"\xff\xff\xff\x7f"), "Its directory lies outside the file."),
    ("fewer-members", patched(TWO, END, 8, b"\1\0\1\0"), "Its directory lists more members than the end record."),
    ("more-members", patched(TWO, END, 8, b"\3\0\3\0"), "Its directory lists fewer members than the end record."),
    ("disk-1", patched(PLAIN, END, 4, b"\1\0"), "It is one disk of several."),
    ("member-on-disk-7", patched(PLAIN, CENTRAL, 34, b"\7\0"), "A member is on another disk."),
    ("no-local-header", patched(PLAIN, CENTRAL, 42, b"\x05\0\0\0"), "A member does not begin where the directory says."),
    ("local-header-past-the-end", patched(PLAIN, CENTRAL, 42, b"\xf0\xff\xff\x7f"), "A member begins outside the file."),
    ("local-method-differs", patched(PLAIN, LOCAL, 8, b"\x08\0"), "The local header contradicts the directory."),
    ("local-name-differs", patched(PLAIN, LOCAL, 30, b"x"), "The local header contradicts the directory."),
    ("local-name-longer", patched(PLAIN, LOCAL, 26, b"\x06\0"), "The local header contradicts the directory."),
    ("local-size-differs", patched(PLAIN, LOCAL, 22, b"\x01\0\0\0"), "Readers differ on which size counts."),
    ("local-packed-size-differs", patched(PLAIN, LOCAL, 18, b"\x01\0\0\0"), "Readers differ on which size counts."),
    ("local-crc-differs", patched(PLAIN, LOCAL, 14, b"abcd"), "Readers differ on which checksum counts."),
    ("local-extra-too-long", patched(PLAIN, LOCAL, 28, b"\xff\xff"), "The elements would lie behind the directory."),
    ("crc", both(PLAIN, 14, 16, b"abcd"), "The checksum is wrong."),
    ("a-flipped-bit", patched(PLAIN, LOCAL, len(PLAIN[:_AT]) - 1, b"\xff"), "The checksum shows a changed element."),
    ("a-flipped-bit-in-a-header", patched(PLAIN, b"descr", 60, b"\t"), "The checksum shows a changed header."),
    ("a-flipped-bit-in-integers", patched(INTEGERS, LOCAL, 900, b"\xff", 1), "Integers have a checksum too."),
    ("size-larger", both(PLAIN, 22, 24, b"\xff\xff\0\0"), "A stored member has one size."),
    ("packed-size-larger", both(PACKED, 18, 20, b"\xff\xff\0\0"), "A member reaches into the directory."),
    ("unpacked-size-larger", both(PACKED, 22, 24, b"\xff\xff\0\0"), "A member is shorter than the directory says."),
    ("unpacked-size-smaller", both(PACKED, 22, 24, b"\xa0\0\0\0"), "A member is longer than the directory says."),
    ("size-2^32-1", both(PACKED, 22, 24, b"\xff\xff\xff\xff"), "A size of 64 bits is announced and not there."),
    ("encrypted", both(PLAIN, 6, 8, b"\1\0"), "It is encrypted."),
    ("strongly-encrypted", both(PLAIN, 6, 8, b"\x41\0"), "It is encrypted."),
    ("masked-headers", both(PLAIN, 6, 8, b"\0\x20"), "Its headers are encrypted."),
    ("a-patch", both(PLAIN, 6, 8, b"\x20\0"), "It holds the difference to another file."),
    ("zip-of-tomorrow", both(PLAIN, 4, 6, b"\xff\0"), "It needs version 25.5 of the zip format."),
    ("name-not-utf-8", both(both(PLAIN, 6, 8, b"\0\x08"), 30, 46, b"\xff"), "The name is announced as UTF-8 and is not."),
    ("name-with-nul", archive({"a_b.npy": npy(W)}).replace(b"a_b", b"a\0b"), "zip ends a name at a NUL: it would be 'a'."),
    ("name-twice", TWO.replace(b"b.npy", b"a.npy"), "Readers differ on which member counts."),
    ("name-and-name.npy", archive({"w": npy(W), "w.npy": npy(W)}), "numpy takes both for 'w'."),
    ("name.npy-and-name.npy.npy", archive({"w.npy": npy(W), "w.npy.npy": npy(W)}), "numpy takes both for 'w.npy'."),
    ("the-same-bytes", patched(TWO, CENTRAL, 42, bytes(4), 1), "Two members may not be the same bytes."),
    ("quoted", quoted(), "A member lies inside another."),
    ("only-a-text", archive({"README.txt": b"hello"}), "It holds no array."),
    ("a-pytorch-file", archive({"a/data.pkl": b"\x80\x02.", "a/data/0": bytes(8)}), "It is a pickle in a zip archive."),
    ("an-archive-in-it", archive({"inner.npz": PLAIN}), "It holds no array."),
    ("zip64-record-outside", zip64_end(record=1 << 63), "Its zip64 end record lies outside the file."),
    ("zip64-record-at-2^64", zip64_end(record=(1 << 64) - 1), "Its zip64 end record lies outside the file."),
    ("zip64-record-elsewhere", zip64_end(record=0), "There is no zip64 end record."),
    ("zip64-start-wraps", zip64_end(start=(1 << 64) - 1), "Its directory lies outside the file."),
    ("zip64-length-wraps", zip64_end(length=(1 << 64) - 1), "Its directory lies outside the file."),
    ("zip64-count", zip64_end(count=1 << 40, here=1 << 40), "It says that it has a million million members."),
    ("zip64-contradicted", patched(zip64_end(), END, 10, b"\2\0"), "Readers differ on which end record counts."),
    ("zip64-disk", zip64_end(disk=1), "It is one disk of several."),
    ("zip64-member-outside", zip64_member(136, 136, (1 << 64) - 1), "A member begins outside the file."),
    ("zip64-member-at-2^63", zip64_member(136, 136, 1 << 63), "A member begins outside the file."),
    ("zip64-size-2^64", zip64_member((1 << 64) - 1, (1 << 64) - 1, 0), "A member is larger than the file."),
    ("zip64-sizes-differ", zip64_member(1 << 40, 136, 0), "A stored member has one size."),
):  # fmt: skip
    FILES.reject(name, data, reason)


FILES.accept("no-members", archive({}), {}, "A dump may hold no tensor.")
FILES.accept("comment", archive({"w.npy": npy(W)}, comment=b"x" * 65535), ONE, "An archive may have a comment.")
FILES.accept("streamed", streamed(npy(W)), ONE, "Sizes may stand behind the data.")
FILES.accept("streamed-without-signature", streamed(npy(W), signature=False), ONE, "Sizes may stand behind the data.")
FILES.accept("zip64-end", zip64_end(), ONE, "A small archive may be written as a large one.")
FILES.accept("zip64-member", zip64_member(136, 136, 0), ONE, "A small member may be written as a large one.")
FILES.accept("name-utf-8", archive({"größe.npy": npy(W)}), {"größe": W}, "A name may be UTF-8.")
FILES.either("name-cp437", both(PLAIN, 30, 46, b"\x84"), {"ä": W}, "A name that is not UTF-8 is of code page 437.")
FILES.accept(
    "names-of-paths", archive({"../../w.npy": npy(W), "/a.npy": npy(W)}), {"../../w": W, "/a": W}, "A name is no path."
)
FILES.reject(
    "a-member-without-suffix-cut",
    archive({"w": npy(W)[:-4], "v.npy": npy(W)}),
    "What begins as an array has to be one.",
)
FILES.accept("a-text-beside", archive({"w.npy": npy(W), "a.txt": b"hello"}), ONE, "It is kept and named.")
FILES.accept("a-folder-beside", archive({"w.npy": npy(W), "a/": b""}), ONE, "It is kept and named.")
FILES.accept("texts-beside", archive({"w.npy": npy(W), "t.npy": npy(np.array(["a"]))}), ONE, "They are kept and named.")
FILES.accept(
    "many", archive({f"m{k}.npy": npy(W) for k in range(300)}), {f"m{k}": W for k in range(300)}, "Many will do."
)
FILES.accept(
    "an-hdf5-signature-inside",
    archive({"w.npy": npy(np.frombuffer(b"\x89HDF\r\n\x1a\n" * 400, np.uint8))}),
    {"w": np.frombuffer(b"\x89HDF\r\n\x1a\n" * 400, np.uint8)},
    "What begins as an archive is one, whatever its elements spell.",
)
for title, method in {"bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}.items():
    FILES.either(f"method-{title}", archive({"w.npy": npy(W)}, method), ONE, "numpy does not write it, but reads it.")
for method in (1, 6, 9, 93, 98, 99):
    FILES.reject(f"method-{method}", both(PLAIN, 8, 10, bytes((method, 0))), "No such packing is known.")

_STREAM: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "garbage-behind": (lambda body: body + b"garbage", "Behind the packed elements there is more."),
    "cut": (lambda body: body[:-4], "The packed elements end early."),
    "no-stream": (lambda body: b"\xff" * len(body), "It cannot be unpacked."),
    "zlib-header": (lambda body: b"\x78\x9c" + body, "zip packs without zlib's own header."),
    "empty": (lambda body: b"", "There is nothing to unpack."),
}
for name, (change, reason) in _STREAM.items():
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    plain = npy(np.repeat(W, 500))
    stream = change(packer.compress(plain) + packer.flush())
    local = struct.pack("<4s5H3I2H", LOCAL, 20, 0, 8, 0, 33, zlib.crc32(plain), len(stream), len(plain), 5, 0)
    head = struct.pack(
        "<4s6H3I5H2I", CENTRAL, 20, 20, 0, 8, 0, 33, zlib.crc32(plain), len(stream), len(plain), 5, 0, 0, 0, 0, 0, 0
    )  # fmt: skip
    body = local + b"w.npy" + stream
    FILES.reject(
        f"stream-{name}", body + head + b"w.npy" + struct.pack("<4s4H2IH", END, 0, 0, 1, 1, 51, len(body), 0), reason
    )
