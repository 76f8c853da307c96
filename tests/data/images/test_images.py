"""Trees of images and clips and their shards as a stream: order, resuming, what is unreadable."""

import io
import logging
import tarfile

import cv2
import fsspec
import numpy as np
import pytest
from PIL import Image

from lgrseg.data import RandomFrameMapper, build_image_loader
from lgrseg.data.images.balance import Balanced
from lgrseg.data.images.near_duplicates import NearDuplicates, difference_hash
from lgrseg.data.images.scanning import scan_tree, write_list
from lgrseg.data.images.stream import ImageStream, open_source
from lgrseg.data.images.tree import ImageTree
from lgrseg.data.images.writing import files_of, spread, write_shards

MAPPER = RandomFrameMapper(size=(16, 16), scale=(0.5, 1.0))


def blobs(number, size=(48, 64)):
    """A picture whose hash differs from those of other numbers: coarse noise."""
    noise = np.random.default_rng(number).integers(0, 255, (6, 8), dtype=np.uint8)
    return cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def tree(tmp_path):
    """Five images of two organs, one of them twice, and two files that are no images."""
    root = tmp_path / "tree"
    (root / "heart/video").mkdir(parents=True)
    (root / "liver").mkdir()
    for number in range(3):
        cv2.imwrite(str(root / f"heart/video/{number}.png"), blobs(number))
    colours = np.repeat(blobs(3, (30, 20))[..., None], 3, axis=2)
    cv2.imwrite(str(root / "heart/single.bmp"), colours)
    cv2.imwrite(str(root / "liver/a.tif"), blobs(4).astype(np.uint16) * 100)
    cv2.imwrite(str(root / "liver/copy.jpg"), blobs(0, (96, 128)))
    (root / "liver/broken.png").write_bytes(b"no picture")
    (root / "liver/readme.txt").write_bytes(b"text")
    return root


def names(stream, count):
    return [stream[index].teacher[0].video_id for index in range(count)]


def assert_equal(one, other):
    for a, b in zip(one, other, strict=True):
        assert a.teacher[0].video_id == b.teacher[0].video_id
        assert a.teacher[0].seed == b.teacher[0].seed
        assert np.array_equal(a.teacher[0].frames, b.teacher[0].frames)


def test_every_file_once_an_epoch_and_the_unreadable_one_is_replaced(tree, caplog):
    stream = ImageStream(source=open_source(str(tree)), mapper=MAPPER, seed=1)
    assert len(stream) == 7
    with caplog.at_level(logging.WARNING, "lgrseg"):
        seen = names(stream, 14)
    good = {file.name for file in stream.source.files} - {"liver/broken.png"}
    assert set(seen[:7]) == set(seen[7:]) == good
    (message,) = caplog.messages  # once, not in every epoch
    assert message == (
        "liver/broken.png is left out: liver/broken.png is not an image (1 of 7 are unreadable so "
        "far)"
    )
    later = ImageStream(source=open_source(str(tree)), mapper=MAPPER, seed=1)
    assert_equal([later[index] for index in (13, 9)], [stream[index] for index in (13, 9)])
    assert stream[0].teacher[0].frames.shape == (1, 1, 16, 16)


def test_nothing_is_readable(tmp_path):
    with pytest.raises(ValueError, match="set dataloader.train.source"):
        open_source("")
    with pytest.raises(FileNotFoundError, match="does not exist, or has no image and no clip"):
        open_source(str(tmp_path / "missing"))
    for name in ("a.png", "b.mp4", "c.txt"):
        (tmp_path / name).write_bytes(b"nothing")
    stream = ImageStream(source=open_source(str(tmp_path)), mapper=MAPPER)
    with pytest.raises(ValueError, match="none of the 2 images of .* can be read; the first was"):
        stream[0]
    with pytest.raises(ValueError, match="none of the 2 files"):
        scan_tree(str(tmp_path))
    with pytest.raises(ValueError, match="none of 2 files can be read; the first was"):
        write_shards(files_of(str(tmp_path)), str(tmp_path / "shards"))


@pytest.mark.parametrize("ending", ["gif", "jpg", "webp"])
def test_a_picture_that_was_cut_is_left_out_and_the_run_goes_on(tree, caplog, ending):
    cut = tree / f"heart/cut.{ending}"
    Image.fromarray(blobs(9)).save(cut)
    cut.write_bytes(cut.read_bytes()[:-200])
    stream = ImageStream(source=open_source(str(tree)), mapper=MAPPER)
    assert f"heart/cut.{ending}" not in names(stream, 8)
    assert any(message.startswith(f"heart/cut.{ending} is left out") for message in caplog.messages)
    (row,) = (row for row in scan_tree(str(tree)) if row.file.name == f"heart/cut.{ending}")
    assert row.unreadable


