"""Find the credentials of a store where its own library documents them; say so at once where there are none.

Keys are never options: they come from the environment, as the variables of AWS, Google and Azure, or from a machine in their
clouds, which an address of its own network gives them. That address is asked only if something answers there.
"""

import os
import re
import socket
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.storage.remote.settings import current
from gradclip_cli.storage.remote.urls import is_true
from gradclip_cli.text import printable

_FOUND_IN = {
    "s3": (
        "AWS_ACCESS_KEY_ID",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ),
    "gs": (
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_SERVICE_ACCOUNT",
        "GOOGLE_SERVICE_ACCOUNT_PATH",
        "GOOGLE_SERVICE_ACCOUNT_KEY",
    ),
    "az": (
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_ACCESS_KEY",
        "AZURE_STORAGE_SAS_TOKEN",
        "AZURE_STORAGE_SAS_KEY",
        "AZURE_STORAGE_TOKEN",
        "AZURE_STORAGE_CLIENT_SECRET",
        "AZURE_CLIENT_SECRET",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_STORAGE_CONNECTION_STRING",
        "AZURE_STORAGE_USE_EMULATOR",
        "AZURE_USE_AZURE_CLI",
        "AZURE_MSI_ENDPOINT",
        "IDENTITY_ENDPOINT",
    ),
}
ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL", "STORAGE_EMULATOR_HOST"),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
_PROVIDERS = {
    "s3": "https://amazonaws.com",
    "gs": "https://storage.googleapis.com",
    "az": "https://blob.core.windows.net",
}
_OF_EMULATORS = "STORAGE_EMULATOR_HOST"  # often without a scheme
_SECRETS = ("AWS_", "AZURE_STORAGE_", "AZURE_CLIENT_", "HF_TOKEN")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?")
_SWITCHED_OFF = "AWS_EC2_METADATA_DISABLED"
_METADATA = {"s3": "169.254.169.254", "gs": "metadata.google.internal", "az": "169.254.169.254"}
_PATIENCE = 1.0
"""Seconds for a machine of a cloud to answer: it is on the same network."""
_TO_SET = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "hf": "HF_TOKEN",
}


def advice(scheme: str, *, anonymous: bool = False) -> str:
    """Say what to set where a store knows nobody, and what to check where it was told who asks; `anonymous` requests do not."""
    if scheme in ("http", "https"):
        return "give a URL that is signed, or has a user and a password"
    if anonymous:
        return f"set {_TO_SET[scheme]}, and leave out --anonymous"
    names = ("HF_TOKEN",) if scheme == "hf" else _FOUND_IN[scheme]
    given = next((name for name in names if os.environ.get(name)), None)
    ask = f"set {_TO_SET[scheme]}" if given is None else f"check {given} and what it may do"
    return ask if scheme == "hf" else f"{ask}, or give --anonymous for a public bucket"


def check_variables(scheme: str) -> None:
    """Raise UsageError for what obstore would not survive: an endpoint that is no URL, or a line break in a key."""
    for name in ENDPOINTS.get(scheme, ()):
        if name in os.environ and name != _OF_EMULATORS and not _is_endpoint(os.environ[name]):
            given = printable(os.environ[name])
            raise UsageError(f"{name} must be a URL such as http://127.0.0.1:9000, or unset, not '{given}'")
    for name in sorted(os.environ):
        if name.upper().startswith(_SECRETS) and _CONTROL.search(os.environ[name]):
            raise UsageError(f"{name} holds a line break or another control character; set it anew without")


def _is_endpoint(text: str) -> bool:
    try:
        parts = urlsplit(text)
        known = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and known and bool(_HOST.fullmatch(parts.netloc.rpartition("@")[2]))


def endpoint(scheme: str) -> str:
    """Return the address of a store, as the environment has it, or that of its provider."""
    found = next((os.environ[name] for name in ENDPOINTS[scheme] if os.environ.get(name)), _PROVIDERS[scheme])
    if scheme == "gs" and "gcs_base_url" in (key := os.environ.get("GOOGLE_SERVICE_ACCOUNT_KEY", "")):
        found = key.partition("gcs_base_url")[2].strip('": ').partition('"')[0]
    return found if "://" in found else f"http://{found}"


def check_found(scheme: str, where: str) -> None:
    """Raise InputError if a store would look for credentials in vain, which takes it minutes."""
    if any(os.environ.get(name) for name in _FOUND_IN[scheme]):
        return
    if scheme == "gs" and (Path.home() / ".config/gcloud/application_default_credentials.json").is_file():
        return
    if not _is_in_cloud(
        os.environ.get("GCE_METADATA_HOST", _METADATA[scheme]) if scheme == "gs" else _METADATA[scheme]
    ):
        place = f" (said by {current().place})" if current().place else ""
        raise InputError(f"no credentials were found; {advice(scheme)}{place}", path=where)


@cache
def _is_in_cloud(host: str) -> bool:
    """Whether the address answers by which a machine of a cloud gets credentials; asked once, and not where that is switched off."""
    if is_true(_SWITCHED_OFF):
        return False
    name, _, port = host.partition(":")
    try:
        socket.create_connection((name, int(port or 80)), _PATIENCE).close()
    except (OSError, ValueError):
        return False
    return True


def profile_of_aws(where: str) -> Any | None:
    """Return what gives the keys of the files of AWS (profiles, SSO), by boto3; None if the environment has keys, or there are none.

    Raises InputError if a profile is asked for that cannot be had.
    """
    asked = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")
    if any(os.environ.get(name) for name in _FOUND_IN["s3"]) and not asked:
        return None
    files = (
        os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
        os.environ.get("AWS_CONFIG_FILE", "~/.aws/config"),
    )
    if not asked and not any(Path(name).expanduser().is_file() for name in files):
        return None
    if find_spec("boto3") is None:
        if asked:
            raise InputError("AWS_PROFILE is read by boto3; pip install boto3, or set AWS_ACCESS_KEY_ID", path=where)
        return None
    return _by_boto3(asked, where)


def _by_boto3(asked: str | None, where: str) -> Any | None:
    import boto3
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        return Boto3CredentialProvider(boto3.Session(profile_name=asked))
    except (BotoCoreError, ValueError) as error:
        if asked:
            raise InputError(
                f"the profile {asked} of AWS gives no credentials; log in, or correct it", path=where
            ) from error
        return None
