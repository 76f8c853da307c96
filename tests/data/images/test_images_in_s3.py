"""Images, a clip, a list and shards in S3, by moto's server on this machine."""

import cv2
import numpy as np
import pytest

from lgrseg.data import build_image_loader
from lgrseg.data.images.scanning import scan_tree, write_list
from lgrseg.data.images.stream import ImageStream, open_source
from lgrseg.data.images.writing import files_of, write_shards
from lgrseg.data.mappers.views import RandomFrameMapper
from lgrseg.visualization.overlays import write_mp4


@pytest.mark.slow
def test_a_tree_its_list_and_its_shards(bucket, tmp_path):
    pytest.importorskip("webdataset", reason="pip install '.[shards]'")
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (3, 6, 8), dtype=np.uint8)
    first, second, third = (cv2.resize(one, (64, 48)) for one in coarse)
    cv2.imwrite(str(tmp_path / "a.png"), first)
    cv2.imwrite(str(tmp_path / "b.jpg"), first)
    frames = [np.repeat(frame[..., None], 3, axis=2) for frame in (second, third)]
    write_mp4(tmp_path / "c.mp4", frames, fps=5)
    for name in ("a.png", "b.jpg", "c.mp4"):
        content = (tmp_path / name).read_bytes()
        bucket.put_object(Bucket="archive", Key=f"tree/heart/{name}", Body=content)
    bucket.put_object(Bucket="archive", Key="tree/heart/broken.png", Body=b"no picture")
    rows = scan_tree("s3://archive/tree")
    assert [bool(row.unreadable) for row in rows] == [False, False, True, False]
    assert rows[1].near_duplicate_of == "heart/a.png"
    write_list(rows, "s3://archive/tree/list.csv")
    assert len(open_source("s3://archive/tree/list.csv")) == 2
    written = write_shards(
        files_of("s3://archive/tree"), "s3://archive/shards", ending="png", frames_per_shard=2
    )
    assert (written.frames, len(written.near_duplicates)) == (3, 1)
    mapper = RandomFrameMapper(size=(16, 16))
    bucket.delete_object(Bucket="archive", Key="tree/heart/broken.png")
    for place, seen in (("tree", 3), ("tree/list.csv", 2), ("shards", 2)):
        stream = ImageStream(source=open_source(f"s3://archive/{place}"), mapper=mapper)
        names = {stream[index].teacher[0].video_id for index in range(len(stream))}
        assert len(names) == seen and "heart/c.mp4" in names
        loader = build_image_loader(
            source=f"s3://archive/{place}", mapper=mapper, batch_size=seen, num_workers=1
        )
        _, _, views = next(iter(loader))
        assert {one.teacher[0].video_id for one in views} == names
