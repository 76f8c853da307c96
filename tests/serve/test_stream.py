"""Live streams: what a window gives, and the whole service over a real WebSocket."""

import asyncio
import json
import os
import struct
import time
import zlib

import numpy as np
import pytest
from bright_disc import dice, disc_clip, learnt_run
from server_processes import ServerProcesses
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from lgrseg.client import AsyncClient, Client
from lgrseg.client.live import LiveAnswer, answer_of
from lgrseg.data.io import Video
from lgrseg.inference import Predictor
from lgrseg.inference.members import label_maps
from lgrseg.serve.routes_stream import packed
from lgrseg.serve.streamer import LiveClip

FRAMES = int(os.environ.get("LGRSEG_FRAMES", 40))
SHAPE = (96, 128)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return learnt_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def url(tmp_path_factory, run):
    with ServerProcesses(tmp_path_factory.mktemp("live") / "data", run=run, streams=1) as server:
        yield f"{server.url.replace('http', 'ws')}/v1/stream"


def begin(socket, **hello):
    socket.send(json.dumps({"height": SHAPE[0], "width": SHAPE[1]} | hello))
    return json.loads(socket.recv(timeout=180))


def read(message):
    (length,) = struct.unpack("<I", message[:4])
    head = json.loads(message[4 : 4 + length])
    labels = zlib.decompress(message[4 + length :])
    return head, np.frombuffer(labels, np.uint8).reshape(SHAPE)


def test_message():
    labels = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE).astype(np.uint8)
    head, back = read(packed({"frame": 3}, zlib.compress(labels.tobytes())))
    assert head == {"frame": 3} and np.array_equal(back, labels)
    head = {"frame": 3, "latency_ms": 2.5, "model_ms": 2, "dropped": [1]}
    answer = answer_of(packed(head, zlib.compress(labels.tobytes())))
    assert answer == LiveAnswer(**head, labels=labels.tobytes())


@pytest.mark.slow
def test_the_newest_frame_is_segmented_as_the_end_of_a_clip(run):
    predictor = Predictor.from_run(run)
    frames, _ = disc_clip(9, SHAPE, seed=4)
    clip = LiveClip(predictor, SHAPE, window=5)
    for index, frame in enumerate(frames):
        labels = clip.add(frame)
        video = Video(frames[max(0, index - 4) : index + 1])
        *_, (_, expected) = label_maps(predictor.members, video, clip.crop_box)
        np.testing.assert_array_equal(labels, expected)


@pytest.mark.slow
def test_a_frame_at_a_time(url):
    frames, discs = disc_clip(12, SHAPE, seed=4)
    with connect(url, max_size=None) as socket:
        assert begin(socket, window=3) == {"ready": True, "window": 3}
        for number, (frame, disc) in enumerate(zip(frames, discs, strict=True)):
            socket.send(frame.tobytes())
            head, labels = read(socket.recv(timeout=60))
            assert (head["frame"], head["dropped"]) == (number, [])
            assert head["latency_ms"] >= head["model_ms"] > 0 and dice(labels, disc) > 0.85
        socket.send("end")
        end = json.loads(socket.recv(timeout=60))
    assert (end["frames"], end["answered"], end["dropped"]) == (12, 12, 0)
    latency = end["latency_ms"]
    print(f"\none after the other: {end}")
    assert 0 < latency["p50"] <= latency["p95"] <= latency["p99"]


@pytest.mark.slow
def test_the_client(url):
    frames, discs = disc_clip(4, SHAPE, seed=4)
    address = url.removesuffix("/v1/stream").replace("ws", "http")

    def check(answer, disc):
        assert dice(np.frombuffer(answer.labels, np.uint8).reshape(SHAPE), disc) > 0.85

    with Client(address) as client, client.stream(*SHAPE, window=3) as live:
        assert live.window == 3
        for frame, disc in zip(frames, discs, strict=True):
            live.send(frame)
            check(live.receive(), disc)
        live.end()
        assert live.receive().answered == 4

    async def run():
        async with AsyncClient(address) as client, client.stream(*SHAPE) as live:
            await live.send(frames[0].tobytes())
            check(await live.receive(), discs[0])
            await live.end()
            assert (await live.receive()).answered == 1

    asyncio.run(run())


@pytest.mark.slow
def test_frames_that_come_too_fast_are_dropped_and_reported(url):
    frames, _ = disc_clip(FRAMES, SHAPE)
    with connect(url, max_size=None) as socket:
        begin(socket)
        for frame in frames:
            socket.send(frame.tobytes())
            time.sleep(0.005)
        socket.send("end")
        heads = []
        while isinstance(message := socket.recv(timeout=60), bytes):
            heads.append(read(message)[0])
    answered = [head["frame"] for head in heads]
    dropped = [number for head in heads for number in head["dropped"]]
    assert sorted(answered + dropped) == list(range(FRAMES)) and answered[-1] == FRAMES - 1
    assert dropped, "the model was as fast as the sender"
    end = json.loads(message)
    print(f"\n200 frames a second: {end}")
    assert (end["answered"], end["dropped"]) == (len(answered), len(dropped))


@pytest.mark.slow
def test_what_is_refused_and_that_the_next_client_is_served(url):
    def closed(socket):
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(timeout=60)
        return caught.value.rcvd.code, caught.value.rcvd.reason

    with connect(url) as first:
        begin(first)
        with connect(url) as second:
            assert closed(second) == (1013, "all streams are busy")
        first.send(b"short")
        code, reason = closed(first)
        assert code == 1008 and "5 bytes, not 12288" in reason
    for hello, told in (
        ("{}", "height"),
        (b"binary", "first message"),
        (json.dumps({"height": 8192, "width": 8192}), "more than"),
    ):
        with connect(url) as socket:
            socket.send(hello)
            assert told in closed(socket)[1]
    with pytest.raises(InvalidStatus) as caught, connect(url, origin="http://evil.example"):
        pass
    assert caught.value.response.status_code == 403
    with connect(url) as left:
        begin(left)
        left.send(bytes(SHAPE[0] * SHAPE[1]))
    time.sleep(1)
    start = time.monotonic()
    with connect(url, origin=url.replace("ws", "http").removesuffix("/v1/stream")) as socket:
        assert begin(socket)["ready"]
    assert time.monotonic() - start < 5  # the model was kept
