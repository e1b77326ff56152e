"""Chromium plays a run chunk by chunk through Media Source Extensions: every picture, one range, from 0."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from services.media.cmaf_reader import parse_chunk
from services.media.timeline import ticks_to_ns
from tests.integration.media.clips import encode
from tests.integration.media.demuxed import mux_file
from tests.unit.media import material as m

CHROMIUM = Path("/usr/bin/chromium")
_PLAY = """
async ([mime, parts]) => {
  if (!MediaSource.isTypeSupported(mime)) return {unsupported: mime};
  const video = document.createElement('video');
  video.muted = true;
  document.body.appendChild(video);
  const source = new MediaSource();
  const happens = (target, name) => new Promise(done => target.addEventListener(name, done, {once: true}));
  video.src = URL.createObjectURL(source);
  await happens(source, 'sourceopen');
  const buffer = source.addSourceBuffer(mime);
  for (const part of parts) {
    const appended = happens(buffer, 'updateend');
    buffer.appendBuffer(Uint8Array.from(atob(part), letter => letter.charCodeAt(0)));
    await appended;
    if (video.error) return {error: video.error.message};
  }
  const ranges = [...Array(buffer.buffered.length).keys()].map(n => [buffer.buffered.start(n), buffer.buffered.end(n)]);
  source.endOfStream();
  const over = Promise.race([happens(video, 'ended'), happens(video, 'error')]);
  await video.play();
  await over;
  return {error: video.error && video.error.message, ranges, width: video.videoWidth, height: video.videoHeight,
          pictures: video.getVideoPlaybackQuality().totalVideoFrames};
}
"""

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        yield browser.new_page()
        browser.close()


@pytest.mark.parametrize("name", ["h264_baseline.mp4", "h264_pyramid.mp4", "h264_annexb.ts", "h264_sliced.mp4"])
def test_a_run_plays_chunk_by_chunk(page: Page, tmp_path: Path, name: str) -> None:
    ((start, chunks, _),) = m.runs(mux_file(encode(tmp_path, name, frames=40)).records)
    parts = [base64.b64encode(octets).decode() for octets in (start.init, *(chunk.value for chunk in chunks))]
    played: dict[str, Any] = page.evaluate(_PLAY, [f'video/mp4; codecs="{start.run.codec}"', parts])
    assert played.get("error") is None and "unsupported" not in played, played
    assert (played["width"], played["height"]) == (start.run.width, start.run.height)
    assert played["pictures"] == 40
    ((first_s, end_s),) = played["ranges"]
    ticks = sum(parse_chunk(chunk.value).duration for chunk in chunks)
    assert first_s == 0
    assert end_s == pytest.approx(ticks_to_ns(ticks, start.run.timescale) / 1e9, abs=0.1)
