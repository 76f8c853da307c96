"""lgrseg/reporting/dataset_tables.py; the formats are in test_tools.py."""

from lgrseg.reporting.dataset_tables import tables_by_dataset, write_tables
from lgrseg.reporting.tables import RunRow


def test_datasets_are_apart_and_a_column_that_a_run_lacks_is_a_dash(tmp_path):
    rows = [
        RunRow("heart", "one", {"Dice": "0.9"}),
        RunRow("brain", "one", {"AUC": "0.8"}),
        RunRow("heart", "two", {"Dice": "0.7", "gain": "-0.2"}),
    ]
    tables = tables_by_dataset(rows)
    assert list(tables) == ["brain", "heart"]
    assert tables["heart"].to_numpy().tolist() == [["one", "0.9", "-"], ["two", "0.7", "-0.2"]]
    write_tables(tables, tmp_path / "new" / "v1.5")
    names = {"v1.5.md", "v1.5.csv", "v1.5.tex"}
    assert {file.name for file in (tmp_path / "new").iterdir()} == names


def test_without_rows_there_is_no_table():
    assert tables_by_dataset([]) == {}
