"""What may be wrong with a series."""

import pytest

pytest.register_assert_rewrite("unit.checks.made")  # so that a failing test shows both sides
