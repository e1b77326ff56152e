"""Pictures that an installer gives to measure a model on: a picture file, a video, or a folder of either. Kept nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import av.error
import cv2
import numpy as np

from services.analyze.parity_pictures import Picture
from services.contracts.errors import Rejected

#: Enough to tell whether boxes move; frames of a video are taken evenly from its first minutes.
_MOST_PICTURES = 60
_EVERY_NTH_FRAME = 12
_LEAST_SIDE = 64


def read_pictures(path: Path) -> Iterator[Picture]:
    """At most 60 pictures, BGR. ``Rejected`` when nothing there can be read as one."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    found = 0
    for file in files:
        for picture in _pictures_of(file):
            if min(picture.shape[:2]) >= _LEAST_SIDE:
                found += 1
                yield picture
            if found == _MOST_PICTURES:
                return
    if not found:
        raise Rejected(
            f"{path} holds no picture and no video that can be read; --pictures takes a file or a folder of them"
        )


def _pictures_of(file: Path) -> Iterator[Picture]:
    picture = cv2.imread(str(file)) if cv2.haveImageReader(str(file)) else None
    if picture is not None:
        yield np.asarray(picture, np.uint8)
        return
    try:
        with av.open(str(file)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                if number % _EVERY_NTH_FRAME == 0:
                    yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
    except (av.error.FFmpegError, IndexError, OSError, ValueError):
        return
