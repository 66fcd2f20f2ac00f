"""Read an npz archive: a stored array at its offset, a deflated one from its start."""

from collections.abc import Mapping, Sequence

from gradclip_cli.errors import InputError
from gradclip_cli.formats.base import Options, check_declared
from gradclip_cli.formats.by_offset import Sums
from gradclip_cli.formats.foreign import about_zip
from gradclip_cli.formats.npz import archive, deflate, npy
from gradclip_cli.formats.npz.archive import DEFLATED, STORED, Member
from gradclip_cli.formats.npz.deflate import Inflater, check, checksum
from gradclip_cli.notes import Note
from gradclip_cli.numerics.dtypes import Raw
from gradclip_cli.storage.base import RandomAccess
from gradclip_cli.tensors import TensorSpec
from gradclip_cli.text import shortlist

_FIRST = 64
"""How many packed bytes are read at once to tell what a member is."""


def matches(head: bytes, file: RandomAccess) -> bool:
    """Recognise the format by the signature of a zip archive."""
    return head[:4] in (b"PK\x03\x04", b"PK\x05\x06")


class NpzReader:
    """An open npz archive; tensors are in the order of the central directory."""

    has_checksums = True
    metadata: Mapping[str, str] = {}  # an archive has no place for it
    notes: Sequence[Note] = ()

    def __init__(self, file: RandomAccess, options: Options) -> None:
        self.file = file
        self.members = archive.members(file)
        check_declared(file, sum(member.size for member in self.members), options)
        self._void_dtype = options.void_dtype
        archive.expect_headers(file, [member.local_at for member in self.members])
        self.entries: list[tuple[Member, npy.Header | None]] = [
            (member, self._header(member)) for member in self.members
        ]
        self.of: dict[str, tuple[Member, npy.Header]] = {}
        self._check_names()
        odd = [
            (key_of(member.name), header) for member, header in self.entries if header is None or not header.is_numbers
        ]
        self.pickled = [key for key, header in odd if header is not None and header.pickled]
        self.non_numeric = [key for key, header in odd if header is None or not header.pickled]
        self.unmeasured = [
            key for key, header in odd if header is not None and header.may_hide_floats and not header.pickled
        ]
        if self.members and not self.of:
            raise self._without_numbers()
        self.tensors = [_spec(key, member, header) for key, (member, header) in self.of.items()]
        self._sums: dict[str, dict[int, tuple[int, int]]] = {}  # of elements, by their position in bytes
        self._streams: dict[str, Inflater] = {}
        self._whole: set[str] = set()  # members that were read to their end and have the right CRC

    def read(self, spec: TensorSpec, start: int, out: Raw) -> None:
        """Fill `out` with stored elements from `start` on, and keep their checksum."""
        member, header = self.of[spec.name]
        if spec.offset is None:
            if start == 0:
                self._streams[spec.name] = Inflater(self.file, member)
                self._streams[spec.name].skip(len(header.raw))
            self._streams[spec.name].read_into(out)
            if start + out.size // spec.dtype.itemsize == spec.size:
                self._streams.pop(spec.name).finish()
                self._whole.add(member.name)
            return
        self.file.read_into(spec.position(start), out)
        self._sums.setdefault(spec.name, {})[start * spec.dtype.itemsize] = checksum(out.data), out.size

    def packed_range(self, spec: TensorSpec) -> tuple[int, int]:
        """Return the offset and the size in bytes of a deflated member."""
        member, _ = self.of[spec.name]
        return member.offset, member.packed

    def receipts(self) -> Sums | None:
        """Return and forget the checksums of what was read, and the members that were read to their end."""
        found = Sums(self._sums, self._whole)
        self._sums, self._whole = {}, set()
        return found if found.of or found.whole else None

    def take(self, receipts: Sums) -> None:
        """Take the checksums of what another process read."""
        for key, sums in receipts.of.items():
            self._sums.setdefault(key, {}).update(sums)
        self._whole |= receipts.whole

    def verify(self, rest: Sequence[int] | None = None) -> None:
        """Raise InputError if an array that was read to its end has the wrong CRC, or if the file has changed.

        With `rest`, also read and check all other members.
        """
        for key, sums in self._sums.items():
            member, header = self.of[key]
            first = len(header.raw)
            pieces = {0: (checksum(header.raw), first), **{first + at: one for at, one in sums.items()}}
            found, length = deflate.crc_of_pieces(pieces)
            if length == member.size and found != member.crc:
                raise InputError("its CRC is wrong: the file is damaged", path=self.file.path, tensor=key)
            if length == member.size:
                self._whole.add(member.name)
        for member, _ in self.entries if rest is not None else ():
            if member.name not in self._whole and member.method in (STORED, DEFLATED):
                check(self.file, member)
        self.file.check_unchanged()

    def not_convertible(self) -> list[str]:
        """Describe the members that are not arrays of numbers, and the comment."""
        found = [f"members that are not numbers ({shortlist(self.non_numeric)})"] if self.non_numeric else []
        found += [f"pickled objects ({shortlist(self.pickled)})"] if self.pickled else []
        return [*found, "the archive's comment"] if archive.comment(self.file) else found

    def close(self) -> None:
        """Do nothing: the descriptor belongs to the caller."""

    def _header(self, member: Member) -> npy.Header | None:
        """Return the header of a member, or None if it is not an array; raise InputError if the header is wrong."""
        if not member.name.endswith(".npy") and not self._begins_as_array(member):
            return None
        if member.method not in (STORED, DEFLATED):
            raise self._refused(member, f"is packed by zip method {member.method}; save it with numpy.savez_compressed")
        if member.method == STORED:
            data = self.file.read(member.offset, min(npy.LONGEST, member.size))
        else:
            data = Inflater(self.file, member, npy.LONGEST).take(npy.LONGEST)
        try:
            header = npy.parse(data, self._void_dtype)
        except ValueError as error:
            raise self._refused(member, str(error)) from error
        if not header.pickled and len(header.raw) + header.nbytes != member.size:
            raise self._refused(
                member, f"declares {header.nbytes:,} bytes of elements, {member.size - len(header.raw):,} are there"
            )
        return header

    def _begins_as_array(self, member: Member) -> bool:
        """Return whether numpy takes a member for an array whatever its name; reads only its first bytes."""
        if member.size < len(npy.MAGIC) or member.method not in (STORED, DEFLATED):
            return False
        if member.method == STORED:
            return self.file.read(member.offset, len(npy.MAGIC)) == npy.MAGIC
        return Inflater(self.file, member, _FIRST).take(len(npy.MAGIC)) == npy.MAGIC

    def _check_names(self) -> None:
        """Index the arrays of numbers by name; raise InputError if numpy could confuse two members."""
        seen: set[str] = set()
        for member, header in self.entries:
            if not seen.isdisjoint((member.name, key_of(member.name), f"{member.name}.npy")):
                raise self._refused(member, "stands twice in the archive, or as both 'x' and 'x.npy'")
            seen.add(member.name)
            if header is not None and header.is_numbers:
                self.of[key_of(member.name)] = member, header

    def _without_numbers(self) -> InputError:
        if all(header is None for _, header in self.entries):
            return InputError(about_zip([member.name for member in self.members]), path=self.file.path)
        what = f", but pickled objects ({shortlist(self.pickled)}), which are never loaded" if self.pickled else ""
        return InputError(f"holds no array of numbers{what}; save the gradients as such", path=self.file.path)

    def _refused(self, member: Member, message: str) -> InputError:
        return InputError(message, path=self.file.path, tensor=member.name)


def key_of(name: str) -> str:
    """Return the name of an array as numpy gives it."""
    return name.removesuffix(".npy")


def _spec(key: str, member: Member, header: npy.Header) -> TensorSpec:
    offset = member.offset + len(header.raw) if member.method == STORED else None
    return TensorSpec(key, header.dtype, header.shape, offset, header.fortran)
