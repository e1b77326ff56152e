"""What a newcomer sees: a nursery with pictures, an incident as it happens, the record growing, a form that explains itself."""

from __future__ import annotations

import base64
import sqlite3
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from services.box import demonstration
from services.contracts.simulated_stream import USUAL_DAY
from services.contracts.time import NS_PER_S
from services.simulation.render import sensor as camera_picture
from tests.e2e.conftest import BoxUnderTest
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.timeout(420)

FRAMES_PER_S = 10
#: A machine's first start paints the rooms, and the story begins when that is done. From then on it has two minutes.
FIRST_PICTURE_MS, FIRST_INCIDENT_S = 120_000, 120.0
#: The page is told of an incident that is in the record.
TOLD_S = 10.0


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Eight seconds of a moving bar as a video file."""
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_S, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.codec_context.gop_size = FRAMES_PER_S
        for index in range(8 * FRAMES_PER_S):
            pixels = np.full((360, 640, 3), 90, np.uint8)
            pixels[:, 4 * index : 4 * index + 40] = 220
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            picture.pts, picture.time_base = index, Fraction(1, FRAMES_PER_S)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def open_page(browser: Browser, box: BoxUnderTest) -> tuple[Page, list[str]]:
    """The page in English, and whatever the browser complains about (a broken policy, a script error)."""
    page = browser.new_page(viewport={"width": 1440, "height": 1000}, locale="en-GB")
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if "Content Security Policy" in line.text else None)
    page.goto(box.url)
    return page, complaints


def recorded_s(page: Page, camera: str) -> float:
    shown = page.locator(f'[data-camera="{camera}"] .bar[data-recorded-s]').get_attribute("data-recorded-s")
    return float(shown or 0)


def hour_shown(page: Page, camera: str) -> str:
    """``HH:MM`` as it is written in the picture that the page shows: the reading that fits the letters best."""
    shown: str = page.locator(f'[data-camera="{camera}"] img.picture').evaluate(
        """image => { const canvas = document.createElement('canvas');
                     canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
                     canvas.getContext('2d').drawImage(image, 0, 0);
                     return canvas.toDataURL('image/png'); }"""
    )
    octets = np.frombuffer(base64.b64decode(shown.partition(",")[2]), np.uint8)
    picture = cv2.cvtColor(cv2.imdecode(octets, cv2.IMREAD_COLOR), cv2.COLOR_BGR2GRAY).astype(float)
    readings = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(24 * 60)]
    return min(readings, key=lambda reading: _misfit(picture, f"{USUAL_DAY} {reading}"))


def _misfit(picture: np.ndarray[Any, Any], text: str) -> float:
    """How badly the letters in the corner fit a text, whatever comes after it."""
    blank = np.full((*picture.shape, 3), 128, np.uint8)
    camera_picture.write(blank, text)
    letters = blank[..., 0].astype(float)
    columns = np.flatnonzero((letters != 128).any(0))
    place = np.s_[:24, columns[0] : columns[-1]]
    return float(np.abs(letters[place] - picture[place])[letters[place] != 128].mean())


def judge_first_incident(box: BoxUnderTest) -> None:
    """By the box's own records: the first incident was raised within two minutes of the first picture."""
    epoch_ns = float((box.data / "simulation.epoch").read_text()) * NS_PER_S

    def first_recorded_ns() -> int | None:
        with sqlite3.connect(box.data / "catalog.db") as catalog:
            (found,) = catalog.execute("SELECT min(start_ns) FROM segment").fetchone()
        return int(found) if found is not None else None

    began_ns = wait_until(first_recorded_ns, seconds=60, what="a minute of footage to be sealed")
    first = min(box.get("api/v1/incidents")["incidents"], key=lambda incident: int(incident["raised_ns"]))
    assert (first["kind"], first["sensor_id"]) == ("I-10", "main-door-contact")
    for beginning_ns in (epoch_ns, began_ns):
        assert 0 <= (first["opened_ns"] - beginning_ns) / NS_PER_S <= FIRST_INCIDENT_S
        assert 0 <= (first["raised_ns"] - beginning_ns) / NS_PER_S <= FIRST_INCIDENT_S


def judge_armed_camera(page: Page) -> None:
    """A camera that somebody arms: who is in its picture raises I-12, with the picture that did."""
    form = page.locator("form.enrol")
    form.locator('input[name="camera_id"]').fill("stove")
    form.locator('input[name="url"]').fill(demonstration.cameras()[demonstration.CAMERAS.index("kitchen")]["url"])
    form.get_by_role("button", name="Enrol").click()
    incident = page.locator('.incident[data-kind="I-12"]').first
    expect(incident).to_be_visible(timeout=60_000)
    expect(incident).to_contain_text("Person in an armed zone")
    expect(incident).to_contain_text("stove")
    expect(incident.locator("img.snapshot")).to_be_visible(timeout=20_000)


