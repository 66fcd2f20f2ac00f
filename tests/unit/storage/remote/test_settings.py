"""How remote files are asked for holds for as long as the call that says so."""

import pytest

from gradclip_cli.errors import UsageError
from gradclip_cli.storage.remote.settings import CONNECTIONS, Settings, current, using


def test_the_innermost_settings_hold() -> None:
    """Calls in calls may ask in another way; afterwards it is as before."""
    assert current() == Settings(CONNECTIONS, False, 30.0)
    with using(Settings(4)):
        with using(Settings(anonymous=True)):
            assert (current().connections, current().anonymous) == (CONNECTIONS, True)
        assert current().connections == 4
    assert current() == Settings()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Settings(connections=0), "^--connections must be at least 1, not 0$"),
        (Settings(timeout=0.0), "^--timeout must be above 0 and below 1,000,000 seconds, not 0$"),
        (Settings(timeout=float("nan")), "^--timeout .* not nan$"),
        (Settings(timeout=1e9), r"^--timeout .* not 1e\+09$"),
    ],
)
def test_numbers_that_are_out_of_range(wrong: Settings, said: str) -> None:
    """The number that is wrong is named, and no other."""
    with pytest.raises(UsageError, match=said), using(wrong):
        pass
