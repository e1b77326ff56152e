"""R-24: a model that is activated leaves an audit entry; one without an assessment is not activated; faces watch no camera."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from sqlalchemy import select
from structlog.testing import capture_logs

from services.analyze import activation
from services.analyze.activation import ModelShelf
from services.analyze.activation_record import ACTION, AUDIT_CHAIN, ActivationRecorder
from services.analyze.model_file import digest_of
from services.analyze.registry import load_registry
from services.backbone.audit import AuditTrail
from services.backbone.catalog_schema import audit_entry
from services.contracts.audit import AuditEntry
from services.contracts.entity import CameraConfig
from services.contracts.errors import NotFound, Rejected, Transient
from services.contracts.settings import AnalyzeSettings
from services.contracts.status import WatchStatus
from tests.harness.onnx_graphs import blank, entry_for, fixed_model
from tests.integration.analyze.house import House, analysis, backbone_of
from tests.integration.analyze.streams import muxed

CAMERA = CameraConfig(camera_id="room", url="sim:playroom")


def trail_of(house: House) -> AuditTrail:
    backbone = house.backbone
    return AuditTrail(backbone.need_catalog(), backbone.log, backbone.clock, chain_id=AUDIT_CHAIN)


async def entries(house: House) -> list[dict[str, Any]]:
    wanted = select(audit_entry).where(audit_entry.c.chain_id == AUDIT_CHAIN).order_by(audit_entry.c.number)
    async with house.backbone.need_catalog().snapshot() as transaction:
        return [dict(row) for row in await transaction.rows(wanted)]


def watched(house: House) -> list[WatchStatus]:
    told = [status.data for status in house.statuses]
    return [each for each in told if isinstance(each, WatchStatus) and each.analysed_frames]


async def test_activation_is_in_the_audit_trail_before_anything_was_watched(
    tmp_path: Path, drawn_clip: tuple[Path, Any, float]
) -> None:
    section = {"camera_id": "room", "url": "sim:playroom"}
    async with (
        backbone_of(tmp_path, cameras=[section], analyze={"late_s": 1e9, "detector": "drawn-person"}) as house,
        analysis(house),
    ):
        await house.send(muxed(drawn_clip[0])[:8])
        await house.until(lambda: watched(house), "a frame that was looked at", seconds=40)
        known = load_registry()["drawn-person"]
        (entry,) = await entries(house)
        assert (entry["action"], entry["actor"]) == (ACTION, f"analyze/{house.settings.analyze.analyzer_id}")
        assert entry["reason"] == f"impact assessment {known.assessment}"
        scope = entry["scope"]
        assert (scope["model"], scope["sha256"]) == (known.name, known.sha256[0])
        assert (scope["licence"], scope["assessment"]) == (known.licence, known.assessment)
        assert (await trail_of(house).verify()).whole
        name, _, digest = watched(house)[0].model.partition("@")
        assert name == known.name and len(digest) >= 16 and known.sha256[0].startswith(digest)


async def test_many_cameras_and_many_looks_are_one_activation(tmp_path: Path) -> None:
    async with backbone_of(tmp_path) as house:
        recorder = ActivationRecorder(trail_of(house), asyncio.get_running_loop(), "analyze/one")
        shelf = ModelShelf(AnalyzeSettings(), tmp_path / "models", recorder)
        models = await asyncio.gather(*(asyncio.to_thread(shelf.model_for, CAMERA) for _ in range(4)))
        assert len({id(model) for model in models}) == 1
        assert [entry["action"] for entry in await entries(house)] == [ACTION]


async def test_a_trail_that_is_away_does_not_stop_the_watching_and_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away:
        down = True

        async def append(self, **fields: Any) -> AuditEntry:
            if self.down:
                raise Transient("the catalog is away")
            return await trail_of(house).append(**fields)

    monkeypatch.setattr("services.analyze.activation_record._AGAIN_AFTER_S", 0.0)
    async with backbone_of(tmp_path) as house:
        away: Any = Away()
        recorder = ActivationRecorder(away, asyncio.get_running_loop(), "analyze/one")
        shelf = ModelShelf(AnalyzeSettings(), tmp_path / "models", recorder)
        assert (await asyncio.to_thread(shelf.model_for, CAMERA)).name == "nursery-people"
        assert await entries(house) == []
        away.down = False
        await asyncio.to_thread(shelf.model_for, CAMERA)
        assert len(await entries(house)) == 1


@pytest.mark.parametrize("assessment", [None, "", "  ", "<id of your impact assessment>"])
def test_a_model_without_an_assessment_is_not_activated(tmp_path: Path, assessment: str | None) -> None:
    recorded: list[object] = []
    install_own(tmp_path, assessment)
    shelf = ModelShelf(AnalyzeSettings(detector="mine"), tmp_path, recorded.append)
    with pytest.raises(Rejected, match="assessment"):
        shelf.model_for(CAMERA)
    assert recorded == []


def test_the_same_model_with_an_assessment_is_activated_and_recorded(tmp_path: Path) -> None:
    recorded: list[Any] = []
    install_own(tmp_path, "评估-2026-07")
    shelf = ModelShelf(AnalyzeSettings(detector="mine"), tmp_path, recorded.append)
    assert shelf.model_for(CAMERA).name == "mine"
    assert [model.entry.assessment for model in recorded] == ["评估-2026-07"]


def install_own(directory: Path, assessment: str | None) -> None:
    entry = entry_for("yolov8")
    body = fixed_model(entry, blank(entry)).SerializeToString()
    fields = entry.model_dump(mode="json") | {"name": "mine", "sha256": [digest_of(body)], "assessment": assessment}
    if assessment is None:
        del fields["assessment"]
    (directory / "mine.onnx").write_bytes(body)
    (directory / "registry.yaml").write_text(yaml.safe_dump({"models": [fields]}), encoding="utf-8")


@pytest.mark.parametrize("name", ["yunet-2023mar-640", "movenet-lightning-192", "fire-shufflenetv2-224"])
def test_what_finds_no_persons_watches_no_camera(tmp_path: Path, name: str) -> None:
    shelf = ModelShelf(AnalyzeSettings(detector=name), tmp_path)
    with pytest.raises(Rejected, match=r"name one of task detect"):
        shelf.model_for(CAMERA)


def test_automatic_choice_passes_over_what_finds_no_persons(tmp_path: Path) -> None:
    """An installed face model must never become a camera's detector by standing first."""
    (tmp_path / "yunet-2023mar-640.onnx").write_bytes(b"x")
    shelf = ModelShelf(AnalyzeSettings(), tmp_path)
    camera: Any = SimpleNamespace(camera_id="gate", url="rtsp://gate/")
    with pytest.raises(Exception, match="no detector for real pictures is installed") as caught:
        shelf.model_for(camera)
    assert "yunet" not in str(caught.value)


def test_the_log_says_each_time_that_a_model_knows_only_simulated_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation, "activate", lambda *_: SimpleNamespace())
    shelf = ModelShelf(AnalyzeSettings(), None)
    real = CameraConfig(camera_id="gate", url="rtsp://10.0.0.9/main")
    with capture_logs() as lines:
        shelf.model_for(CAMERA)
        shelf.model_for(CAMERA)
        with pytest.raises(NotFound, match="camera gate is recorded but not watched"):
            shelf.model_for(real)
    told = [line for line in lines if "knows only simulated rooms and sees no real people" in line["event"]]
    assert [(line["log_level"], line["model"]) for line in told] == [("info", "nursery-people")] * 2
