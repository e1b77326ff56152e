"""Simulated cameras as sources: H.264 as the URL says, at its pace; one world for all cameras, the same after a reconnect."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from services.contracts.simulated_stream import EPOCH_VARIABLE, parse_simulated
from services.ingest.sources import simulated
from services.ingest.sources.connection import SourceFailed, SourcePacket
from services.ingest.sources.simulated import SimulatedConnection
from services.media import h264
from services.media.nal import split_annex_b
from services.simulation import studio as studios
from services.simulation.building import Building, load_building
from services.simulation.live import Place
from services.simulation.studio import Studio


class FakeStudio:
    """Pictures that say which instant they show, at no cost: the pacing and the coding are what is tested."""

    def __init__(self) -> None:
        self.building: Building = load_building("sunflower")
        self.asked: dict[str, list[float]] = {}
        self.painted_after = 0
        self.lost_from_s = float("inf")
        self.clock_offset = 0.0
        self.slow_s: list[float] = []
        self.days = self

    def prepare(self, camera_id: str) -> None:
        self.asked.setdefault(camera_id, [])

    def painted(self, camera_id: str, wait_s: float) -> bool:
        self.painted_after -= 1
        return self.painted_after < 0

    def drawn(self, camera_id: str) -> list[float]:
        """What was drawn for the stream: the first picture of all only warms up."""
        return self.asked[camera_id][1:]

    def day(self, index: int) -> FakeStudio:
        return self

    def clock_offset_s(self, camera_id: str, t_s: float) -> float:
        return self.clock_offset

    def picture(self, camera_id: str, world_s: float) -> np.ndarray | None:
        self.asked[camera_id].append(world_s)
        time.sleep(self.slow_s.pop() if self.slow_s else 0.0)
        if world_s >= self.lost_from_s:
            return None
        picture = np.full((360, 640, 3), 90, np.uint8)
        picture[:, : int(world_s * 10) % 640] = 200
        return picture


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch) -> FakeStudio:
    fake = FakeStudio()
    monkeypatch.setattr(studios, "studio_of", lambda place: fake)
    monkeypatch.delenv(EPOCH_VARIABLE, raising=False)
    return fake


def connection(url: str, stop: threading.Event | None = None) -> SimulatedConnection:
    return SimulatedConnection(parse_simulated(url), now_ns=time.time_ns, stop=stop or threading.Event())


def packets(source: SimulatedConnection, count: int) -> list[SourcePacket]:
    return [packet for batch in islice(source.batches(), count) for packet in batch]


def decoded(coded: list[SourcePacket]) -> Iterator[Any]:
    decoder = av.CodecContext.create("h264", "r")
    for packet in coded:
        yield from decoder.decode(av.Packet(bytes(packet.payload)))
    yield from decoder.decode(None)


def test_the_stream_is_as_the_url_says(studio: FakeStudio) -> None:
    coded = packets(connection("yard?pace=0&fps=5&gop_s=2&size=320x180"), 25)
    assert [index for index, packet in enumerate(coded) if packet.sync] == [0, 10, 20]
    assert [packet.pts for packet in coded] == [index * 18_000 for index in range(25)]
    assert all(packet.dts == packet.pts for packet in coded)
    kinds = [h264.nal_type(nal) for nal in split_annex_b(bytes(coded[10].payload))]
    assert {7, 8, 5} <= set(kinds)  # parameter sets in-band before every sync sample
    shown = list(decoded(coded))
    assert len(shown) == 25
    assert (shown[0].width, shown[0].height) == (320, 180)


def test_as_fast_as_can_be_the_world_begins_at_its_hour_and_goes_on_by_pictures(studio: FakeStudio) -> None:
    packets(connection("yard?pace=0&at=10:00&fps=10&speed=20"), 5)
    assert studio.drawn("yard") == [36_000.0, 36_002.0, 36_004.0, 36_006.0, 36_008.0]


def test_a_bit_rate_is_kept_within_bounds(studio: FakeStudio, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(5)
    monkeypatch.setattr(
        studio, "picture", lambda camera, world_s: chance.integers(0, 255, (360, 640, 3), np.uint8)
    )  # noise: nothing is harder
    sizes = [len(bytes(packet.payload)) for packet in packets(connection("yard?pace=0&kbit_s=400&fps=10"), 60)]
    assert sum(sizes[20:]) * 8 / 4.0 < 2 * 400_000


def test_cameras_of_a_place_show_the_same_instants_at_the_pace_of_the_clock(studio: FakeStudio) -> None:
    stop = threading.Event()
    took: dict[str, float] = {}

    def watch(room: str) -> None:
        began_s = time.monotonic()
        packets(connection(f"{room}?fps=20", stop), 20)
        took[room] = time.monotonic() - began_s

    watchers = [threading.Thread(target=watch, args=(room,)) for room in ("yard", "nap-room")]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join(30)
    yard, nap = (np.array(studio.drawn(camera)) for camera in ("yard", "nap"))
    common = np.intersect1d(np.round(yard, 3), np.round(nap, 3))
    assert len(common) >= 5  # of 20 each: they began within moments of each other, and drew the same instants
    assert all(0.9 < seconds < 20 for seconds in took.values())
    steps = np.diff(yard) / 0.05
    assert np.allclose(steps, np.round(steps), atol=1e-4)


def test_who_connects_again_finds_the_world_as_far_on_as_the_clock_is(studio: FakeStudio) -> None:
    packets(connection("yard?fps=10&speed=5"), 3)
    first, first_at_s = studio.asked["yard"][-1], time.monotonic()
    studio.asked["yard"].clear()
    packets(connection("yard?fps=10&speed=5"), 3)
    again, again_at_s = studio.asked["yard"][-1], time.monotonic()
    assert again > first
    assert again - first == pytest.approx((again_at_s - first_at_s) * 5, abs=5 * 0.3)


def test_a_picture_that_takes_too_long_leaves_no_hole_in_the_stream(studio: FakeStudio) -> None:
    studio.slow_s = [0.0, 0.0, 1.5, 0.0, 0.0]  # the last is the first: it warms up
    coded = packets(connection("yard?fps=10"), 40)
    assert np.diff([packet.pts for packet in coded]).tolist() == [9_000] * 39
    assert 15 <= len(studio.drawn("yard")) <= 30  # in place of what was due meanwhile the picture before was sent again


class StillClock(threading.Event):
    """A clock that goes on only while somebody waits: what the source waits for is all the time that passes."""

    def __init__(self, now_ns: int) -> None:
        super().__init__()
        self.now_ns = now_ns

    def wait(self, timeout: float | None = None) -> bool:
        self.now_ns += round((timeout or 0.0) * 1e9)
        return self.is_set()


@pytest.mark.parametrize("jitter_ms", [0, 80, 250, 1500])
def test_pictures_are_late_by_the_jitter_at_most_and_the_rate_is_kept(
    studio: FakeStudio, monkeypatch: pytest.MonkeyPatch, jitter_ms: int
) -> None:
    epoch_s, rate, count = 1_772_415_600, 10, 300
    clock = StillClock(epoch_s * 10**9)
    monkeypatch.setattr(simulated, "time", SimpleNamespace(monotonic_ns=lambda: clock.now_ns))
    url = f"yard?fps={rate}&epoch={epoch_s}&jitter_ms={jitter_ms}&size=64x36"
    source = SimulatedConnection(parse_simulated(url), now_ns=lambda: clock.now_ns, stop=clock)
    sent = packets(source, count)
    assert [packet.pts for packet in sent] == [index * 9_000 for index in range(count)]  # in order, none left out
    arrivals_s = np.array([packet.arrival_ns for packet in sent]) / 1e9 - epoch_s
    late_s = arrivals_s - np.arange(count) / rate
    assert np.all(np.diff(arrivals_s) >= 0)
    assert np.all((late_s >= -1e-6) & (late_s <= jitter_ms / 1000 + 1e-6))
    assert np.ptp(late_s) >= 0.5 * jitter_ms / 1000  # and it is there, when asked for
    assert (count - 1) / rate <= arrivals_s[-1] <= (count - 1) / rate + jitter_ms / 1000 + 1e-6
    assert len(studio.drawn("yard")) == count  # a busy network does not keep the camera from drawing


def test_as_fast_as_can_be_nothing_is_late(studio: FakeStudio) -> None:
    clock = StillClock(0)
    source = SimulatedConnection(parse_simulated("yard?pace=0&jitter_ms=2000"), now_ns=lambda: clock.now_ns, stop=clock)
    assert len(packets(source, 20)) == 20
    assert clock.now_ns == 0


def test_an_agreed_epoch_makes_two_processes_show_one_world(
    studio: FakeStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(EPOCH_VARIABLE, f"{time.time() - 100:.3f}")
    packets(connection("yard?at=10:00"), 1)
    assert studio.drawn("yard")[0] == pytest.approx(36_100.0, abs=3.0)


def test_no_picture_comes_before_the_world_has_begun(
    studio: FakeStudio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(EPOCH_VARIABLE, str(tmp_path / "epoch"))
    begin = threading.Timer(0.4, lambda: (tmp_path / "epoch").write_text(f"{time.time():.3f}"))
    begin.start()
    packets(connection("yard?at=10:00"), 2)
    begin.join()
    assert 36_000.0 <= studio.drawn("yard")[0] < 36_005.0
    stop = threading.Event()
    stop.set()
    (tmp_path / "epoch").unlink()
    assert packets(connection("yard", stop), 2) == []


def test_waiting_for_paint_ends_when_nobody_wants_the_camera_any_more(studio: FakeStudio) -> None:
    studio.painted_after = 10**9
    stop = threading.Event()
    stop.set()
    assert packets(connection("yard", stop), 5) == []


def test_an_unplugged_camera_ends_its_stream(studio: FakeStudio) -> None:
    studio.lost_from_s = 36_000.5
    with pytest.raises(SourceFailed) as failed:
        packets(connection("yard?pace=0&at=10:00&fps=10"), 20)
    assert failed.value.failure.kind == "lost"
    assert len(studio.drawn("yard")) == 6


def test_a_camera_s_wrong_clock_is_told_with_its_pictures(studio: FakeStudio) -> None:
    studio.clock_offset = -4.5
    first = packets(connection("yard?pace=0"), 1)[0]
    assert first.camera_clock_ns is not None
    assert first.camera_clock_ns - first.arrival_ns == -4_500_000_000


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("attic", "its cameras are room-a"),
        ("yard?building=nowhere", "no building"),
        ("yard?script=nothing", "first-morning"),
    ],
)
def test_what_cannot_be_is_refused_with_what_there_is(url: str, told: str) -> None:
    with pytest.raises(SourceFailed, match=told) as failed:
        connection(url)
    assert failed.value.failure.kind == "unusable"  # refused: no quick retry mends it


def test_without_the_renderer_s_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from services.contracts.errors import Rejected
    from services.simulation.render import engine

    def missing() -> None:
        raise Rejected("the nursery's pictures need panda3d; install kanhu[simulation]")

    monkeypatch.setattr(engine, "core", missing)
    with pytest.raises(SourceFailed, match=r"kanhu\[simulation\]") as failed:
        packets(connection("yard?seed=990001"), 1)
    assert failed.value.failure.kind == "unusable"


def test_the_nursery_itself_is_drawn_once_for_record_and_detect_stream() -> None:
    """One real camera: painted, drawn, coded at two sizes, and the coded picture is the drawn one."""
    record, detect = (packets(connection(f"kitchen?seed=1&pace=0{more}"), 3) for more in ("", "&size=320x180"))
    place = Place.of(parse_simulated("kitchen?seed=1"))
    drawn = studios.studio_of(place)
    assert isinstance(drawn, Studio)
    picture = drawn.picture("kitchen", 34_800.2)
    assert picture is drawn.picture("kitchen", 34_800.2)  # both streams ask for the same instants
    assert picture is not None
    large, small = (list(decoded(coded))[2].to_ndarray(format="rgb24").astype(float) for coded in (record, detect))
    assert large.shape == picture.shape
    assert np.abs(large - picture).mean() < 6
    assert np.abs(small - picture.reshape(180, 2, 320, 2, 3).mean((1, 3))).mean() < 8
