"""lgrseg/reporting/tables.py."""

import subprocess
import sys

from lgrseg.reporting.tables import markdown_table, show


def test_a_markdown_table():
    assert markdown_table(["", "Dice"], [["left ventricle", "0.9000"], ["wall", "-"]]) == (
        "|                | Dice   |\n"
        "|:---------------|:-------|\n"
        "| left ventricle | 0.9000 |\n"
        "| wall           | -      |"
    )


def test_numbers_are_shown_as_they_are_written():
    assert "| 0.9000 |" in markdown_table(["Dice"], [["0.9000"], ["1e3"]])


def test_a_table_without_rows_has_a_head():
    assert markdown_table(["a", "b"], []).splitlines()[0].split() == ["|", "a", "|", "b", "|"]


def test_pandas_is_imported_only_for_a_table():
    code = "import sys, lgrseg.reporting.tables; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_score_is_a_dash():
    assert show(None) == show(float("nan")) == "-"
    assert show(0.25, 1) == "0.2" and show(0) == "0.0000"
    assert show(-0.04, 1) == "0.0" and show(-0.06, 1) == "-0.1"
