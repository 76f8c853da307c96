"""One tiny model for the tests of this folder."""

import pytest
from bright_disc import learnt_run


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    return learnt_run(tmp_path_factory.mktemp("run"))
