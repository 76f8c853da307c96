"""The format of an upload is what its content is, and nothing that names another file."""

import random

import pytest
from written_clips import WRITERS

from lgrseg.serve.formats import UnsupportedFormat, format_of

REFUSED = {
    "empty": b"",
    "text": b"hello",
    "hls": b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nfile:///etc/passwd\n",
    "concat": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "sdp": b"v=0\nc=IN IP4 10.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "gzip": b"\x1f\x8b\x08" + bytes(20),
    "mhd": b"ObjectType = Image\nNDims = 2\nDimSize = 4 4\nElementDataFile = /etc/passwd\n",
    "list": b"NDims = 2\nDimSize = 4 4\nElementDataFile = LIST\n/etc/passwd\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(tmp_path, name):
    file = tmp_path / "clip.mp4"
    file.write_bytes(REFUSED[name])
    with pytest.raises(UnsupportedFormat, match="supported|names other files"):
        format_of(file)


@pytest.mark.parametrize("writer", WRITERS)
def test_clips_are_recognised_without_their_names(tmp_path, writer):
    for seed in range(6):
        path, _, _ = WRITERS[writer](tmp_path, random.Random(seed))
        if path.suffix == ".mhd":
            continue
        ending = "".join(path.suffixes) if path.suffixes[:1] == [".nii"] else path.suffix
        unnamed = path.rename(tmp_path / "upload")
        _, found = format_of(unnamed)
        same = {".mov": ".mp4", ".m4v": ".mp4", "": ".dcm", ".7": ".dcm"}
        assert found == same.get(ending, ending)
