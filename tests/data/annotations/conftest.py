"""What the tests of annotation files share."""

import pytest


@pytest.fixture
def root(tmp_path):
    """A folder for clips."""
    return tmp_path / "clips"