def test_wrong_settings_of_shards_are_refused_before_anything_is_written(tmp_path):
    for wrong in ({"short_side": 0}, {"max_distance": 32}, {"frames_per_shard": 0}, {"seed": -1}):
        with pytest.raises(ValueError):
            write_shards([], str(tmp_path / "shards"), **wrong)
    assert not (tmp_path / "shards").exists()


def test_a_broken_file_of_an_object_store_has_its_own_name():
    files = fsspec.filesystem("memory")
    files.pipe_file("/scans/liver/broken.png", b"no picture")
    files.pipe_file("/scans/a.png", cv2.imencode(".png", np.eye(9, dtype=np.uint8))[1].tobytes())
    _, broken = scan_tree("memory://scans")
    assert broken.unreadable == "liver/broken.png is not an image"


def test_a_scan_finds_the_copy_and_its_list_leaves_it_out(tree):
    rows = {row.file.name: row for row in scan_tree(str(tree))}
    assert rows["liver/copy.jpg"].near_duplicate_of == "heart/video/0.png"
    assert "is not an image" in rows["liver/broken.png"].unreadable
    write_list(list(rows.values()), f"{tree}/list.csv")
    listed = ImageTree(f"{tree}/list.csv")
    expected = [name for name in rows if name not in ("liver/copy.jpg", "liver/broken.png")]
    assert [file.name for file in listed.files] == expected
    assert listed.read(0, np.random.default_rng(0)).frame.ndim == 2  # of three channels
    (tree / "other.csv").write_text("file\na.png")
    with pytest.raises(ValueError, match="no column 'path'; its columns are file"):
        ImageTree(f"{tree}/other.csv")


def test_shards_hold_the_same_pixels_without_copies(tree, tmp_path):
    pytest.importorskip("webdataset", reason="pip install '.[shards]'")
    place = str(tmp_path / "shards")
    written = write_shards(files_of(str(tree)), place, ending="png", frames_per_shard=2)
    assert written.frames == 5 and len(written.near_duplicates) == 1
    assert list(written.unreadable) == ["liver/broken.png"]
    shards, files = open_source(place), ImageTree(str(tree))
    assert sorted(path.name for path in (tmp_path / "shards").iterdir()) == [
        "000000.tar", "000001.tar", "000002.tar", "index.json",
    ]  # fmt: skip
    of_files = {file.name: number for number, file in enumerate(files.files)}
    rng = np.random.default_rng(0)
    for epoch in range(2):
        elements = [shards.element_at(5 * epoch + k, 3) for k in range(5)]
        assert sorted(elements) == [0, 1, 2, 3, 4]
    for element in range(5):
        picture = shards.read(element, rng)
        assert np.array_equal(picture.frame, files.read(of_files[picture.name], rng).frame)
    with pytest.raises(FileExistsError, match="has shards already"):
        write_shards(files_of(str(tree)), place)
    with pytest.raises(ValueError, match="come in the order of the shards"):
        open_source(place, balance="organ")
    write_shards(files_of(str(tree)), f"{place}2", ending="npy", short_side=20)
    small = open_source(f"{place}2")
    shapes = {small.read(element, rng).frame.shape for element in range(len(small))}
    assert shapes == {(20, 27), (30, 20)}  # 48 x 64 reduced; 20 px wide already


@pytest.mark.parametrize("kind", ["tree", "shards"])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_resumed_stream_goes_on_as_an_unbroken_one(tree, tmp_path, kind, num_workers):
    source = str(tree)
    if kind == "shards":
        pytest.importorskip("webdataset", reason="pip install '.[shards]'")
        source = str(tmp_path / "shards")
        write_shards(files_of(str(tree)), source, frames_per_shard=2)
    common = {"source": source, "mapper": MAPPER, "batch_size": 2, "seed": 4}
    batches = iter(build_image_loader(**common))
    unbroken = [next(batches)[2] for _ in range(6)]  # in the second epoch
    resumed = build_image_loader(**common, num_workers=num_workers)
    resumed.set_start(3)
    batches = iter(resumed)
    for expected in unbroken[3:]:
        assert_equal(next(batches)[2], expected)


