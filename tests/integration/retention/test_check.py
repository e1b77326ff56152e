"""``kanhu check`` names every class of damage; on an unharmed installation it is silent. On files, so embedded."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.drawn_footage import Agent
from tests.harness.footage import findings, gaps, segments
from tests.harness.site import Site
from tests.integration.retention.conftest import House, S, recent_run

pytestmark = pytest.mark.timeout(180)


def execute(site: Site, statement: str) -> None:
    with sqlite3.connect(Path(site.settings["backbone"]["data"]) / "catalog.db") as database:
        assert database.execute(statement).rowcount > 0, statement
    database.close()


def object_file(site: Site) -> Path:
    row = segments(site, "yard")[1]
    [path] = [
        p for p in (Path(site.settings["backbone"]["data"]) / "objects").rglob("*") if row["version_id"] in p.name
    ]
    return path


def rewrite(change: Callable[[bytes], bytes]) -> Callable[[Site], None]:
    def damage(site: Site) -> None:
        path = object_file(site)
        body = change(path.read_bytes())
        path.chmod(0o600)
        path.write_bytes(body)

    return damage


def flip(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def trust_another(site: Site) -> None:
    other = Agent("agent-9")
    site.configure(agents=[{"agent_id": "agent-9", "public_key": other.public_key.hex()}])
    for key in (Path(site.settings["backbone"]["data"]) / "keys").rglob("*"):
        if key.is_file() and site.settings["agents"][0]["public_key"] not in key.read_text(errors="replace"):
            key.unlink()


DAMAGE: dict[str, tuple[Callable[[Site], None], str, str]] = {
    "an object is gone": (lambda site: object_file(site).unlink(), "I1", "not there"),
    "an object was truncated": (rewrite(lambda body: body[:-100]), "I1", ""),
    "a bit was flipped": (rewrite(flip), "I1", ""),
    "a ledger row was removed": (
        lambda site: execute(site, "DELETE FROM segment WHERE first_seq = 10"), "I5", "nothing accounts"),
    "a ledger row was moved in time": (
        lambda site: execute(site, f"UPDATE segment SET start_ns = start_ns + {S} WHERE first_seq = 10"), "I9", "differ"),
    "a gap was shortened": (
        lambda site: execute(site, f"UPDATE gap SET end_ns = end_ns - {S} WHERE end_ns IS NOT NULL"), "I5", "nothing"),
    "a gap was removed": (lambda site: execute(site, "DELETE FROM gap WHERE end_ns IS NOT NULL"), "I5", "nothing"),
    "a chain was spliced": (
        lambda site: execute(site, f"UPDATE segment SET last_link = '{'0' * 64}' WHERE first_seq = 0"), "I1", "chain"),
    "the ledger shortens its retention": (
        lambda site: execute(site, "UPDATE segment SET retain_until_ns = end_ns WHERE first_seq = 0"), "I3", "less than 90"),
    "the key is no longer enrolled": (trust_another, "I7", "not enrolled"),
    "a camera was never heard of": (
        lambda site: site.configure(cameras=[{"camera_id": "attic", "url": "rtsp://127.0.0.1/x"}]), "I5", "neither"),
}  # fmt: skip


async def test_each_damage_is_found_and_the_unharmed_is_not(box_house: House, tmp_path: Path) -> None:
    """One recording, copied for each damage."""
    run = recent_run("yard", seconds_ago=60)
    await box_house.append(run.whole(34))
    again = recent_run("yard", 2, seconds_ago=20, since="camera")
    await box_house.append(again.whole(15, "maintenance"))
    await box_house.until_stored(again)
    box_house.site.stop("retain")
    await box_house.leave()
    assert findings(box_house.site) == []
    assert len(gaps(box_house.site, "yard")) == 2
    missed: dict[str, Any] = {}
    for name, (damage, clause, words) in DAMAGE.items():
        site = copy_of(box_house.site, tmp_path / name.replace(" ", "-"))
        damage(site)
        found = findings(site)
        if not any(each["clause"] == clause and words in each["message"] for each in found):
            missed[name] = found
    assert missed == {}
    # What an operator sees is the same, in rows and in words; the last damage is still there.
    assert [row for row in site.lines("check", expect=(1,)) if row["level"] == "finding"] == found
    assert f"{len(found)} findings" in site.kanhu("check", expect=(1,)).stdout
    assert "nothing is wrong" in box_house.site.kanhu("check", expect=(0,)).stdout


def copy_of(site: Site, root: Path) -> Site:
    data = root / "data"
    shutil.copytree(site.settings["backbone"]["data"], data)
    copied = Site(root, {"mode": "embedded", "data": str(data)})
    copied.configure(**{name: value for name, value in site.settings.items() if name != "backbone"})
    return copied
