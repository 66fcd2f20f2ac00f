"""The surroundings of a test of what is remote: dummy keys, no credentials of this machine, and no address asked for any."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gradclip_cli.storage.remote import credentials
from gradclip_cli.storage.remote.network import AUTHORITIES
from gradclip_cli.storage.remote.objects import objects
from gradclip_cli.storage.remote.settings import Settings, using
from support.servers.objects import Objects, served

HURRIED = Settings(timeout=10.0, pause=0.001)
"""How tests ask: they do not wait for servers that are on this machine."""
_NOBODY = {"client_email": "", "private_key": "", "private_key_id": ""}
_LEFT_OUT = ("AWS_", "GOOGLE_", "AZURE_", "HF_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", *AUTHORITIES)


def environment(url: str) -> dict[str, str]:
    """The variables by which a program finds a server of S3."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "known",
        "AWS_SECRET_ACCESS_KEY": "unspoken",
        "AWS_EC2_METADATA_DISABLED": "true",
        "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps({"gcs_base_url": url, "disable_oauth": True, **_NOBODY}),
        "HF_ENDPOINT": url,
        "NO_PROXY": "*",
    }


@contextmanager
def alone() -> Iterator[pytest.MonkeyPatch]:
    """Keep what this machine's environment says from the test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.upper().startswith(_LEFT_OUT)]:
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        patch.setattr(credentials, "_is_in_cloud", lambda host: False)
        objects().forget()
        yield patch


@contextmanager
def hurried_server() -> Iterator[Objects]:
    """Serve objects to this process, which asks in a hurry."""
    with alone() as patch, served() as found, using(HURRIED):
        for name, value in environment(found.url).items():
            patch.setenv(name, value)
        yield found
