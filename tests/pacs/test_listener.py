"""A listener on loopback: clips by pynetdicom and by dcmtk in, segmentations back."""

import contextlib
import shutil
import subprocess
import threading

import pydicom
import pytest
from bright_disc import disc_clip
from dicom_clips import dicom_clip
from pydicom.uid import ExplicitVRLittleEndian

from lgrseg.inference import Existing, FilePredictor, Outcome, Predictor

pynetdicom = pytest.importorskip("pynetdicom", reason="pip install '.[dicom]'")
pytest.importorskip("highdicom", reason="pip install '.[dicom]'")

from pynetdicom import evt  # noqa: E402
from pynetdicom.sop_class import (  # noqa: E402
    SegmentationStorage,
    UltrasoundMultiFrameImageStorage,
    Verification,
)

from lgrseg.pacs.listener import Listener, Settings  # noqa: E402
from lgrseg.pacs.peer import Peer, SendError, send  # noqa: E402


def statuses(port, *files, title="SCANNER", called="LGRSEG"):
    """What the listener answers to a ping and to every file; None if it rejects the caller."""
    entity = pynetdicom.AE(ae_title=title)
    entity.add_requested_context(Verification)
    entity.add_requested_context(UltrasoundMultiFrameImageStorage, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port, ae_title=called)
    if not association.is_established:
        return None
    found = [association.send_c_echo().Status]
    found += [association.send_c_store(file).Status for file in files]
    association.release()
    return found


@contextlib.contextmanager
def pacs(status=0x0000):
    """A peer that stores what it gets in a list; or answers with another status."""
    stored = []

    def store(event):
        stored.append(event.dataset)
        return status

    entity = pynetdicom.AE(ae_title="PACS")
    entity.add_supported_context(SegmentationStorage)
    server = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)]
    )
    try:
        yield Peer("PACS", "127.0.0.1", server.server_address[1]), stored
    finally:
        server.shutdown()


def names(folder, *parts):
    return sorted(path.name for path in folder.joinpath(*parts).iterdir())


def nothing(clip, stem):
    return Outcome()


@pytest.fixture(scope="module")
def segment(run):
    predictor = Predictor.from_run(run, device="cpu")
    return FilePredictor(predictor, existing=Existing.REPLACE, dicom_seg=True, dicom_sr="unknown")


def test_a_clip_comes_in_and_its_segmentation_goes_back(segment, tmp_path):
    clip = dicom_clip(tmp_path / "a.dcm", disc_clip(3)[0])
    with pacs() as (peer, stored):
        settings = Settings(port=0, peer=peer)
        with Listener(segment, tmp_path / "pacs", settings) as listener:
            assert statuses(listener.port, clip) == [0, 0]
            assert listener.wait_until_idle(60)
            assert statuses(listener.port, clip) == [0, 0]
            assert listener.wait_until_idle(60)
    # Three frames of a disc are no beat, so there is no report.
    segmentation, again = stored
    assert again.SOPInstanceUID == segmentation.SOPInstanceUID  # the PACS can see that it has it
    assert segmentation.StudyInstanceUID == "1.2.1" and segmentation.Modality == "SEG"
    assert segmentation.pixel_array.any()
    assert names(tmp_path, "pacs", "finished") == ["1.2.3.dcm"]
    assert "1.2.3_seg.dcm" in names(tmp_path, "pacs", "results")
    assert names(tmp_path, "pacs", "waiting") == names(tmp_path, "pacs", "failed") == []


def test_clips_that_wait_are_taken_up_and_failures_have_reasons(segment, tmp_path):
    folder = tmp_path / "pacs"
    dicom_clip(folder / "waiting" / "1.2.3.dcm", disc_clip(2)[0])
    (folder / "waiting" / "4.5.dcm").write_bytes(b"no")
    with Listener(segment, folder, Settings(port=0)) as listener:
        assert listener.wait_until_idle(60)
    assert names(folder, "finished") == ["1.2.3.dcm"]
    assert names(folder, "failed") == ["4.5.dcm", "4.5.txt"]
    assert "4.5.dcm is not a DICOM file" in (folder / "failed" / "4.5.txt").read_text()


