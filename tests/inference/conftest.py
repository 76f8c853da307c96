"""One tiny model for all tests of predictions: a U-Net that finds bright discs."""

import pytest
from bright_disc import learnt_weights


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    return learnt_weights(tmp_path_factory.mktemp("disc") / "last.safetensors")
