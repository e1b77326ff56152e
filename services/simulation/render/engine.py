"""Panda3D off screen with its software pipe: meshes in, pictures out. The only module that names the library.

No display and no driver are touched. The library is not made for several threads: every call goes under :data:`LOCK`.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.contracts.errors import Rejected
from services.simulation.render.camera_model import CameraModel

LOCK = threading.RLock()
_PIPE = "TinyOffscreenGraphicsPipe"
_NEAR_M, _FAR_M = 0.12, 140.0


@lru_cache(maxsize=1)
def core() -> Any:
    """``panda3d.core``, set up for the software pipe; ``Rejected`` says what to install."""
    try:
        import panda3d.core as p3d
    except ImportError as error:
        raise Rejected("the nursery's pictures need panda3d; install kanhu[simulation]") from error
    p3d.load_prc_file_data("kanhu", "load-display p3tinydisplay\nwindow-type offscreen\naudio-library-name null\n"
                           "notify-level error\nsupport-threads 0\ngl-check-errors 0\nbounds-type box\n")  # fmt: skip
    return p3d


@lru_cache(maxsize=1)
def _graphics() -> tuple[Any, Any]:
    p3d = core()
    selection = p3d.GraphicsPipeSelection.get_global_ptr()
    selection.load_aux_modules()
    pipe = selection.make_pipe(_PIPE)
    if pipe is None:
        raise Rejected("this build of panda3d lacks its software renderer (p3tinydisplay); install panda3d from PyPI")
    return p3d.GraphicsEngine(pipe), pipe


@dataclass(frozen=True, slots=True)
class Pinhole:
    """An ideal picture that covers all that a distorted one shows: its size and focal length, both in its own pixels."""

    width_px: int
    height_px: int
    focal_px: float


def covering(model: CameraModel, scale: float) -> Pinhole:
    """The pinhole picture, ``scale`` times as fine, that holds every ray of the camera's picture."""
    xs, ys = np.arange(model.width_px + 1), np.arange(model.height_px + 1)
    edge = np.concatenate([
        np.stack([xs, np.full_like(xs, side)], 1) for side in (0, model.height_px)
    ] + [np.stack([np.full_like(ys, side), ys], 1) for side in (0, model.width_px)])  # fmt: skip
    reach = np.abs(model.undistort(edge)).max(axis=0) * model.focal_px * scale
    return Pinhole(2 * math.ceil(reach[0] + 1), 2 * math.ceil(reach[1] + 1), model.focal_px * scale)


class Region(NamedTuple):
    """A part of a canvas in its pixels, top row first, and how far away anything in it may be."""

    x0: int
    y0: int
    x1: int
    y1: int
    far_m: float = _FAR_M


class Canvas:
    """A picture that scenes are drawn on. Pixels are bytes B, G, R, A, top row first; nothing drawn is all zero."""

    def __init__(self, pinhole: Pinhole) -> None:
        p3d, (graphics, pipe) = core(), _graphics()
        self.pinhole, self._graphics = pinhole, graphics
        wanted = p3d.FrameBufferProperties()
        wanted.set_rgba_bits(8, 8, 8, 8)
        wanted.set_depth_bits(24)
        size = p3d.WindowProperties.size(pinhole.width_px, pinhole.height_px)
        self._buffer = graphics.make_output(pipe, "canvas", 0, wanted, size, p3d.GraphicsPipe.BF_refuse_window)
        if self._buffer is None:
            raise Rejected(f"panda3d cannot make a picture of {pinhole.width_px}x{pinhole.height_px}")
        self._buffer.set_clear_color((0, 0, 0, 0))
        self._buffer.set_clear_color_active(True)
        self._buffer.set_clear_depth_active(True)
        self._picture = p3d.Texture()
        self._buffer.add_render_texture(self._picture, p3d.GraphicsOutput.RTM_copy_ram, p3d.GraphicsOutput.RTP_color)
        self._camera = p3d.NodePath(p3d.Camera("camera"))
        self._windows: list[tuple[Any, Any]] = []  # parts of the picture that are drawn by themselves, and their lenses
        self._buffer.set_active(False)

    def shoot(
        self, root: Any, model: CameraModel, regions: Sequence[Region] | None = None, *, unlit: bool = False
    ) -> NDArray[np.uint8]:
        """Draw what hangs under ``root`` as the camera sees it: (h, w, 4), valid until the next shot.

        Only ``regions`` are drawn, which must not overlap; the rest is nothing. ``unlit`` draws bare colours.
        """
        p3d = core()
        right, down, ahead = model.rotation
        x, y, z = model.at
        bare = p3d.RenderState.make(p3d.LightAttrib.make_all_off(), 1000)
        self._camera.node().set_initial_state(bare if unlit else p3d.RenderState.make_empty())
        self._camera.reparent_to(root)
        self._camera.set_mat(p3d.Mat4(*right, 0, *ahead, 0, *(-down), 0, x, y, z, 1))
        self._look([Region(0, 0, self.pinhole.width_px, self.pinhole.height_px)] if regions is None else regions)
        self._buffer.set_active(True)
        self._graphics.render_frame()
        self._buffer.set_active(False)
        self._camera.detach_node()
        flat = np.frombuffer(self._picture.get_ram_image(), np.uint8)
        return flat.reshape(self.pinhole.height_px, self.pinhole.width_px, 4)[::-1]

    def _look(self, regions: Sequence[Region]) -> None:
        """Have one window of the picture for each region, with the part of the lens that belongs to it."""
        wide, high = self.pinhole.width_px, self.pinhole.height_px
        while len(self._windows) < len(regions):
            self._windows.append(self._new_window(len(self._windows)))
        for index, (window, lens) in enumerate(self._windows):
            window.set_active(index < len(regions))
            if index < len(regions):
                x0, y0, x1, y1, far_m = regions[index]
                window.set_dimensions(x0 / wide, x1 / wide, 1 - y1 / high, 1 - y0 / high)
                # The pipe lays a film over its width less half a pixel: a part must lie where it lies in the whole picture.
                x_scale, y_scale = wide / (wide - 0.5), high / (high - 0.5)
                lens.set_film_size((x1 - x0 - 0.5) * x_scale, (y1 - y0 - 0.5) * y_scale)
                x, y = (x0 + x1 - 0.5) / 2 * x_scale, (y0 + y1 - 0.5) / 2 * y_scale
                lens.set_film_offset(x - wide / 2, high / 2 - y)
                lens.set_focal_length(self.pinhole.focal_px)
                lens.set_near_far(_NEAR_M, min(far_m, _FAR_M))

    def _new_window(self, index: int) -> tuple[Any, Any]:
        lens = core().PerspectiveLens()
        self._camera.node().set_lens(index, lens)
        window = self._buffer.make_display_region()
        window.set_camera(self._camera)
        window.set_lens_index(index)
        return window, lens

    def close(self) -> None:
        self._graphics.remove_window(self._buffer)


