"""A remote file is read as a local one is: any range, from any thread, with as few requests as there need be."""

from concurrent.futures import ThreadPoolExecutor
from random import Random

import numpy as np
import pytest
from support.servers.objects import Objects

from gradclip_cli.errors import InputError
from gradclip_cli.storage.remote.file import WHOLE, RemoteFile
from gradclip_cli.storage.remote.heads import HEAD
from gradclip_cli.storage.remote.objects import objects
from gradclip_cli.storage.remote.ranges import PART

URL = "s3://bkt/g.npz"


def opened(server: Objects, nbytes: int) -> tuple[RemoteFile, bytes]:
    """An object of random bytes, open."""
    data = np.random.default_rng(0).bytes(nbytes)
    server.of["bkt/g.npz"] = data
    return objects().open(URL), data


def test_opening_is_one_request(server: Objects) -> None:
    """One answer brings the head, the size and the fingerprint; the head is read without another."""
    file, data = opened(server, WHOLE + 1)
    assert (file.size, file.fd, file.read(10, HEAD - 10)) == (len(data), None, data[10:HEAD])
    assert file.fingerprint == objects().fingerprint(URL)
    assert file.fingerprint[2:] == (len(data), server.tag("bkt/g.npz"))
    assert [asked.range for asked in server.asked] == [f"bytes=0-{HEAD - 1}", "bytes=0-0"]


@pytest.mark.parametrize("nbytes", [0, 1, HEAD, HEAD + 1, 3 << 20, WHOLE + 12345])
def test_any_range_is_what_the_object_holds(server: Objects, nbytes: int) -> None:
    """Ranges inside and past the end are those of the object, whichever way they come; absurd ones are empty."""
    file, data = opened(server, nbytes)
    random = Random(nbytes)
    with file:
        file.expect([(0, nbytes)])
        for size in (1, 700, HEAD + 1, 3 << 20):
            at = random.randrange(max(nbytes, 1))
            assert file.read(at, size) == data[at : at + size]
        assert (file.read(nbytes, 1), file.read(1 << 62, 1 << 62)) == (b"", b"")
        out = np.empty(nbytes, np.uint8)
        file.read_into(0, out)
        assert out.tobytes() == data
        with pytest.raises(InputError, match="ends early"):
            file.read_into(nbytes - 1 if nbytes else 0, np.empty(2, np.uint8))


def test_what_is_expected_past_the_end_of_a_head_that_is_all(server: Objects) -> None:
    """Of a file that came whole with its head nothing is asked again, also where more is expected than there is."""
    file, data = opened(server, 5_000)
    file.expect([(4_000, 65_536), (4_990, 65_536)])
    assert file.read(4_000, 65_536) == data[4_000:]
    assert len(server.asked) == 1


def test_what_is_read_again_and_again_is_kept(server: Objects) -> None:
    """Small ranges of a large file that are expected several times are fetched twice at most."""
    file, data = opened(server, WHOLE + 1)
    ranges = [(at, 32 << 10) for at in range(HEAD, WHOLE, 1 << 20)]
    with file:
        for _ in range(5):
            file.expect(ranges, more=True)
            assert [file.read(*one) for one in ranges] == [data[at : at + nbytes] for at, nbytes in ranges]
    assert len(server.asked) <= 1 + 2 * len(ranges)


def test_a_small_file_is_fetched_whole(server: Objects) -> None:
    """Three thousand small reads of 12 MiB are four requests."""
    file, data = opened(server, 12 << 20)
    random = Random(0)
    for _ in range(3000):
        at = random.randrange(len(data))
        assert file.read(at, 30) == data[at : at + 30]
    assert len(server.asked) == 4


def test_what_is_expected_is_fetched_ahead_once(server: Objects) -> None:
    """Pieces that were announced are fetched in parts of one size, once, whichever threads read them in whichever order."""
    file, data = opened(server, 40 << 20)
    pieces = [(at, min(3 << 20, len(data) - at)) for at in range(HEAD, len(data), 3 << 20)]
    file.expect(pieces)

    def read(piece: tuple[int, int]) -> bool:
        out = np.empty(piece[1], np.uint8)
        file.read_into(piece[0], out)
        return out.tobytes() == data[piece[0] : sum(piece)]

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, pieces))
    assert len(server.gets()) == 1 + -(-(len(data) - HEAD) // PART)


def test_a_change_between_the_head_and_the_elements(server: Objects) -> None:
    """Elements of another state than the header are refused."""
    file, data = opened(server, 20 << 20)
    server.of["bkt/g.npz"] = data[::-1]
    with pytest.raises(InputError, match="changed while it was read"):
        file.read_into(1 << 20, np.empty(1 << 20, np.uint8))


def test_an_object_without_an_etag(server: Objects) -> None:
    """A server that sends no ETag is read all the same, by the time of the last change."""
    server.etags = False
    server.of["plain/g.npz"] = b"x" * (HEAD + 10)
    file = objects().open(f"{server.url}/plain/g.npz")
    assert file.read(HEAD, 10) == b"x" * 10
    assert str(file.fingerprint.version).startswith("2025-02-01")
