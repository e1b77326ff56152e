"""The live board: newest wins, memory is bounded, and what is enrolled no more is forgotten."""

from __future__ import annotations

from services.console.core.live_board import RECENT_INCIDENTS, LiveBoard
from services.contracts.incident import Evidence, Incident
from services.contracts.media_record import Chunk, ChunkFacts, Gap, RunEnd, RunFacts, RunStart
from services.contracts.status import CameraStatus


def run(run_id: str = "r1", camera: str = "door") -> RunFacts:
    return RunFacts(camera, "record", run_id, "agent-1", "k", "avc1.640016", 640, 360, 90_000)


def chunk(seq: int, start_ns: int, *, sync: bool, run_id: str = "r1", camera: str = "door") -> Chunk:
    facts = ChunkFacts(seq, start_ns, 320, sync, bytes(32), bytes(32))
    return Chunk(run(run_id, camera), facts, f"{run_id}/{seq}".encode())


def incident(number: int, **fields: object) -> Incident:
    return Incident.model_validate({
        "incident_id": f"i{number}", "institution_id": "demo", "kind": "I-12", "severity": "S1", "title": "t",
        "opened_ns": number, "raised_ns": number, "evidence": Evidence(frame_ns=number), "rule": "r", "rule_version": "1",
        **fields,
    })  # fmt: skip


def test_the_newest_sync_chunk_is_the_picture() -> None:
    board = LiveBoard()
    for seq, sync in ((0, True), (1, False), (2, True), (3, False)):
        board.take_media(chunk(seq, seq * 320, sync=sync))
    camera = board.cameras["door"]
    assert camera.picture is not None
    assert (camera.picture.seq, camera.picture.value) == (2, b"r1/2")
    assert (camera.first_ns, camera.until_ns, camera.live) == (0, 4 * 320, True)


def test_a_late_chunk_does_not_turn_the_picture_back() -> None:
    board = LiveBoard()
    board.take_media(chunk(9, 9000, sync=True))
    board.take_media(chunk(3, 3000, sync=True))
    assert board.cameras["door"].picture is not None
    assert board.cameras["door"].picture.seq == 9


def test_init_segments_of_the_two_newest_runs_are_kept() -> None:
    board = LiveBoard()
    for name in ("r1", "r2", "r3"):
        board.take_media(RunStart(run(name), 0, name.encode()))
    assert list(board.cameras["door"].inits) == ["r2", "r3"]


def test_a_run_end_and_a_gap_end_the_live_part() -> None:
    for ending in (RunEnd(run(), 3, 999, "camera"), Gap("door", "record", "agent-1", 5, None, "camera")):
        board = LiveBoard()
        board.take_media(chunk(0, 0, sync=True))
        board.take_media(ending)
        assert not board.cameras["door"].live


def test_an_older_status_does_not_stand_over_a_newer() -> None:
    board = LiveBoard()
    board.take_status(CameraStatus(camera_id="door", agent_id="a", state="streaming"), 20)
    board.take_status(CameraStatus(camera_id="door", agent_id="a", state="offline"), 10)
    status = board.cameras["door"].status
    assert status is not None
    assert status.state == "streaming"


def test_incidents_are_bounded_and_the_oldest_go() -> None:
    board = LiveBoard()
    for number in range(RECENT_INCIDENTS + 5):
        board.take_incident(incident(number))
    assert len(board.incidents) == RECENT_INCIDENTS
    assert "i4" not in board.incidents
    assert "i5" in board.incidents


def test_a_heartbeat_does_not_cover_what_was_measured() -> None:
    board = LiveBoard()
    board.take_reading("thermo", "temperature", 10, {"celsius": 22.0})
    board.take_reading("thermo", "heartbeat", 20, {})
    assert board.readings["thermo"][2] == {"celsius": 22.0}


def test_what_is_enrolled_no_more_is_forgotten() -> None:
    board = LiveBoard()
    board.take_media(chunk(0, 0, sync=True))
    board.take_media(chunk(0, 0, sync=True, camera="hall"))
    board.take_reading("thermo", "temperature", 10, {})
    board.keep_only(frozenset({"hall"}), frozenset())
    assert set(board.cameras) == {"hall"}
    assert not board.readings
