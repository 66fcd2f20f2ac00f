"""The file store of MLflow against what its client reads back."""

import math
import random
from pathlib import Path

import pytest

mlflow = pytest.importorskip("mlflow")

from gradclip_cli import stats


def test_file_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric, the folder of metrics and that of a run have the steps and norms that the client tells."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = mlflow.MlflowClient(f"file:{tmp_path}/mlruns")
    run = client.create_run(client.create_experiment("one"))
    chance = random.Random(2)
    for step in range(300):
        norm = math.nan if step == 70 else chance.lognormvariate(0, 3)
        client.log_metric(run.info.run_id, "train/grad_norm", norm, step=step)
        client.log_metric(run.info.run_id, "train/loss", 1.0, step=step)
    client.log_metric(run.info.run_id, "grad_norm_clipped", 1.0, step=0)
    told = [(one.step, repr(one.value)) for one in client.get_metric_history(run.info.run_id, "train/grad_norm")]
    folder = next((tmp_path / "mlruns").glob(f"*/{run.info.run_id}"))
    for path in (folder, folder / "metrics", folder / "metrics" / "train" / "grad_norm"):
        report = stats(str(path))
        assert [(row.step, repr(row.norm)) for row in report.dumps] == told
