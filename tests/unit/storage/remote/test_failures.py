"""What obstore raises becomes one line of ours: what is wrong, and what to do, with no word of its own."""

import pytest

pytest.importorskip("obstore")

from obstore.exceptions import (
    AlreadyExistsError,
    GenericError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
)

from gradclip_cli.errors import InputError, OutputError
from gradclip_cli.storage.remote.failures import Failure, failure, told
from gradclip_cli.storage.remote.settings import Settings, using

PAGES = "\n\nDebug source:\nGeneric { uri: https://h/k?X-Amz-Signature=unspoken }"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError("Object at location k not found" + PAGES), Failure.MISSING),
        (FileNotFoundError("<Code>NoSuchBucket</Code>" + PAGES), Failure.NO_BUCKET),
        (GenericError("<Code>ContainerNotFound</Code>" + PAGES), Failure.NO_BUCKET),
        (PermissionDeniedError("403" + PAGES), Failure.FORBIDDEN),
        (PreconditionError("412" + PAGES), Failure.CHANGED),
        (AlreadyExistsError("412" + PAGES), Failure.EXISTS),
        (GenericError("status code: 416 Range Not Satisfiable" + PAGES), Failure.PAST_END),
        (GenericError("Requested 0..10, got 0..9" + PAGES), Failure.PAST_END),
        (GenericError("Received non-partial response when range requested" + PAGES), Failure.NO_RANGES),
        (NotSupportedError("Range request not supported by k" + PAGES), Failure.NO_RANGES),
        (GenericError("this normally indicates an incorrectly configured region" + PAGES), Failure.ELSEWHERE),
        (GenericError("Error performing PUT http://169.254.169.254/latest/api/token" + PAGES), Failure.NO_CREDENTIALS),
        (GenericError("InvalidCertificate(UnknownIssuer)" + PAGES), Failure.UNTRUSTED),
        (GenericError("InvalidCertificate(\n    NotValidForNameContext {" + PAGES), Failure.OTHER_NAME),
        (GenericError("InvalidCertificate(\n    ExpiredContext {" + PAGES), Failure.EXPIRED),
        (GenericError("status code: 400 <Code>ExpiredToken</Code>" + PAGES), Failure.REFUSED),
        (GenericError("InvalidMessage(InvalidContentType)" + PAGES), Failure.NOT_ENCRYPTED),
        (GenericError("Account must be specified" + PAGES), Failure.NO_ACCOUNT),
        (GenericError("HTTP error: builder error, source: BadScheme" + PAGES), Failure.PLAIN),
        (GenericError("status code: 503" + PAGES), Failure.SILENT),
        (GenericError("HTTP error: error sending request" + PAGES), Failure.SILENT),
        (GenericError("status code: 501" + PAGES), Failure.UNSUPPORTED),
        (GenericError("status code: 400" + PAGES), Failure.REFUSED),
    ],
)
def test_what_went_wrong(error: Exception, kind: Failure) -> None:
    """Failures are told apart by class, status and text, and none of the text is shown."""
    assert failure(error) is kind
    for writing in (False, True):
        line = str(told(error, "s3://bkt/k", writing=writing))
        assert line.startswith("s3://bkt")
        assert ";" in line or "ends early" in line
        assert "unspoken" not in repr(error)
        assert not any(word in line for word in ("Debug", "unspoken", "Generic", "\n"))


def test_reading_and_writing_have_exit_codes_of_their_own() -> None:
    """What cannot be read is an error of the input, what cannot be written one of the output."""
    error = PermissionDeniedError("403")
    assert isinstance(told(error, "s3://bkt/k"), InputError)
    assert isinstance(told(error, "s3://bkt/k", writing=True), OutputError)


@pytest.mark.parametrize("status", ["401", "403"])
@pytest.mark.parametrize("scheme", ["s3", "gs", "az", "hf"])
def test_who_asks_without_a_name(status: str, scheme: str) -> None:
    """A refusal of an anonymous request asks for credentials, and one of a signed request never for what was given."""
    with using(Settings(anonymous=True)):
        line = str(told(GenericError(f"status code: {status}"), f"{scheme}://datasets/n/k"))
    assert f"({status}); set " in line
    assert line.endswith(", and leave out --anonymous")
    assert "leave out" not in str(told(GenericError(f"status code: {status}"), f"{scheme}://datasets/n/k"))


def test_how_long_was_tried() -> None:
    """The line says how often a server was asked, and for how long."""
    text = "Error performing GET u in 33.365881ms, after 2 retries, max_retries: 2 - Server returned non-2xx status code: 503"
    assert "did not answer (503, 3 tries in 33.3 ms); try again" in str(told(GenericError(text), "s3://bkt/k"))
