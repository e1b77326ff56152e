"""One picture out of an init segment and a sync chunk; anything else is said to be unreadable."""

from __future__ import annotations

import io

import av
import cv2
import numpy as np
import pytest

from services.console.pictures import WIDEST_PX, decode_jpeg
from services.console.viewing import leading_init
from services.contracts.errors import Corrupt


def fragmented_mp4(width: int = 320, height: int = 180, *, frames: int = 5) -> tuple[bytes, bytes]:
    """An init segment and the rest, of a picture that is blue on the left and green on the right."""
    out = io.BytesIO()
    with av.open(
        out, "w", format="mp4", options={"movflags": "empty_moov+default_base_moof+frag_keyframe"}
    ) as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[:, : width // 2] = (0, 0, 255)
        pixels[:, width // 2 :] = (0, 255, 0)
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    whole = out.getvalue()
    init = leading_init(whole)
    assert init is not None
    return init, whole[len(init) :]


def test_the_picture_has_the_colours_and_the_size_of_the_stream() -> None:
    jpeg = decode_jpeg(*fragmented_mp4())
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert pixels.shape == (180, 320, 3)
    assert pixels[90, 40].argmax() == 0  # blue comes first in OpenCV
    assert pixels[90, 280].argmax() == 1


def test_a_wide_picture_is_made_narrower() -> None:
    jpeg = decode_jpeg(*fragmented_mp4(1920, 1080, frames=1))
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert pixels.shape == (540, WIDEST_PX, 3)


@pytest.mark.parametrize("damage", ["chunk", "init", "both"])
def test_bytes_that_are_no_picture_are_corrupt(damage: str) -> None:
    init, chunk = fragmented_mp4()
    noise = np.random.default_rng(1).bytes(500)
    with pytest.raises(Corrupt):
        decode_jpeg(noise if damage != "chunk" else init, noise if damage != "init" else chunk)


def test_the_init_segment_is_cut_off_at_the_first_moof() -> None:
    init, chunk = fragmented_mp4()
    assert leading_init(init + chunk) == init
    assert leading_init(init[:-1]) is None
    assert leading_init(b"") is None
    assert leading_init(chunk) is None
