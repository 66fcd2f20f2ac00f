"""A process that reads foreign files takes so much, and no more."""

import json
import subprocess
import sys

import pytest

LIMITED = """
import json, resource, signal, time
from gradclip_cli.formats.hdf5.limits import Limits, limit, rest, settle

settle(0)
limit(Limits(seconds=2, nbytes=64 << 20))
found = {
    "processor": resource.getrlimit(resource.RLIMIT_CPU)[0],
    "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    "alarm": signal.alarm(0),
    "ignored": [signal.getsignal(number) is signal.SIG_IGN for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
}
limit(Limits(seconds=5, nbytes=64 << 20))
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
