"""The JSON Schemas of the reference hold for reports that they were not made from."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from support.official import savez

from docs import schemas
from docs.places import README
from docs.session import in_process

pytestmark = pytest.mark.skipif(not README.is_file(), reason="installed without its README")

CALLS = {
    "apply bad.npz --dry-run -s clip-by-value -t 1 --nonfinite propagate": 0,
    "apply calm.npz --dry-run -s clip-by-global-norm -t inf --layer a=clip-by-norm:1": 0,
    "stats bad.npz": 0,
    "stats calm.npz --try none --rule zclip -s clip-by-norm": 0,
    "check bad.npz": 1,
    "diff calm.npz bad.npz": 1,
    "ls calm.npz": 0,
    "cache info": 0,
    "strategies": 0,
}


@pytest.fixture
def dumps(tmp_path: Path) -> Path:
    """Write a dump, and one of other tensors with NaN, infinity and nothing."""
    savez(tmp_path / "calm.npz", **{"a.w": np.ones(3, np.float32), "b.w": np.ones((2, 2)), "count": np.array(3)})
    savez(tmp_path / "bad.npz", **{"a.w": np.array([np.nan, np.inf, 1]), "c.w": np.zeros(0, np.float32)})
    return tmp_path


@pytest.mark.parametrize(("call", "code"), CALLS.items())
def test_a_report_is_valid(call: str, code: int, dumps: Path) -> None:
    """What a command writes agrees with the schema of the command, keys and types."""
    shown = in_process([*call.split(), "-f", "json"], dumps)
    report = json.loads(shown.output)
    schema = json.loads((schemas.SCHEMAS / f"{call.split(maxsplit=1)[0]}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(report)
    assert shown.code == code


def test_a_schema_is_strict() -> None:
    """A key that is not known, or a number where a text belongs, does not pass."""
    schema = schemas.schema("ls")
    report = schemas.outputs("ls")[0]
    jsonschema.Draft202012Validator.check_schema(schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**report, "extra": 1}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**report, "tensors": [{**report["tensors"][0], "bytes": "4"}]}, schema)
