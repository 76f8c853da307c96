"""Which patient is in which part: drawn, from a table, from a pattern, in folds."""

from collections import Counter

import pytest

from lgrseg.data.patient_splits import (
    ClipRow,
    check_patients,
    patients_of,
    read_table,
    with_folds,
    with_splits,
    write_table,
)


def clips_of(num_patients, each=2):
    return [
        ClipRow(f"p{n:02}/clip{k}", f"p{n:02}") for n in range(num_patients) for k in range(each)
    ]


def parts(rows, column="split"):
    """Part -> its patients; a patient in two parts would be counted twice."""
    return Counter(part for _, part in {(row.patient, getattr(row, column)) for row in rows})


@pytest.mark.parametrize(
    ("num_patients", "expected"),
    [
        (20, {"train": 14, "val": 3, "test": 3}),
        (3, {"train": 1, "val": 1, "test": 1}),
        (2, {"train": 1, "val": 1}),
        (1, {"train": 1}),
    ],
)
def test_patients_are_drawn_whole(num_patients, expected):
    rows = clips_of(num_patients)
    drawn = with_splits(rows, {row.clip for row in rows}, seed=0)
    assert parts(drawn) == expected
    assert drawn == with_splits(rows, {row.clip for row in rows}, seed=0)
    if num_patients == 20:
        assert drawn != with_splits(rows, {row.clip for row in rows}, seed=1)


def test_who_has_a_split_keeps_it_when_clips_are_added():
    rows = clips_of(20)
    first = with_splits(rows, {row.clip for row in rows}, seed=0)
    more = [*first, *clips_of(40)[40:]]
    second = with_splits(more, {row.clip for row in more}, seed=0)
    assert second[:40] == first and parts(second) == {"train": 28, "val": 6, "test": 6}


def test_patients_without_labels_are_for_training():
    rows = clips_of(10)
    labelled = {row.clip for row in rows[:12]}
    drawn = with_splits(rows, labelled, seed=0)
    assert {row.split for row in drawn[12:]} == {"train"}
    assert parts(drawn[:12]) == {"train": 4, "val": 1, "test": 1}


def test_folds_share_the_patients_evenly_and_leave_tests_apart():
    rows = [*clips_of(11), ClipRow("q/a", "q", split="test"), ClipRow("r/a", "r")]
    labelled = {row.clip for row in rows} - {"r/a"}
    folded = with_folds(rows, labelled, num_folds=3, seed=0)
    assert sorted(parts(folded[:22], "fold").values()) == [3, 4, 4]
    assert [(row.split, row.fold) for row in folded[22:]] == [("test", ""), ("train", "")]
    check_patients(folded, source="folds")
    with pytest.raises(ValueError, match="here 11, not 12"):
        with_folds(rows, labelled, num_folds=12, seed=0)


@pytest.mark.parametrize(
    ("clips", "pattern", "expected"),
    [
        (["a/x", "a/y", "b/x"], None, ["a", "a", "b"]),
        (["x", "y"], None, ["x", "y"]),
        (["data/a/x", "data/a/y", "data/b/x"], None, ["a", "a", "b"]),
        (["images/x", "images/y"], None, ["images/x", "images/y"]),
        (["all/x", "all/y"], None, ["all/x", "all/y"]),
        (["p1_ed", "p1_es", "p2_ed"], r"(?P<patient>\w+)_", ["p1", "p1", "p2"]),
        (["s/p1_ed", "s/p2_ed"], r"p(\d)", ["1", "2"]),
        (["p1_ed", "p2_ed"], r"p\d", ["p1", "p2"]),
    ],
)
def test_the_patient_is_in_the_folder_or_the_name(clips, pattern, expected):
    patients, problems = patients_of(clips, pattern)
    assert [patients[clip] for clip in clips] == expected and not problems


def test_a_clip_without_a_patient_is_named():
    patients, problems = patients_of(["p1_a", "zz"], r"p\d")
    assert patients == {"p1_a": "p1"} and "its patient is unknown" in problems["zz"]
    with pytest.raises(ValueError, match="is not a regular expression"):
        patients_of(["a"], "(")


def test_a_table_survives_being_written(tmp_path):
    rows = [ClipRow("a/b", "p, 1", "train"), ClipRow("c", "q", "val", ed_frame="3")]
    write_table(rows, tmp_path / "splits.csv")
    assert read_table(tmp_path / "splits.csv") == rows
    head = (tmp_path / "splits.csv").read_text().splitlines()[0]
    assert head == "clip,patient,split,ed_frame"
    assert rows[1].phase("ed_frame") == 3 and rows[1].phase("es_frame") is None


def test_a_table_of_a_spreadsheet_is_read(tmp_path):
    file = tmp_path / "splits.csv"
    file.write_bytes(b'\xef\xbb\xbfclip;patient;split\r\n"a,b";p;val\r\n')
    assert read_table(file) == [ClipRow("a,b", "p", "val")]
    for head in ("sep=;\r\n", '"sep=;"\n', "sep=;;;\n"):
        file.write_text(f"{head}clip;patient;split\na,b;p;val\n")
        assert read_table(file) == [ClipRow("a,b", "p", "val")]
    file.write_text("clip,patient,split\nanna\\old\\rest,anna,train\nben/rest,a\\b,val\n")
    assert read_table(file) == [
        ClipRow("anna/old/rest", "anna", "train"),
        ClipRow("ben/rest", "a\\b", "val"),
    ]
    file.write_bytes("clip,patient,split\nMüller,p,val\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"splits.csv is not UTF-8 .*save it as CSV UTF-8"):
        read_table(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip,pateint\na,b\n", "no column 'pateint'; did you mean 'patient'"),
        ("patient,split\na,b\n", "it needs clip, patient, split"),
        ("clip,split\na,val\na,train\n", "names the clip 'a' twice"),
        ("clip,split\na/b,val\na\\b,train\n", "names the clip 'a/b' twice"),
        ("clip,fold\na,one\n", "fold must be a whole number"),
        ("clip,es_frame\na,-1\n", "es_frame must be a whole number"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path, text, message):
    (tmp_path / "splits.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / "splits.csv")


def test_a_patient_in_two_parts_is_refused():
    rows = [ClipRow("a", "p", "train"), ClipRow("b", "p", "val")]
    with pytest.raises(ValueError, match="patient p is in split train and val"):
        check_patients(rows, source="splits.csv")


def test_a_name_that_is_not_utf_8_is_refused_and_the_earlier_table_stays(tmp_path):
    file = tmp_path / "splits.csv"
    write_table(clips_of(3), file)
    before = file.read_text()
    with pytest.raises(ValueError, match=r"the clip 'M\\udcfcller' is not UTF-8: rename it"):
        write_table([*clips_of(3), ClipRow("M\udcfcller", "p4")], file)
    assert file.read_text() == before
