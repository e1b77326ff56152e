"""A decoded frame → a model's input, touching no more pixels than the model sees.

The three planes are looked at in place (no copy) and each is scaled into a reused buffer. A model after surgery takes those
buffers as they are (``PlaneScaler``); for a model as published the small picture becomes BGR or RGB numbers (``InputScaler``).
Buffers are made once per picture size: allocating hundreds of kilobytes per frame costs more than the arithmetic (page faults).
Whoever only wants to know whether anything moves asks for ``blocks_of`` the frame and touches fewer pixels still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from services.analyze.core.letterbox import PADDING, Fit, Letterbox, lay

Plane = NDArray[np.uint8]

_PLANAR_420 = ("yuv420p", "yuvj420p")
#: A person whom a detector can find covers several blocks; more and smaller ones would cost more and average out less noise.
_BLOCKS_PER_ROW = 48
_BLOCK_LINES = 4
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_LEVELS = np.arange(256)
#: Full range (0-255) → limited range (16-235, chroma 16-240).
_LUMA_TO_LIMITED = np.rint(16 + _LEVELS * 219 / 255).astype(np.uint8)
_CHROMA_TO_LIMITED = np.rint(128 + (_LEVELS - 128) * 224 / 255).astype(np.uint8)


class Planes(NamedTuple):
    """A 4:2:0 picture looked at in place: luma (height, width), two of chroma at half that."""

    luma: Plane
    chroma: tuple[Plane, Plane]
    full_range: bool

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.luma.shape[1], self.luma.shape[0]


def planes_of(frame: VideoFrame) -> Planes:
    """Views into the frame (it must outlive them); other pixel formats are converted first, which costs a copy."""
    form = frame.format.name
    if form not in _PLANAR_420:
        frame = frame.reformat(format="yuv420p")
        form = "yuv420p"
    luma, first, second = frame.planes
    full_range = form == "yuvj420p" or frame.color_range == _FULL_RANGE
    return Planes(_view(luma), (_view(first), _view(second)), full_range)


class _Scaler:
    """What both kinds share: where the picture lies, and its luma."""

    _how: Fit
    _size: tuple[int, int]

    def __init__(self) -> None:
        self._laid: Letterbox | None = None
        self._luma: Plane = np.zeros((0, 0), np.uint8)
        self._chroma: Sequence[Plane] = ()

    def _scale(self, planes: Planes) -> Letterbox:
        """Fill the buffers of luma and chroma, limited range."""
        width, height = planes.size
        if self._laid is None or (self._laid.picture_width, self._laid.picture_height) != (width, height):
            self._laid = lay(self._how, width, height, *self._size)
            self._prepare(self._laid)
        _scale(planes.luma, self._luma, _LUMA_TO_LIMITED if planes.full_range else None)
        for plane, small in zip(planes.chroma, self._chroma, strict=True):
            _scale(plane, small, _CHROMA_TO_LIMITED if planes.full_range else None)
        return self._laid

    def _prepare(self, laid: Letterbox) -> None:
        raise NotImplementedError


class PlaneScaler(_Scaler):
    """Fills the two inputs of a model after surgery: (1, 1, height, width) and (1, 2, height / 2, width / 2), uint8.

    Not thread-safe. Values are of limited range. ``pad`` is the grey (0-255, full range) around the picture.
    """

    def __init__(self, width: int, height: int, how: Fit = "letterbox_top_left", pad: int = PADDING) -> None:
        super().__init__()
        self._how = how
        self._size = (width, height)
        self._grey = int(_LUMA_TO_LIMITED[pad])
        self.luma: Plane = np.full((1, 1, height, width), self._grey, np.uint8)
        self.chroma: Plane = np.full((1, 2, height // 2, width // 2), 128, np.uint8)

    def fill(self, planes: Planes) -> Letterbox:
        """How the picture lies in the buffers, which are valid until the next call."""
        return self._scale(planes)

    def _prepare(self, laid: Letterbox) -> None:
        self.luma.fill(self._grey)
        self.chroma.fill(128)
        left, top, right, bottom = laid.left, laid.top, laid.left + laid.content_width, laid.top + laid.content_height
        self._luma = self.luma[0, 0, top:bottom, left:right]
        self._chroma = [plane[top // 2 : bottom // 2, left // 2 : right // 2] for plane in self.chroma[0]]


@dataclass(frozen=True, slots=True)
class Form:
    """What the numbers of a published model's input are: ``(pixel * scale - mean) / std`` per channel, and how they lie."""

    how: Fit = "letterbox_top_left"
    pad: int = PADDING
    colour: str = "bgr"
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    layout: str = "nchw"
    dtype: str = "float32"


