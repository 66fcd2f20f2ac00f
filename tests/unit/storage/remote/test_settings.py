"""How remote files are asked for holds for as long as the call that says so."""

from gradclip_cli.storage.remote.settings import CONNECTIONS, Settings, current, using


def test_the_innermost_settings_hold() -> None:
    """Calls in calls may ask in another way; afterwards it is as before."""
    assert current() == Settings(CONNECTIONS, False, 30.0)
    with using(Settings(4)):
        with using(Settings(anonymous=True)):
            assert (current().connections, current().anonymous) == (CONNECTIONS, True)
        assert current().connections == 4
    assert current() == Settings()
