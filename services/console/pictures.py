"""One JPEG of a camera, decoded when somebody asks for it: the newest sync chunk, nothing is decoded otherwise.

Belongs here: decoding and scaling one picture. Does not belong here: who may see it (``access.py``, ``viewing.py``).
"""

from __future__ import annotations

import asyncio
import io

import av
import cv2

from services.console.core.live_board import KeyPicture
from services.contracts.errors import Corrupt

WIDEST_PX = 960
_QUALITY = 82


class Pictures:
    """Decodes one picture at a time, in a thread, and keeps the newest of each camera."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[tuple[str, int], bytes]] = {}
        self._turn = asyncio.Semaphore(1)

    async def jpeg(self, camera_id: str, init: bytes, picture: KeyPicture) -> bytes:
        """The picture as JPEG; ``Corrupt`` when the chunk holds none."""
        key = (picture.run_id, picture.seq)
        async with self._turn:
            kept = self._kept.get(camera_id)
            if kept is not None and kept[0] == key:
                return kept[1]
            made = await asyncio.to_thread(decode_jpeg, init, picture.value)
            self._kept[camera_id] = (key, made)
            return made

    def keep_only(self, camera_ids: frozenset[str]) -> None:
        self._kept = {name: kept for name, kept in self._kept.items() if name in camera_ids}


def decode_jpeg(init: bytes, chunk: bytes) -> bytes:
    """The first picture of a sync chunk, at most 960 pixels wide."""
    try:
        with av.open(io.BytesIO(init + chunk), "r", format="mp4") as container:
            picture = next(container.decode(video=0), None)
        if picture is None:
            raise Corrupt("the newest chunk holds no picture")
        width = min(WIDEST_PX, picture.width)
        height = max(2, round(picture.height * width / picture.width))
        pixels = picture.to_ndarray(format="bgr24", width=width, height=height)
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise Corrupt(f"the newest chunk cannot be decoded: {error}") from error
    done, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise Corrupt("the picture cannot be written as JPEG")
    return bytes(coded)