def test_balanced_by_organ_and_video(tree):
    by_organ = ImageTree(str(tree), balance="organ")
    seen = [by_organ.files[by_organ.element_at(k, 0)].organ for k in range(24)]
    assert seen.count("heart") == seen.count("liver") == 12  # of 4 and 3 files
    by_video = ImageTree(str(tree), balance="video")
    seen = [by_video.files[by_video.element_at(k, 0)].name for k in range(15)]
    video = [name for name in seen if name.startswith("heart/video")]
    assert len(video) == 3 == len(set(video))  # one of five videos, each frame in turn
    nested = Balanced([("a", "x"), ("a", "x"), ("a", "y"), ("b", "z")])
    seen = [nested.element_at(k, 0) for k in range(16)]
    assert [seen.count(element) for element in range(4)] == [2, 2, 4, 8]
    with pytest.raises(ValueError, match="balance='size': it can be 'none', 'video'"):
        ImageTree(str(tree), balance="size")


def test_near_duplicates_are_exactly_those_within_the_distance():
    known = NearDuplicates(8)
    image_hash = difference_hash(blobs(0))
    known.add(image_hash, "first")
    rng = np.random.default_rng(0)
    for number in (0, 1, 8, 9, 40):
        bits = np.unpackbits(image_hash)
        bits[rng.permutation(256)[:number]] ^= 1
        assert known.find(np.packbits(bits)) == ("first" if number <= 8 else None)
    with pytest.raises(ValueError, match="0 to 31 of 256 bits, not 32"):
        NearDuplicates(32)


def test_the_hash_states_where_it_gets_brighter():
    ramp = np.tile(np.arange(17, dtype=np.uint8) * 10, (16, 1))
    assert (difference_hash(ramp) == 255).all() and (difference_hash(ramp[:, ::-1]) == 0).all()
    assert spread(10, 2) == [2, 7] and spread(3, 8) == [0, 1, 2]


def test_a_damaged_frame_of_a_shard_is_left_out_and_a_damaged_shard_is_named(tree, tmp_path):
    pytest.importorskip("webdataset", reason="pip install '.[shards]'")
    place = tmp_path / "shards"
    write_shards(files_of(str(tree)), str(place), ending="png", frames_per_shard=9)
    shard = place / "000000.tar"
    with tarfile.open(shard) as tar:
        members = [(item, tar.extractfile(item).read()) for item in tar.getmembers()]
    endings = iter(range(9))
    with tarfile.open(shard, "w") as tar:
        for item, content in members:
            if item.name.endswith(".png") and next(endings) == 1:
                content = b""
            if item.name.startswith(members[-1][0].name[:9]) and item.name.endswith(".json"):
                content = b"{broken"
            item.size = len(content)
            tar.addfile(item, io.BytesIO(content))
    stream = ImageStream(source=open_source(str(place)), mapper=RandomFrameMapper(size=(32, 32)))
    names = {stream[index].video_id for index in range(10)}
    assert len(names) == 3 and len(stream.replacing.unreadable) == 2
    assert any("its facts are damaged" in reason for reason in stream.replacing.unreadable.values())
    whole = shard.read_bytes()
    for content, reason in ((whole[:700], "its end is missing"), (b"", "it is no tar file")):
        shard.write_bytes(content)
        with pytest.raises(ValueError, match=rf"000000.tar is damaged \({reason}\): write"):
            open_source(str(place)).read(0, np.random.default_rng(0))


def test_a_missing_shard_stops_the_run_instead_of_all_its_frames_being_left_out(tree, tmp_path):
    pytest.importorskip("webdataset", reason="pip install '.[shards]'")
    place = tmp_path / "shards"
    write_shards(files_of(str(tree)), str(place), frames_per_shard=2)
    (place / "000001.tar").unlink()
    stream = ImageStream(source=open_source(str(place)), mapper=MAPPER)
    with pytest.raises(ValueError, match="000001.tar is missing, and index.json names it"):
        names(stream, 5)
    index = place / "index.json"
    index.write_text('{"shards": [{"name": "000000.tar", "frames": 0}]}')
    with pytest.raises(ValueError, match="has shards without a frame"):
        open_source(str(place))
    index.write_text('{"images": []}')  # of another program
    with pytest.raises(ValueError, match="is no index of shards, .* or move this file away"):
        open_source(str(place))
