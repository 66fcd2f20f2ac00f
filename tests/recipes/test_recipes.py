"""What each recipe saves has the norm that its framework takes."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import gradclip_cli

HERE = Path(__file__).parent
NEEDS = {
    "jax_step": ("jax", "optax"),
    "jax_chain": ("jax", "optax"),
    "flax_nnx": ("flax",),
    "keras_model": ("keras", "jax"),
    "tensorflow_loop": ("tensorflow",),
}


@pytest.mark.parametrize("name", NEEDS)
def test_the_norms_of_its_files_are_those_of_the_framework(name: str, tmp_path: Path) -> None:
    """Every step that the program prints is a file, and stats finds its norm; all are far above what is clipped to."""
    for module in NEEDS[name]:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    quiet = {**os.environ, "KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, str(HERE / f"{name}.py"), str(tmp_path)]
    run = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 0, run.stderr
    expected = {int(step): float(norm) for step, norm in map(str.split, run.stdout.splitlines())}
    found = {dump.step: dump.norm for dump in gradclip_cli.stats(tmp_path).dumps}
    assert len(found) >= 3
    assert found == pytest.approx(expected, rel=1e-6)
    assert max(found.values()) > 0.02


def test_every_recipe_is_tried() -> None:
    """A program without a test could rot."""
    assert {path.stem for path in HERE.glob("*.py")} - {"__init__", "test_recipes", "conftest"} == set(NEEDS)
