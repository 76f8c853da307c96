"""Log of a run."""

import logging

import pytest

from lgrseg.engine import logs


@pytest.fixture
def logger(monkeypatch):
    monkeypatch.setattr(logs.logger, "handlers", [])
    monkeypatch.setattr(logs.logger, "level", logging.WARNING)
    return logs.logger


def test_a_file_also_has_the_lines_before_it_once(logger, tmp_path, capsys):
    logs.log_to_console()
    logger.warning("3 weights are of another shape")
    for name in ("first.txt", "second.txt"):
        with logs.log_to_file(tmp_path / name):
            logger.info("iteration 1")
    lines = [line.partition(" ")[2][9:] for line in (tmp_path / "first.txt").open()]
    assert lines == ["3 weights are of another shape\n", "iteration 1\n"]
    assert "another shape" not in (tmp_path / "second.txt").read_text()
    assert capsys.readouterr().err.count("another shape") == 1