def test_more_clips_than_may_wait_are_refused(tmp_path):
    clips = [
        dicom_clip(tmp_path / f"{n}.dcm", disc_clip(1)[0], SOPInstanceUID=f"1.2.{n}")
        for n in range(3)
    ]
    go = threading.Event()

    def slow(clip, stem):
        go.wait(30)
        return Outcome()

    with Listener(slow, tmp_path / "pacs", Settings(port=0, most_waiting=2)) as listener:
        assert statuses(listener.port, *clips) == [0, 0, 0, 0xA700]
        go.set()
        assert listener.wait_until_idle(30)
        assert statuses(listener.port, clips[2]) == [0, 0]
        assert listener.wait_until_idle(30)
    assert names(tmp_path, "pacs", "finished") == ["1.2.0.dcm", "1.2.1.dcm", "1.2.2.dcm"]


def test_who_may_call(tmp_path):
    settings = Settings(port=0, callers=("SCANNER",))
    with Listener(nothing, tmp_path, settings) as listener:
        assert statuses(listener.port) == [0]
        assert statuses(listener.port, title="STRANGER") is None
        assert statuses(listener.port, called="OTHER") is None
    with pytest.raises(ValueError, match="DICOM has no password: name those who may send"):
        Listener(nothing, tmp_path, Settings(host="0.0.0.0"))
    with pytest.raises(ValueError, match="no application entity title"):
        Listener(nothing, tmp_path, Settings(title="much longer than it may be"))


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_name_from_outside_is_no_path(tmp_path):
    clip = pydicom.dcmread(dicom_clip(tmp_path / "a.dcm", disc_clip(1)[0]))
    clip.SOPInstanceUID = clip.file_meta.MediaStorageSOPInstanceUID = "../../evil"
    with Listener(nothing, tmp_path / "pacs", Settings(port=0)) as listener:
        entity = pynetdicom.AE(ae_title="SCANNER")
        entity.add_requested_context(UltrasoundMultiFrameImageStorage, ExplicitVRLittleEndian)
        association = entity.associate("127.0.0.1", listener.port, ae_title="LGRSEG")
        with contextlib.suppress(Exception):  # pynetdicom itself may refuse it
            association.send_c_store(clip)
        association.abort()
    assert not list(tmp_path.rglob("*evil*")) and names(tmp_path, "pacs", "waiting") == []


def test_a_peer_that_does_not_take_results(segment, tmp_path, monkeypatch):
    monkeypatch.setattr("lgrseg.pacs.listener.PAUSES", (0.01,))
    dicom_clip(tmp_path / "waiting" / "1.2.3.dcm", disc_clip(1)[0])
    with pacs(status=0xA700) as (peer, stored):
        with Listener(segment, tmp_path, Settings(port=0, peer=peer)) as listener:
            assert listener.wait_until_idle(60)
    assert len(stored) == 2  # it was tried again
    reason = (tmp_path / "failed" / "1.2.3.txt").read_text()
    assert "did not store 1.2.3_seg.dcm: status 0xA700" in reason
    with pytest.raises(SendError, match="takes nothing: it does not answer"):
        send([], peer, title="LGRSEG")


def test_peers_by_hand():
    assert Peer.parse("MY PACS@host.example:104") == Peer("MY PACS", "host.example", 104)
    for text in ("PACS", "PACS@host", "@host:1", "PACS@host:99999"):
        with pytest.raises(ValueError, match="is no peer|is no port"):
            Peer.parse(text)


def test_dcmtk_sends_the_real_clip(shared_data, tmp_path):
    if not shutil.which("storescu"):
        pytest.skip("storescu is not installed: apt install dcmtk")
    clip = shared_data / "echo_clips" / "examples_ybr_color.dcm"
    with Listener(nothing, tmp_path, Settings(port=0)) as listener:
        command = ["storescu", "-xy", "-aec", "LGRSEG", "127.0.0.1", str(listener.port)]
        done = subprocess.run([*command, clip], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert listener.wait_until_idle(30)
    (received,) = (tmp_path / "finished").iterdir()
    sent, got = pydicom.dcmread(clip), pydicom.dcmread(received)
    assert got.PixelData == sent.PixelData and got.SOPInstanceUID == sent.SOPInstanceUID
