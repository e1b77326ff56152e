"""The service ``retain``: the recorder and the archive, side by side; if either fails, both end and the service is restarted.

Belongs here: which parts run. Does not belong here: what they do.
"""

from __future__ import annotations

import asyncio

from services.backbone.running import Host, lasting
from services.retention.archive import CONDITION as ARCHIVE
from services.retention.archive import Archive
from services.retention.recorder import CONDITION as RECORDER
from services.retention.recorder import Recorder


async def run(host: Host) -> None:
    """Record and archive until the host says stop."""
    host.readiness.expect(RECORDER)
    host.readiness.expect(ARCHIVE)
    recorder = Recorder(host.backbone, host.settings, host.stop, host.readiness)
    archive = Archive(host.backbone, host.stop, host.readiness)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(lasting(recorder.run), name="recorder")
            group.create_task(lasting(archive.run), name="archive")
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed
