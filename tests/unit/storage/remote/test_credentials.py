"""Credentials are looked for where the libraries document them; where there are none, that is said at once."""

from pathlib import Path

import pytest
from support.servers.surroundings import alone

from gradclip_cli.errors import InputError, UsageError
from gradclip_cli.storage.remote import credentials
from gradclip_cli.storage.remote.credentials import check_found, check_variables, profile_of_aws


@pytest.mark.parametrize(
    ("scheme", "variable"),
    [("s3", "AWS_ACCESS_KEY_ID"), ("gs", "GOOGLE_APPLICATION_CREDENTIALS"), ("az", "AZURE_STORAGE_ACCOUNT_KEY")],
)
def test_none_are_found(scheme: str, variable: str, tmp_path: Path) -> None:
    """Without credentials, the line says which variable to set; with it, nothing is said."""
    with alone() as patch:
        patch.setenv("HOME", str(tmp_path))
        with pytest.raises(InputError, match=rf"no credentials were found; set .*{variable}.*, or give --anonymous"):
            check_found(scheme, f"{scheme}://b")
        patch.setenv(variable, "x")
        check_found(scheme, f"{scheme}://b")


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "127.0.0.1:9",
        "localhost:9",
        "nonsense",
        "http://a:9 ",
        "http://a:99999",
        "http:///x",
        "http://[::1",
        "http://u:SECRET@ho st",
    ],
)
def test_an_endpoint_is_a_url(endpoint: str) -> None:
    """An endpoint that obstore would not survive is refused by the name of its variable, without its secrets."""
    with alone() as patch:
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(UsageError, match=r"^AWS_ENDPOINT_URL must be a URL") as refused:
            check_variables("s3")
        assert "SECRET" not in str(refused.value)
        check_variables("gs")


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9000", "https://u:p@s3.example.com/base", "http://[::1]:9"])
def test_an_endpoint_may_be_any_url(endpoint: str) -> None:
    """Addresses, names, ports, users and paths are fine."""
    with alone() as patch:
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        check_variables("s3")


def test_a_key_has_no_line_break() -> None:
    """A key that was copied with its line break is refused by its name, and not shown."""
    with alone() as patch:
        patch.setenv("AWS_SESSION_TOKEN", "SECRET\n")
        with pytest.raises(UsageError, match=r"^AWS_SESSION_TOKEN holds a line break[^S]*$"):
            check_variables("s3")


def test_a_machine_of_a_cloud_is_asked_for_them() -> None:
    """Where the address of a cloud answers, its store finds the credentials itself; the address is tried once."""
    with alone() as patch:
        patch.setattr(credentials, "_is_in_cloud", lambda host: host == "169.254.169.254")
        check_found("s3", "s3://b")


def test_the_address_of_a_cloud_is_not_asked_where_that_is_switched_off() -> None:
    """A variable keeps the address from being asked; one at which nobody listens has none to give."""
    credentials._is_in_cloud.cache_clear()
    with alone() as patch:
        patch.undo()
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        assert not credentials._is_in_cloud("127.0.0.1:9")
        credentials._is_in_cloud.cache_clear()
        patch.delenv("AWS_EC2_METADATA_DISABLED")
        assert not credentials._is_in_cloud("127.0.0.1:9")
    credentials._is_in_cloud.cache_clear()


def test_a_profile_needs_boto3(tmp_path: Path) -> None:
    """A profile that is asked for is never left out silently: without boto3, that is an error; without a profile, there is none."""
    with alone() as patch:
        assert profile_of_aws("s3://b") is None
        patch.setattr(credentials, "find_spec", lambda name: None)
        (tmp_path / "credentials").write_text("[default]\n")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        assert profile_of_aws("s3://b") is None
        patch.setenv("AWS_PROFILE", "work")
        with pytest.raises(InputError, match="AWS_PROFILE is read by boto3; pip install boto3"):
            profile_of_aws("s3://b")
