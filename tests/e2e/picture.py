"""Write docs/images/console.png anew: ``python -m tests.e2e.picture``. Look at it before it is committed.

A newcomer's box, photographed while its first incident lasts: both rows of cameras whole, every camera at its own rate.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from services.box import demonstration
from tests.e2e.conftest import CHROMIUM, CHROMIUM_SWITCHES, BoxUnderTest
from tests.harness.site import REPOSITORY
from tests.harness.waiting import wait_until

PICTURE = REPOSITORY / "docs" / "images" / "console.png"
RATE = "10 fps"
_WIDTH_PX, _MARGIN_PX = 1360, 24


def is_at_its_best(page: Page) -> bool:
    """The first incident lasts, every camera comes at its rate, and nothing tells of a machine that is busy otherwise."""
    if page.locator(".pill.warn, .key.unwatched, .key.gap").count() > 0:
        return False
    facts = [page.locator(f'[data-camera="{name}"]').inner_text() for name in demonstration.CAMERAS]
    return page.locator('.incident.open[data-kind="I-10"]').count() > 0 and all(RATE in told for told in facts)


def take(box: BoxUnderTest, path: Path) -> None:
    """One picture of the page, from its top to below the last camera."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_SWITCHES)
        page = browser.new_page(viewport={"width": _WIDTH_PX, "height": 1200}, locale="en-GB")
        page.goto(box.url)
        wait_until(
            lambda: is_at_its_best(page), seconds=300, what="an incident, and every camera at its rate", every_s=0.5
        )
        page.wait_for_timeout(1500)  # the newest pictures
        boxes = [page.locator(f'[data-camera="{name}"]').bounding_box() for name in demonstration.CAMERAS]
        below_px = max(one["y"] + one["height"] for one in boxes if one is not None)
        page.screenshot(path=str(path), clip={"x": 0, "y": 0, "width": _WIDTH_PX, "height": below_px + _MARGIN_PX})
        browser.close()


def main() -> int:
    """Start, wait, photograph, stop."""
    with tempfile.TemporaryDirectory(prefix="kanhu-picture-") as folder:
        box = BoxUnderTest(Path(folder) / "data")
        try:
            box.wait_ready()
            take(box, PICTURE)
            box.stop()
        finally:
            box.end()
    sys.stdout.write(f"{PICTURE.relative_to(REPOSITORY)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
