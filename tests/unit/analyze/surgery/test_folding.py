"""The folding arithmetic against convolutions written out by hand, and against OpenCV's colour conversion."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from services.analyze.surgery.folding import (
    BLACK,
    BT601,
    Colours,
    Convolution,
    focus_as_convolution,
    fold_colours,
    halve,
)

HEIGHT, WIDTH = 12, 16


def convolve(picture: np.ndarray, convolution: Convolution) -> np.ndarray:
    """(channels, rows, columns) → (outputs, …), by the definition."""
    top, left, bottom, right = convolution.pads
    padded = np.pad(picture, ((0, 0), (top, bottom), (left, right)))
    rows, columns = convolution.kernel.shape[2:]
    high, wide = convolution.output_size(*picture.shape[1:])
    result = np.zeros((len(convolution.kernel), high, wide))
    for y in range(high):
        for x in range(wide):
            top, left = y * convolution.stride[0], x * convolution.stride[1]
            result[:, y, x] = np.einsum(
                "ocyx,cyx->o", convolution.kernel, padded[:, top : top + rows, left : left + columns]
            )
    return result


def random_convolution(inputs: int, size: int, stride: int, pad: int) -> Convolution:
    kernel = np.random.default_rng(size * 10 + stride).normal(size=(4, inputs, size, size))
    return Convolution(kernel, (stride, stride), (pad, pad, pad, pad))


def random_planes() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.uniform(16, 235, (1, HEIGHT, WIDTH)), rng.uniform(16, 240, (2, HEIGHT // 2, WIDTH // 2))


NORMALISED = Colours("rgb", 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize("colours", [Colours(), Colours("rgb"), Colours("bgr", 1 / 255), NORMALISED])
@pytest.mark.parametrize(
    ("size", "stride", "pad"), [(3, 2, 1), (6, 2, 2), (3, 2, 0), (5, 2, 2), (7, 2, 3), (4, 4, 0), (7, 4, 3)]
)
def test_folded_over_planes_is_the_same_as_over_the_picture(colours: Colours, size: int, stride: int, pad: int) -> None:
    """To the borders: what the convolution pads with is zero in the model's terms, not black."""
    luma, chroma = random_planes()
    whole = np.concatenate([luma, chroma.repeat(2, axis=1).repeat(2, axis=2)])
    colour = np.einsum("cp,pyx->cyx", BT601, whole - BLACK[:, None, None])
    colour = colour if colours.order == "rgb" else colour[::-1]
    picture = (colour * colours.scale - np.array(colours.mean)[:, None, None]) / np.array(colours.std)[:, None, None]
    original = random_convolution(3, size, stride, pad)

    over_luma, over_chroma = fold_colours(original, colours)
    small = halve(over_chroma, HEIGHT, WIDTH)
    assert small is not None
    zero = colours.zero()[:, None, None]
    folded = convolve(luma - zero[:1], over_luma) + convolve(chroma - zero[1:], small)
    assert folded == pytest.approx(convolve(picture, original), abs=1e-9)


def test_a_three_by_three_of_stride_two_becomes_two_by_two_over_chroma_padded_on_one_side() -> None:
    small = halve(random_convolution(2, 3, 2, 1), HEIGHT, WIDTH)
    assert small is not None
    assert (small.kernel.shape[2:], small.stride, small.pads) == ((2, 2), (1, 1), (1, 1, 0, 0))


@pytest.mark.parametrize("bend", ["odd stride", "odd height", "odd width"])
def test_where_repeated_pixels_are_seen_in_two_alignments_there_is_no_small_kernel(bend: str) -> None:
    stride, height, width = (
        (1 if bend == "odd stride" else 2),
        HEIGHT + (bend == "odd height"),
        WIDTH + (bend == "odd width"),
    )
    assert halve(random_convolution(2, 3, stride, 1), height, width) is None


def test_focus_is_a_convolution_of_twice_the_size_and_stride_two() -> None:
    order = [(0, 0), (1, 0), (0, 1), (1, 1)]
    behind = random_convolution(12, 3, 1, 1)
    picture = np.random.default_rng(1).normal(size=(3, HEIGHT, WIDTH))
    dealt = np.concatenate([picture[:, row::2, column::2] for row, column in order])
    whole = focus_as_convolution(behind.kernel, behind.pads, order)
    assert (whole.kernel.shape[2:], whole.stride, whole.pads) == ((6, 6), (2, 2), (2, 2, 2, 2))
    assert convolve(picture, whole) == pytest.approx(convolve(dealt, behind), abs=1e-9)


def test_the_matrix_is_the_one_that_opencv_converts_with() -> None:
    rng = np.random.default_rng(2)
    planes = rng.integers((60, 110, 110), (200, 146, 146), (64, 3)).astype(
        np.uint8
    )  # inside the cube: nothing is clipped
    block = np.concatenate([np.full(4, planes[0, 0]), planes[0, 1:]]).astype(np.uint8)
    for luma, first, second in planes:
        block = np.array([[luma, luma], [luma, luma], [first, second]], np.uint8)
        rgb = cv2.cvtColor(block, cv2.COLOR_YUV2RGB_I420)[0, 0]
        assert BT601 @ (np.array([luma, first, second]) - BLACK) == pytest.approx(rgb, abs=1.1)


def test_what_the_model_sees_as_zero_is_the_mean_colour() -> None:
    means = np.array(NORMALISED.mean) / NORMALISED.scale
    assert BT601 @ (NORMALISED.zero() - BLACK) == pytest.approx(means)
    assert Colours().zero() == pytest.approx(BLACK)
