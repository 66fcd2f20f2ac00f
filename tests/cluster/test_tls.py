"""A scheduler with TLS is used by who has a certificate, as Dask is told in its own variables, and by nobody else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.dask_cluster import DaskCluster
from support.official import savez
from support.tensors import gradients

pytestmark = pytest.mark.remote


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_scheduler_with_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a certificate the report is that of one machine; without one, or by another's, there is one line, and exit code 2."""
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "1"]
    subprocess.run([*made, "-keyout", "key.pem", "-out", "cert.pem"], cwd=tmp_path, check=True, capture_output=True)
    key, cert = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    savez(tmp_path / "g.npz", w=gradients(3_000_000))
    command = [sys.executable, "-m", "gradclip_cli", "stats", str(tmp_path / "g.npz"), "--json"]
    expected = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    without = dict(os.environ)
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TLS__CA_FILE", cert)
    for part in ("CLIENT", "SCHEDULER", "WORKER"):
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{part}__CERT", cert)
        monkeypatch.setenv(f"DASK_DISTRIBUTED__COMM__TLS__{part}__KEY", key)
    cluster = DaskCluster(tmp_path, 3, protocol="tls")
    try:
        cluster.add("plain")
        assert cluster.address.startswith("tls://")
        argv = [*command, "--scheduler", cluster.address]
        assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == expected
        refused = subprocess.run(argv, capture_output=True, text=True, check=False, env=without)
        missing = {**os.environ, "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY": str(tmp_path / "no.key")}
        no_key = subprocess.run(argv, capture_output=True, text=True, check=False, env=missing)
        other = [*made, "-keyout", "other.key", "-out", "other.pem"]
        subprocess.run(other, cwd=tmp_path, check=True, capture_output=True)
        monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TLS__CA_FILE", str(tmp_path / "other.pem"))
        strange = subprocess.run(argv, capture_output=True, text=True, check=False)
    finally:
        cluster.stop()
    assert refused.returncode == 2
    assert "no Dask scheduler answers (" in refused.stderr
    assert "Traceback" not in refused.stderr
    for one, why in ((no_key, "No such file or directory"), (strange, "self-signed certificate")):
        assert one.returncode == 2
        assert f"Error: {cluster.address}: TLS failed ({why}" in one.stderr
        assert "Traceback" not in one.stderr