_YOLOX = Form()


class InputScaler(_Scaler):
    """Fills the input of a model as published, again and again. Not thread-safe."""

    def __init__(self, input_width: int, input_height: int, form: Form = _YOLOX) -> None:
        super().__init__()
        self._how = form.how
        self._size = (input_width, input_height)
        self._form = form
        shape = (1, 3, input_height, input_width) if form.layout == "nchw" else (1, input_height, input_width, 3)
        self._tensor: NDArray[Any] = np.zeros(shape, np.dtype(form.dtype))
        self._channels = self._tensor[0] if form.layout == "nchw" else self._tensor[0].transpose(2, 0, 1)
        self._gain = (form.scale / np.array(form.std, np.float32)).astype(np.float32)[:, None, None]
        self._offset = (np.array(form.mean, np.float32) / np.array(form.std, np.float32))[:, None, None]
        self._plain = (form.scale, form.mean, form.std) == (1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        self._content: NDArray[Any] = self._channels
        self._small: Plane = np.zeros((0, 0), np.uint8)
        self._bgr: Plane = np.zeros((0, 0, 3), np.uint8)

    def fill(self, frame: VideoFrame | Planes) -> tuple[NDArray[Any], Letterbox]:
        """The tensor (valid until the next call) and how the picture lies in it."""
        planes = frame if isinstance(frame, Planes) else planes_of(frame)
        laid = self._scale(planes)
        code = cv2.COLOR_YUV2BGR_I420 if self._form.colour == "bgr" else cv2.COLOR_YUV2RGB_I420
        cv2.cvtColor(self._small, code, dst=self._bgr)
        picture = self._bgr.transpose(2, 0, 1)
        if self._plain:
            np.copyto(self._content, picture)
        else:
            np.multiply(picture, self._gain, out=self._content, casting="unsafe")
            np.subtract(self._content, self._offset, out=self._content, casting="unsafe")
        return self._tensor, laid

    def _prepare(self, laid: Letterbox) -> None:
        """Buffers for the small picture: I420 in one block, so that the planes are views into what cvtColor reads."""
        width, height = laid.content_width, laid.content_height
        self._channels[:] = self._form.pad if self._plain else self._form.pad * self._gain - self._offset
        self._content = self._channels[:, laid.top : laid.top + height, laid.left : laid.left + width]
        luma, chroma = width * height, (width // 2) * (height // 2)
        block = np.zeros(luma + 2 * chroma, np.uint8)
        self._luma = block[:luma].reshape(height, width)
        self._chroma = [
            block[luma : luma + chroma].reshape(height // 2, width // 2),
            block[luma + chroma :].reshape(height // 2, width // 2),
        ]
        self._small = block.reshape(height * 3 // 2, width)
        self._bgr = np.zeros((height, width, 3), np.uint8)


def _scale(plane: Plane, small: Plane, levels: Plane | None) -> None:
    cv2.resize(plane, (small.shape[1], small.shape[0]), dst=small, interpolation=cv2.INTER_LINEAR)
    if levels is not None:
        cv2.LUT(small, levels, dst=small)


def _view(plane: VideoPlane) -> Plane:
    """A plane's pixels in place: (height, width), rows ``line_size`` bytes apart."""
    return np.ndarray((plane.height, plane.width), np.uint8, cast(bytes, plane), 0, (plane.line_size, 1))


def blocks_of(frame: VideoFrame) -> Plane:
    """Mean luma over square blocks, about 50 to a row, (rows, columns): what the motion gate compares.

    Four lines of pixels speak for a block: more would cost more and average out little more noise. An odd rest at the right
    and bottom edges is left out.
    """
    luma = _view(frame.planes[0]) if frame.format.name in _PLANAR_420 else planes_of(frame).luma
    side = max(_BLOCK_LINES, luma.shape[1] // _BLOCKS_PER_ROW // _BLOCK_LINES * _BLOCK_LINES)
    rows, columns, step = luma.shape[0] // side, luma.shape[1] // side, side // _BLOCK_LINES
    if not rows or not columns:
        return np.array(luma)
    lines = luma[step // 2 : rows * side : step, : columns * side]
    return np.asarray(cv2.resize(lines, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)


def jpeg_of(frame: VideoFrame, quality: int = 85) -> bytes:
    """The whole frame as a JPEG file (4:2:0 → BGR → JPEG)."""
    picture = frame.to_ndarray(format="bgr24")
    done, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a frame of {frame.width}x{frame.height} could not be encoded as JPEG")
    return encoded.tobytes()
