"""lgrseg/data/datasets/echonet_dynamic.py, on files in the dataset's own layout."""

import av
import numpy as np
import pytest

from lgrseg.data.catalog import DatasetCatalog
from lgrseg.data.datasets import RAW
from lgrseg.data.prepare import prepare
from lgrseg.data.store import read_masks

HEAD = "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split\n"
PAIRS, POINTS = "FileName,X1,Y1,X2,Y2,Frame\n", "FileName,X,Y,Frame\n"


def write_movie(path, num_frames=8):
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=50, width=112, height=112, pix_fmt="yuvj420p")
        for number in range(num_frames):
            picture = np.full((112, 112, 3), 20 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def box_as_pairs(name, top, left, bottom, right, frame):
    """The long axis, then a chord for every fifth row."""
    rows = [f"{name}.avi,{(left + right) / 2},{top},{(left + right) / 2},{bottom},{frame}\n"]
    for row in range(top, bottom + 1, 5):
        rows.append(f"{name}.avi,{left},{row},{right},{row},{frame}\n")
    return "".join(rows)


@pytest.fixture
def raw(tmp_path):
    root = tmp_path / "raw"
    write_movie(root / "Videos" / "0X1A.avi")
    write_movie(root / "Videos" / "0X2B.avi")
    (root / "FileList.csv").write_text(
        HEAD + "0X1A,62.5,30.1,80.3,112,112,50,8,TRAIN\n0X2B,41.0,60,101.7,112,112,50,8,VAL\n"
    )
    (root / "VolumeTracings.csv").write_text(
        PAIRS
        + box_as_pairs("0X1A", 30, 40, 60, 60, 5)  # the smaller: end-systole
        + box_as_pairs("0X1A", 20, 40, 80, 70, 1)
        + box_as_pairs("0X2B", 20, 40, 80, 70, 2)
    )
    return root


def prepared(raw, tmp_path, monkeypatch):
    dataset = RAW["echonet_dynamic"]
    report = prepare(*dataset.find_videos(raw), tmp_path / "store" / "echonet_dynamic")
    monkeypatch.setenv("LGRSEG_DATASETS", str(tmp_path / "store"))
    return report


def test_pairs_across_the_long_axis(raw, tmp_path, monkeypatch):
    assert not prepared(raw, tmp_path, monkeypatch).unusable
    (record,) = DatasetCatalog.get("echonet_dynamic_train")
    assert (record.ed_frame, record.es_frame) == (1, 5)
    assert record.reference_ejection_fraction == 62.5 and record.facts["reference_edv_ml"] == 80.3
    assert record.num_frames == 8 and record.fps == 50 and record.spacing_mm is None
    masks = read_masks(record)
    assert masks[1].sum() == 61 * 31 and masks[5].sum() == 31 * 21  # edges included
    assert masks[1][20:81, 40:71].all()
    (other,) = DatasetCatalog.get("echonet_dynamic_val")
    assert other.annotated_frames == (2,) and other.ed_frame is None


def test_outlines_point_by_point(raw, tmp_path, monkeypatch):
    corners = ((40, 20), (70, 20), (70, 80), (40, 80))
    (raw / "VolumeTracings.csv").write_text(
        POINTS + "".join(f"0X1A.avi,{x},{y},1\n" for x, y in corners)
    )
    prepared(raw, tmp_path, monkeypatch)
    (record,) = DatasetCatalog.get("echonet_dynamic_train")
    assert read_masks(record)[1].sum() == 61 * 31


def test_what_does_not_fit_together_is_told(raw, tmp_path, monkeypatch):
    with (raw / "FileList.csv").open("a") as file:
        file.write("0X3C,50,50,100,112,112,50,8,TEST\n0X2B2,50,50,100,112,112,50,8,OTHER\n")
    write_movie(raw / "Videos" / "0X2B2.avi")
    write_movie(raw / "Videos" / "stray.avi")
    with (raw / "VolumeTracings.csv").open("a") as file:
        file.write("0X9.avi,1,2,3,4,5\n0X1A.avi,1,2,x,4,5\n")
        file.write("0X2B.avi,1,2,3,4,6\n0X2B.avi,1,2,3,4,6\n")  # an axis and one chord
    num_lines = len((raw / "VolumeTracings.csv").read_text().splitlines())
    report = prepared(raw, tmp_path, monkeypatch)
    assert report.unusable == {
        "FileList.csv: 0X3C": "there is no Videos/0X3C.avi",
        "FileList.csv: 0X2B2": "its Split is 'OTHER', not of ('train', 'val', 'test')",
        "VolumeTracings.csv: 0X9": "is not in FileList.csv",
        f"VolumeTracings.csv, line {num_lines - 2}": "has a field that is not a finite number",
        "Videos/stray.avi": "is not in FileList.csv",
    }
    assert report.notes["0X2B"] == ["the tracing of frame 6 has 2 points: left out"]


def test_a_tracing_beyond_the_video(raw, tmp_path, monkeypatch):
    with (raw / "VolumeTracings.csv").open("a") as file:
        file.write(box_as_pairs("0X2B", 20, 40, 80, 70, 99))
    report = prepared(raw, tmp_path, monkeypatch)
    assert "traces frame 99, but the video has 8" in report.unusable["0X2B"]


def test_missing_lists_and_columns(raw):
    find = RAW["echonet_dynamic"].find_videos
    (raw / "VolumeTracings.csv").write_text("FileName,A,Frame\nx,1,2\n")
    with pytest.raises(ValueError, match="has columns FileName, A, Frame; it needs X1"):
        find(raw)
    (raw / "FileList.csv").write_text("FileName,EF\nx,1\n")
    with pytest.raises(ValueError, match="has no column EDV, ESV, Split"):
        find(raw)
    (raw / "FileList.csv").unlink()
    with pytest.raises(FileNotFoundError, match="FileList.csv. Get EchoNet-Dynamic"):
        find(raw)


def test_lines_that_cannot_be_used_are_named_and_the_rest_is_kept(raw, tmp_path, monkeypatch):
    before = prepared(raw, tmp_path, monkeypatch)
    assert not before.notes
    masks = read_masks(DatasetCatalog.get("echonet_dynamic_train")[0])
    file = raw / "VolumeTracings.csv"
    first = len(file.read_text().splitlines()) + 1
    bad = ["40,nan,60,30,5", "40,30,inf,30,5", "40,30,60,30,nan", "40,30,60,30,inf"]
    bad += ["-1,-1,-1,-1,5", "40,30,60,30,-1", "40,30,60,30,2.5", "40,30,60"]
    with file.open("a") as lines:
        lines.write("".join(f"0X1A.avi,{values}\n" for values in bad))
    report = prepared(raw, tmp_path, monkeypatch)
    assert list(report.unusable) == [
        f"VolumeTracings.csv, line {first + number}" for number in range(len(bad))
    ]
    assert report.prepared == ["0X1A"] and report.kept == ["0X2B"]  # what changed, and no more
    (record,) = DatasetCatalog.get("echonet_dynamic_train")
    assert all(np.array_equal(mask, masks[k]) for k, mask in read_masks(record).items())
    assert f"line {first + 4} has the coordinate -1, outside the picture" in str(
        record.facts["notes"]
    )


def test_a_corrected_tracing_is_prepared_anew(raw, tmp_path, monkeypatch):
    prepared(raw, tmp_path, monkeypatch)
    file = raw / "VolumeTracings.csv"
    file.write_text(file.read_text().replace("0X2B.avi,40,80,70,80", "0X2B.avi,40,90,70,90"))
    report = prepared(raw, tmp_path, monkeypatch)
    assert (report.prepared, report.kept) == (["0X2B"], ["0X1A"])
    (record,) = DatasetCatalog.get("echonet_dynamic_val")
    assert read_masks(record)[2].sum() == 71 * 31


def test_a_video_in_another_split_is_in_that_alone(raw, tmp_path, monkeypatch):
    prepared(raw, tmp_path, monkeypatch)
    file = raw / "FileList.csv"
    file.write_text(file.read_text().replace("TRAIN", "TEST"))
    assert prepared(raw, tmp_path, monkeypatch).prepared == ["0X1A"]
    (record,) = DatasetCatalog.get("echonet_dynamic_test")
    assert record.video_id == "0X1A"
    with pytest.raises(FileNotFoundError, match="no video of part 'train'"):
        DatasetCatalog.get("echonet_dynamic_train")


def test_measurements_that_are_none_are_unknown(raw, tmp_path, monkeypatch):
    (raw / "FileList.csv").write_text(
        HEAD + "0X1A,nan,-1,80.3,112,112,50,8,TRAIN\n0X2B,141,60,,112,112,50,8,VAL\n,1,1,1\n0X3\n"
    )
    report = prepared(raw, tmp_path, monkeypatch)
    assert report.unusable == {
        "FileList.csv, line 4": "has no FileName",
        "FileList.csv: 0X3": "there is no Videos/0X3.avi",
    }
    record = DatasetCatalog.get("echonet_dynamic_train")[0]
    known = [record.reference_ejection_fraction] + [
        record.facts[f"reference_{key}_ml"] for key in ("edv", "esv")
    ]
    assert known == [None, 80.3, None]
    assert report.notes["0X1A"][:2] == [
        "FileList.csv, line 2: EF is 'nan', which counts as unknown",
        "FileList.csv, line 2: ESV is '-1', which counts as unknown",
    ]
    assert DatasetCatalog.get("echonet_dynamic_val")[0].reference_ejection_fraction is None


def test_a_video_of_which_no_tracing_is_usable_is_refused(raw, tmp_path, monkeypatch):
    (raw / "VolumeTracings.csv").write_text(
        PAIRS + box_as_pairs("0X1A", 20, 40, 80, 70, 1) + box_as_pairs("0X2B", 200, 40, 800, 70, 2)
    )
    report = prepared(raw, tmp_path, monkeypatch)
    told = "the tracing of frame 2 reaches from (40, 200) to (70, 800), beyond the picture of 112 x"
    assert report.prepared == ["0X1A"] and told in report.unusable["0X2B"]


def test_a_list_that_is_no_table_is_named(raw):
    (raw / "VolumeTracings.csv").write_text('FileName,X,Y,Frame\n"' + "x" * 200_000)
    with pytest.raises(
        ValueError, match="VolumeTracings.csv, line 2, is not a table .field larger"
    ):
        RAW["echonet_dynamic"].find_videos(raw)


def test_the_case_from_the_field(shared, tmp_path, monkeypatch):
    case = shared / "cases" / "io" / "n10_nan"
    if not case.is_dir():
        pytest.skip(f"no {case}")
    report = prepared(case, tmp_path, monkeypatch)
    assert report.prepared == ["0X2"]
    assert "VolumeTracings.csv, line 7" in report.unusable
