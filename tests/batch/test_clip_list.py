"""The clips of folders and lists, and their shards."""

import pyarrow
import pytest
from pyarrow import parquet

from lgrseg.batch import ArchiveClip, in_shard, list_clips, parse_shard


def paths(source):
    return [clip.path for clip in list_clips(str(source)).clips]


def test_a_folder(tmp_path):
    for name in ("b.MP4", "sub/a.nii.gz", "1.2.840.113", "IM0001", ".hidden.mp4", "DICOMDIR"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"12")
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "a.pdf").write_bytes(b"")
    (tmp_path / "list.parquet").write_bytes(b"")
    listing = list_clips(str(tmp_path))
    names = [clip.path.removeprefix(f"{tmp_path}/") for clip in listing.clips]
    assert names == ["1.2.840.113", "IM0001", "b.MP4", "sub/a.nii.gz"]
    assert all(clip.version.startswith("2 ") for clip in listing.clips)
    reasons = "hidden, or an index", "a part of a clip", "no known kind of clip (.pdf)", "a list of"
    left_out = listing.left_out.items()
    assert [n for why in reasons for key, n in left_out if why in key] == [2, 1, 1, 1]
    assert paths(tmp_path / "b.MP4") == [str(tmp_path / "b.MP4")]


def test_lists(tmp_path):
    expected = [f"{tmp_path}/sub/a.mp4", "/data/b.mp4", "s3://bucket/c.dcm"]
    written = ["sub/a.mp4", *expected[1:]]
    (tmp_path / "list.txt").write_text("\n".join([*written, "", written[0]]))
    (tmp_path / "list.csv").write_text("\n".join(["patient,path", *(f"p,{w}" for w in written)]))
    parquet.write_table(pyarrow.table({"path": written}), tmp_path / "list.parquet")
    for ending in ("txt", "csv", "parquet"):
        assert paths(tmp_path / f"list.{ending}") == expected
    (tmp_path / "other.csv").write_text("file\na.mp4")
    with pytest.raises(ValueError, match="no column 'path'; its columns are file"):
        list_clips(str(tmp_path / "other.csv"))


def test_nothing_to_do(tmp_path):
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(FileNotFoundError, match="does not exist, or has no clip"):
            list_clips(str(place))


def test_every_clip_is_in_one_shard():
    clips = [ArchiveClip(f"clip{n}") for n in range(1000)]
    shards = [in_shard(clips, shard, 4) for shard in range(4)]
    assert sorted(sum(shards, []), key=clips.index) == clips
    assert all(200 < len(shard) < 300 for shard in shards)
    assert in_shard(clips[:500], 1, 4) == [clip for clip in shards[1] if clip in clips[:500]]


def test_shards_are_numbered_from_zero():
    assert parse_shard("3/16") == (3, 16)
    for text in ("16/16", "1", "-1/4", "0/0"):
        with pytest.raises(ValueError, match="from 0/16|numbers from 0"):
            parse_shard(text)
