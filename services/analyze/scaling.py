"""A decoded frame → a model's input, touching no more pixels than the model sees.

The three planes are looked at in place (no copy), each is scaled into a reused buffer, and only the small picture becomes BGR.
Buffers are made once per picture size: allocating hundreds of kilobytes per frame costs more than the arithmetic (page faults).
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from services.analyze.core.letterbox import PADDING, Letterbox, fit

_PLANAR_420 = ("yuv420p", "yuvj420p")
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG


class InputScaler:
    """Fills one input tensor, (1, 3, height, width) float32 BGR 0-255, again and again. Not thread-safe."""

    def __init__(self, input_width: int, input_height: int) -> None:
        self._size = (input_width, input_height)
        self._tensor: NDArray[np.float32] = np.full((1, 3, input_height, input_width), PADDING, dtype=np.float32)
        self._letterbox: Letterbox | None = None
        self._small: NDArray[np.uint8] = np.zeros((0, 0), np.uint8)
        self._planes: list[NDArray[np.uint8]] = []
        self._bgr: NDArray[np.uint8] = np.zeros((0, 0, 3), np.uint8)

    def fill(self, frame: VideoFrame) -> tuple[NDArray[np.float32], Letterbox]:
        """The tensor (valid until the next call) and how the picture lies in it."""
        box = self._laid(frame.width, frame.height)
        if frame.format.name not in _PLANAR_420:
            frame = frame.reformat(format="yuv420p")
        for plane, small in zip(frame.planes, self._planes, strict=True):
            cv2.resize(_view(plane), (small.shape[1], small.shape[0]), dst=small, interpolation=cv2.INTER_LINEAR)
        if frame.format.name == "yuvj420p" or frame.color_range == _FULL_RANGE:
            self._to_limited_range()
        cv2.cvtColor(self._small, cv2.COLOR_YUV2BGR_I420, dst=self._bgr)
        content = self._tensor[0, :, : box.content_height, : box.content_width]
        np.copyto(content, self._bgr.transpose(2, 0, 1))
        return self._tensor, box

    def _laid(self, width: int, height: int) -> Letterbox:
        if self._letterbox is None or (self._letterbox.picture_width, self._letterbox.picture_height) != (
            width,
            height,
        ):
            self._letterbox = box = fit(width, height, *self._size)
            self._tensor.fill(PADDING)
            self._prepare(box.content_width, box.content_height)
        return self._letterbox

    def _prepare(self, width: int, height: int) -> None:
        """Buffers for the small picture: I420 in one block, so that the planes are views into what cvtColor reads."""
        luma, chroma = width * height, (width // 2) * (height // 2)
        block = np.zeros(luma + 2 * chroma, np.uint8)
        self._planes = [
            block[:luma].reshape(height, width),
            block[luma : luma + chroma].reshape(height // 2, width // 2),
            block[luma + chroma :].reshape(height // 2, width // 2),
        ]
        self._small = block.reshape(height * 3 // 2, width)
        self._bgr = np.zeros((height, width, 3), np.uint8)

    def _to_limited_range(self) -> None:
        luma, *chroma = self._planes
        cv2.convertScaleAbs(luma, dst=luma, alpha=219 / 255, beta=16)
        for plane in chroma:
            cv2.convertScaleAbs(plane, dst=plane, alpha=224 / 255, beta=128 * (1 - 224 / 255))


def _view(plane: VideoPlane) -> NDArray[np.uint8]:
    """A plane's pixels in place: (height, width), rows ``line_size`` bytes apart."""
    rows: NDArray[np.uint8] = np.frombuffer(memoryview(cast(bytes, plane)), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]


def jpeg_of(frame: VideoFrame, quality: int = 85) -> bytes:
    """The whole frame as a JPEG file (4:2:0 → BGR → JPEG)."""
    picture = frame.to_ndarray(format="bgr24")
    done, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a frame of {frame.width}x{frame.height} could not be encoded as JPEG")
    return encoded.tobytes()
