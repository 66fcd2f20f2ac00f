"""A process that reads foreign files takes so much, and no more."""

import json
import subprocess
import sys

import pytest

from gradclip_cli.formats.hdf5.limits import Limits

LIMITED = """
import json, resource, signal, time
from gradclip_cli.formats.hdf5.limits import Limits, limit, rest, settle

settle(0)
limit(Limits(seconds=2, clock=12, nbytes=64 << 20))
found = {
    "processor": resource.getrlimit(resource.RLIMIT_CPU)[0],
    "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    "alarm": signal.alarm(0),
    "ignored": [signal.getsignal(number) is signal.SIG_IGN for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
}
limit(Limits(seconds=5, clock=30, nbytes=64 << 20))
found["raised"] = resource.getrlimit(resource.RLIMIT_CPU)[0]
rest()
found["resting"] = signal.alarm(0)
try:
    bytearray(256 << 20)
    found["memory"] = "granted"
except MemoryError:
    found["memory"] = "refused"
found["small"] = len(bytearray(1 << 20))
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much a process has mapped")
def test_what_a_request_may_take() -> None:
    """Each request has its own seconds and bytes beyond what is in use; a rest has no clock, and terminals are the parent's."""
    ended = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True)
    found = json.loads(ended.stdout)
    assert found["processor"] in (3, 4)  # two more than were used to start, rounded up
    assert found["raised"] == found["processor"] + 3
    assert (found["core"], found["alarm"], found["resting"]) == (0, 12, 0)
    assert found["ignored"] == [True, True, True]
    assert (found["memory"], found["small"]) == ("refused", 1 << 20)


@pytest.mark.parametrize("nbytes", [0, 4 << 20, 640 << 20])
def test_a_small_file_ends_soon(nbytes: int) -> None:
    """A request about a file below a megabyte has at most 8 s on the clock, whatever it unpacks to; larger files have more."""
    small = Limits.for_request((1 << 20) - 1, nbytes)
    assert small.seconds <= small.clock <= 8
    larger = Limits.for_request(100 << 20, nbytes)
    assert (larger.seconds, larger.clock) == (small.seconds + 100, small.clock + 600)
    assert Limits.for_request(1 << 40, nbytes).seconds == 600


def test_huge_chunks_have_more_time() -> None:
    """What only `--allow-huge` reads has time to be unpacked, however small its file is."""
    assert Limits.for_request(1000, 10 << 30).seconds > 100
