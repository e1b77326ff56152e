"""What only a directory can suffer: a full disk, a killed writer, a clock that jumps; and what it must look like on disk."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.backbone.embedded.directory_store import DirectoryStore
from services.backbone.simulated_clock import SimulatedClock
from services.contracts.errors import Corrupt, Held, Transient
from services.contracts.media_record import ClockSample
from services.contracts.time import DAY_NS, NS_PER_S
from tests.contract.stores import digest, listed, put, read_all

KEY = "demo/door/0000000000.mp4"
BODY = b"footage" * 50_000
DISCIPLINED = ClockSample(0, 1_000_000)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


def files_of(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and path.name != ".time")


def visible(root: Path) -> list[str]:
    return [path.name for path in root.iterdir() if not path.name.startswith(".")]


async def prepared(root: Path, clock: SimulatedClock, **options: float) -> DirectoryStore:
    store = DirectoryStore(root, clock, **options)
    await store.prepare()
    return store


async def test_a_stored_file_is_read_only_and_keeps_the_suffix_that_players_look_at(root: Path) -> None:
    await put(await prepared(root, SimulatedClock()), KEY, BODY)
    (file,) = files_of(root)
    assert file.stat().st_mode & 0o777 == 0o440
    assert file.suffix == ".mp4"
    assert file.read_bytes() == BODY


async def test_deleting_the_last_version_leaves_no_empty_directories(root: Path) -> None:
    store = await prepared(root, SimulatedClock())
    stored = await put(store, KEY, BODY)
    await store.delete(KEY, stored.version_id)
    assert visible(root) == []


async def test_a_truncated_file_is_corrupt_already_when_looked_at(root: Path) -> None:
    store = await prepared(root, SimulatedClock())
    await put(store, KEY, BODY)
    os.truncate(files_of(root)[0], 10)
    with pytest.raises(Corrupt, match="truncated"):
        await store.stat(KEY)


async def test_one_flipped_bit_is_corrupt_when_read(root: Path) -> None:
    store = await prepared(root, SimulatedClock())
    await put(store, KEY, BODY)
    (file,) = files_of(root)
    file.chmod(0o640)
    with file.open("r+b") as target:
        target.seek(1000)
        target.write(bytes([BODY[1000] ^ 1]))
    with pytest.raises(Corrupt, match="altered"):
        await read_all(store, KEY)


async def test_files_that_are_no_objects_are_not_listed(root: Path) -> None:
    store = await prepared(root, SimulatedClock())
    stored = await put(store, KEY, BODY)
    (root / "demo" / "door" / "notes.txt").write_text("by hand")
    (root / "demo" / "door" / "0000000000~nonsense~free.mp4").write_text("by hand")
    assert await listed(store) == [stored]


# A full disk


def _put_on_a_small_disk(root: str, size: int) -> None:
    """Runs in a child: files may not grow beyond 1 MiB, as on a disk that fills up in the middle of a write."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024**2, 1024**2))

    async def fill() -> None:
        store = await prepared(Path(root), SimulatedClock())
        await put(store, "demo/small.mp4", b"fits")
        with pytest.raises(Transient, match="full"):
            await put(store, KEY, b"x" * size)
        await put(store, "demo/after.mp4", b"fits too")

    asyncio.run(fill())


async def test_a_disk_that_fills_up_is_transient_and_leaves_nothing_half_written(root: Path) -> None:
    child = multiprocessing.get_context("spawn").Process(target=_put_on_a_small_disk, args=(str(root), 5 * 1024**2))
    child.start()
    await asyncio.to_thread(child.join, 60)
    assert child.exitcode == 0
    store = await prepared(root, SimulatedClock())
    assert [stored.key for stored in await listed(store)] == ["demo/after.mp4", "demo/small.mp4"]
    assert len(files_of(root)) == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB, where this user may mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("this user may not mount a file system; the limit on file size above stands for it")
    yield place
    subprocess.run(["umount", str(place)], check=True)


async def test_a_full_file_system_is_transient_until_there_is_room(small_disk: Path) -> None:
    store = await prepared(small_disk / "objects", SimulatedClock())
    first = await put(store, "demo/first.mp4", b"a" * 1_200_000)
    with pytest.raises(Transient, match="full"):
        await put(store, KEY, b"b" * 1_200_000)
    assert await listed(store) == [first]
    await store.delete(first.key, first.version_id)
    await put(store, KEY, b"b" * 1_200_000)
    assert await read_all(store, KEY) == b"b" * 1_200_000


# A killed writer

_WRITER = """
import asyncio, hashlib, os, sys
from pathlib import Path
from services.backbone.embedded.directory_store import DirectoryStore
from services.backbone.system_clock import SystemClock

async def write(root, seed):
    store = DirectoryStore(Path(root), SystemClock())
    await store.prepare()
    number = 0
    while True:
        body = f"{seed}/{number}/".encode() * 40_000
        key = f"demo/cam/{seed}-{number:06d}.mp4"
        await store.put(key, body, sha256=hashlib.sha256(body).digest(), retain_until_ns=None)
        print(key, flush=True)
        number += 1

asyncio.run(write(sys.argv[1], sys.argv[2]))
"""


