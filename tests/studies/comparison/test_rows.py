"""Rows as they are asked for."""

from pathlib import Path

import pytest

from lgrseg.studies.comparison.rows import Row, parse_rows


def test_rows_as_they_are_asked_for():
    rows = parse_rows(["dinov2_small", "dinov2_base=a/w.pth", "config:configs/lgrnet/base.py"])
    assert [row.name for row in rows] == ["dinov2_small", "dinov2_base", "base"]
    assert rows[1] == Row("dinov2_base", "dinov2_base", "a/w.pth")
    assert rows[2].config == Path("configs/lgrnet/base.py") and rows[2].encoder is None
    several = parse_rows(["mae_base", "mae_base=a/x.pth", "mae_base=a/y.v2.pth"])
    assert [row.name for row in several] == ["mae_base", "mae_base_x", "mae_base_y.v2"]
    with pytest.raises(ValueError, match="must differ"):
        parse_rows(["mae_base=a/x.pth", "mae_base=b/x.pth"])


def test_a_whole_config_has_overrides_of_its_own():
    (row,) = parse_rows(["config:a/b.v2.py,model.x.weights=w/y.pth,model.sizes=[1,2],train.z=1"])
    assert row.name == "b.v2" and row.config == Path("a/b.v2.py")
    assert row.overrides == ("model.x.weights=w/y.pth", "model.sizes=[1,2]", "train.z=1")
    with pytest.raises(ValueError, match="must differ"):
        parse_rows(["config:a/b.py,model.x=1", "config:a/b.py,model.x=2"])