def test_a_newcomer_sees_the_main_job_run(box: BoxUnderTest, browser: Browser) -> None:
    box.wait_ready()
    page, complaints = open_page(browser, box)
    for camera in demonstration.CAMERAS:
        card = page.locator(f'[data-camera="{camera}"]')
        expect(card.locator(".badge")).to_have_text("recording", timeout=FIRST_PICTURE_MS)
        expect(card.locator("img.picture")).to_be_visible(timeout=30_000)
        assert card.locator("img.picture").evaluate("image => image.naturalWidth") == 640
    expect(page.locator(".note")).to_contain_text("knows only simulated rooms")

    assert "09:57" <= hour_shown(page, "yard") <= "10:00"
    # Told by the stream, without a reload, while it lasts.
    door = page.locator(".incident").first
    expect(door).to_be_visible(timeout=(FIRST_INCIDENT_S + TOLD_S) * 1000)
    expect(door).to_have_attribute("data-kind", "I-10")
    expect(door).to_contain_text("Door held open")
    expect(door).to_contain_text("main-door-contact")
    judge_first_incident(box)

    before = recorded_s(page, "entrance")
    assert before > 0
    wait_until(lambda: recorded_s(page, "entrance") > before + 2, seconds=30, what="the record to grow on the page")
    expect(page.locator('[data-sensor="emergency-door-contact"] .reading')).to_have_text("shut", timeout=40_000)
    expect(page.locator('[data-sensor="fridge-probe"] .reading')).to_contain_text("°C")
    expect(page.locator('[data-camera="entrance"] .watch')).to_contain_text("watched by nursery-people", timeout=30_000)
    expect(page.locator('[data-sensor="alarm-button"] .reading')).to_have_text("pressed")
    expect(page.locator('[data-sensor="alarm-button"]')).to_have_attribute("data-mood", "bad")
    judge_armed_camera(page)

    page.get_by_role("button", name="中文").click()
    expect(page.locator('[data-camera="entrance"] .badge')).to_have_text("录像中")
    expect(page.locator('[data-sensor="alarm-button"] .reading')).to_have_text("按下")
    assert complaints == []
    with sqlite3.connect(box.data / "catalog.db") as catalog:
        entered = catalog.execute("SELECT DISTINCT action, reason FROM audit_entry").fetchall()
    assert {"live-picture", "incident-snapshot"} <= {action for action, _ in entered}  # I6
    assert {reason for action, reason in entered if action != "model.activate"} == {"on-site duty room"}


def test_the_form_enrols_a_camera_and_says_what_is_wrong_in_place(
    box: BoxUnderTest, browser: Browser, film: Path
) -> None:
    box.wait_ready()
    page, complaints = open_page(browser, box)
    form = page.locator("form.enrol")

    def fill(name: str, url: str) -> None:
        form.locator('input[name="camera_id"]').fill(name)
        form.locator('input[name="url"]').fill(url)
        form.get_by_role("button", name="Enrol").click()

    fill("", "rtsp://10.0.0.9/")
    expect(form.locator("#fault-camera_id")).to_have_text("fill this in")
    fill("gate", "http://admin:hunter2@10.0.0.9/")
    expect(form.locator("#fault-url")).to_contain_text("rtsp://HOST/PATH")
    expect(form.locator("#fault-camera_id")).to_be_empty()
    assert "hunter2" not in form.locator("#fault-url").inner_text()
    fill("entrance", f"file:{film}")
    expect(form.locator("#fault-camera_id")).to_contain_text("already")
    fill("gate", "file:/nowhere/film.mp4")
    expect(form.locator("#fault-url")).to_contain_text("there is no file")

    fill("gate", f"file:{film}?loop=1")
    expect(form.locator(".outcome")).to_contain_text("Enrolled")
    card = page.locator('[data-camera="gate"]')
    expect(card.locator(".badge")).to_have_text("recording", timeout=30_000)
    expect(card.locator("img.picture")).to_be_visible(timeout=30_000)

    card.hover()
    card.get_by_role("button", name="Remove").click()
    card.get_by_role("button", name="Remove?").click()
    expect(card).to_have_count(0, timeout=20_000)
    assert complaints == []