def geometry(
    vertices: NDArray[Any], normals: NDArray[Any] | None, colours: NDArray[Any] | None, faces: NDArray[Any]
) -> Any:
    """A node of (n, 3) vertices and normals, (n, 3 or 4) colours as bytes (none: white) and (m, 3) faces."""
    p3d = core()
    form = p3d.GeomVertexFormat.get_v3() if colours is None else p3d.GeomVertexFormat.get_v3c4()
    form = p3d.GeomVertexFormat.get_v3n3c4() if normals is not None else form
    fields = [("v", "<f4", 3), *([("n", "<f4", 3)] if normals is not None else [])]
    packed = np.zeros(len(vertices), np.dtype([*fields, *([("c", "u1", 4)] if colours is not None else [])]))
    packed["v"] = vertices
    if colours is not None:
        packed["c"][:, :3] = colours[:, :3]
        packed["c"][:, 3] = colours[:, 3] if colours.shape[1] == 4 else 255
    if normals is not None:
        packed["n"] = normals
    rows = p3d.GeomVertexData("mesh", form, p3d.Geom.UH_static)
    rows.unclean_set_num_rows(len(vertices))
    memoryview(rows.modify_array(0)).cast("B")[:] = packed.tobytes()
    triangles = p3d.GeomTriangles(p3d.Geom.UH_static)
    triangles.set_index_type(p3d.Geom.NT_uint32)
    index = triangles.modify_vertices()
    index.unclean_set_num_rows(faces.size)
    memoryview(index).cast("B")[:] = faces.astype("<u4").tobytes()
    shape = p3d.Geom(rows)
    shape.add_primitive(triangles)
    node = p3d.GeomNode("mesh")
    node.add_geom(shape)
    return node


class LivingMesh:
    """A mesh whose vertices are written anew whenever it is to be shown elsewhere."""

    ROW = np.dtype([("v", "<f4", 3), ("c", "u1", 4)])

    def __init__(self, parent: Any, count: int, faces: NDArray[Any]) -> None:
        self._node = geometry(np.zeros((count, 3), np.float32), None, np.zeros((count, 3), np.uint8), faces)
        self.path = parent.attach_new_node(self._node)

    def write(self, rows: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> None:
        """``rows`` (count,) of :attr:`ROW`; ``low`` and ``high`` are the corners of a box that holds them."""
        array = self._node.modify_geom(0).modify_vertex_data().modify_array(0)
        memoryview(array).cast("B")[:] = rows.data.cast("B")
        p3d = core()
        self._node.set_bounds(p3d.BoundingBox(p3d.LPoint3(*low.tolist()), p3d.LPoint3(*high.tolist())))


def new_root() -> Any:
    """An empty scene."""
    return core().NodePath("scene")


def matrix(values: NDArray[Any]) -> Any:
    """A column-vector 4x4 matrix as the library's own."""
    return core().LMatrix4f(*values.T.ravel().tolist())


def seen_again(path: Any) -> None:
    """Undo :func:`depth_only`."""
    path.clear_attrib(core().ColorWriteAttrib)
    path.clear_bin()


def depth_only(path: Any) -> None:
    """Let what hangs here hide what is behind it without being seen itself."""
    p3d = core()
    path.set_attrib(p3d.ColorWriteAttrib.make(p3d.ColorWriteAttrib.C_off))
    path.set_bin("background", 0)