def _write_until_killed(root: Path, seed: int) -> list[bytes]:
    """What a writer said it had stored before it was killed."""
    with subprocess.Popen([sys.executable, "-c", _WRITER, str(root), str(seed)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(3 + 2 * seed)]
        writer.kill()
        return told + writer.stdout.read().splitlines(keepends=True)


@pytest.mark.parametrize("seed", range(4))
async def test_a_killed_writer_loses_nothing_it_was_told_is_stored(root: Path, seed: int) -> None:
    told = await asyncio.to_thread(_write_until_killed, root, seed)
    store = await prepared(root, SimulatedClock(), leftover_age_s=0.0)
    stored = await listed(store)
    assert {line.decode().strip() for line in told} <= {each.key for each in stored}
    for each in stored:
        assert digest(await read_all(store, each.key)) == each.sha256
    assert list((root / ".incoming").iterdir()) == []


async def test_preparing_leaves_alone_what_a_living_process_writes(root: Path) -> None:
    store = await prepared(root, SimulatedClock())
    with store._incoming.receive(b"half of it") as received:
        await prepared(root, SimulatedClock(), leftover_age_s=0.0)
        assert received.path.exists()
    leftover = root / ".incoming" / "1-dead.part"
    leftover.write_bytes(b"young")
    await prepared(root, SimulatedClock(), leftover_age_s=3600.0)
    assert leftover.exists()
    await prepared(root, SimulatedClock(), leftover_age_s=0.0)
    assert not leftover.exists()


async def test_writers_that_meet_agree_on_one_version(root: Path) -> None:
    stores = [await prepared(root, SimulatedClock()) for _ in range(4)]
    for number in range(40):
        key = f"demo/door/{number}.mp4"
        stored = await asyncio.gather(*(put(store, key, b"small") for store in stores for _ in range(3)))
        assert len({each.version_id for each in stored}) == 1
    assert len(files_of(root)) == 40


async def test_changes_that_meet_are_all_made(root: Path) -> None:
    stores = [await prepared(root, SimulatedClock()) for _ in range(4)]
    for number in range(20):
        key, until_ns = f"demo/door/{number}.mp4", 2**62 + number
        stored = await put(stores[0], key, b"small")
        await asyncio.gather(
            stores[0].set_legal_hold(key, stored.version_id, True),
            stores[1].extend_retention(key, stored.version_id, until_ns),
            put(stores[2], key, b"small", until_ns=until_ns - 1),
            read_all(stores[3], key, stored.version_id),
        )
        found = await stores[0].stat(key)
        assert (found.legal_hold, found.retain_until_ns) == (True, until_ns)


# A clock that jumps


async def test_time_passing_ends_a_retention(root: Path) -> None:
    clock = SimulatedClock()
    store = await prepared(root, clock)
    stored = await put(store, KEY, BODY, until_ns=clock.now_ns() + 90 * DAY_NS)
    await clock.advance(90 * 86_400 - 1)
    with pytest.raises(Held):
        await store.delete(KEY, stored.version_id)
    await clock.advance(2)
    await store.delete(KEY, stored.version_id)


@pytest.mark.parametrize("restart", [False, True])
async def test_an_undisciplined_clock_set_forward_ends_no_retention(root: Path, restart: bool) -> None:
    clock = SimulatedClock()
    store = await prepared(root, clock)
    stored = await put(store, KEY, BODY, until_ns=clock.now_ns() + 90 * DAY_NS)
    clock.jump(400 * 86_400)
    if restart:
        store = await prepared(root, clock)
    with pytest.raises(Held):
        await store.delete(KEY, stored.version_id)
    await clock.advance(91 * 86_400)  # time that really passes still counts
    await store.delete(KEY, stored.version_id)


async def test_a_forward_step_made_by_a_time_source_is_believed(root: Path) -> None:
    clock = SimulatedClock(0)  # a board without battery begins in 1970
    store = await prepared(root, clock)
    clock.jump(1_800_000_000)
    clock.known = DISCIPLINED
    stored = await put(store, KEY, BODY, until_ns=clock.now_ns() + NS_PER_S)
    await clock.advance(2)
    await store.delete(KEY, stored.version_id)


async def test_a_clock_set_back_keeps_longer_and_recovers(root: Path) -> None:
    clock = SimulatedClock()
    store = await prepared(root, clock)
    stored = await put(store, KEY, BODY, until_ns=clock.now_ns() + NS_PER_S)
    clock.jump(-86_400)
    await clock.advance(5)
    with pytest.raises(Held):
        await store.delete(KEY, stored.version_id)
    newer = await put(store, KEY, BODY + b"!")
    assert (await store.stat(KEY)).version_id == newer.version_id, "the newest stays the newest"
    clock.jump(86_400)
    clock.known = DISCIPLINED
    await store.delete(KEY, stored.version_id)
