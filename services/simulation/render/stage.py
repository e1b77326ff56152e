"""What moves in a picture: people and movers, hidden by the still scene where that stands before them.

Meshes are handed to the engine once; a frame writes people's vertices and matrices of the rest. Everything here runs under
``engine.LOCK``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.simulation.render import engine
from services.simulation.render.camera_model import CameraModel
from services.simulation.render.figures import Company
from services.simulation.render.movers import Mover, flame_mesh, mover_matrix, movers_of
from services.simulation.render.patterns import painted
from services.simulation.render.scene import Scene
from services.simulation.render.shapes import Mesh
from services.simulation.render.shine import Shine
from services.simulation.world import Flame, Person, PersonState, World

Matrix = NDArray[Any]
Regions = Sequence[engine.Region] | None
_MOST_PEOPLE = 160
_LOWEST_M = 0.06  # floors, rugs and mats hide nobody
_TILES = (8, 5)  # what stands still is handed over in parts of the picture, so that a part can be drawn by itself


class _Lit:
    """A node with lights of its own."""

    def __init__(self, parent: Any) -> None:
        p3d = engine.core()
        self.path = parent.attach_new_node("lit")
        # Without a material the pipe multiplies a vertex' colour with itself: everything lit would be dark and gaudy.
        white = p3d.Material()
        white.set_ambient((1, 1, 1, 1))
        white.set_diffuse((1, 1, 1, 1))
        self.path.set_material(white)
        self._around, self._above, self._beside = (
            p3d.AmbientLight("a"),
            p3d.DirectionalLight("u"),
            p3d.DirectionalLight("s"),
        )
        self._above.set_direction((0.0, 0.12, -1.0))
        for light in (self._around, self._above, self._beside):
            self.path.set_light(parent.attach_new_node(light))

    def shine(self, light: Shine) -> None:
        self._around.set_color((*map(float, light.around), 1.0))
        self._above.set_color((*map(float, light.above), 1.0))
        self._beside.set_color((*map(float, light.beside), 1.0))
        self._beside.set_direction(tuple(-value for value in light.side))


class Stage:
    """The moving things of a building, drawn before a still scene."""

    def __init__(self, scene: Scene) -> None:  # the scene that hides
        self._scene = scene
        self._root = engine.new_root()
        self._people = self._root.attach_new_node("people")
        self._things = self._root.attach_new_node("things")
        self._things.set_two_sided(True)
        self._fires = self._root.attach_new_node("fires")
        self._figures: OrderedDict[tuple[Person, bool], engine.LivingMesh] = OrderedDict()
        self._shown: list[engine.LivingMesh] = []
        self.movers = movers_of(scene.building)
        self._forms = {mover.name: _node(mover.mesh) for mover in self.movers}
        self._lit = {mover.name: _Lit(self._things) for mover in self.movers}
        for mover in self.movers:
            self._lit[mover.name].path.attach_new_node(self._forms[mover.name])
        self._flame = engine.core().NodePath(_node(flame_mesh()))
        self._still: dict[str, Any] = {}
        self._hung: dict[str, Any] = {}

    def put_people(
        self, states: list[PersonState], company: Company, placed: NDArray[np.float32], colours: NDArray[np.float32]
    ) -> None:
        """Show exactly these: ``placed`` (3, n) metres and ``colours`` (3, n) 0..255 are of the company's vertices."""
        for figure in self._shown:
            figure.path.stash()
        self._shown = [self._figure(state, company, index) for index, state in enumerate(states)]
        if not states:
            return
        rows = np.empty(placed.shape[1], engine.LivingMesh.ROW)
        rows["v"], rows["c"][:, :3], rows["c"][:, 3] = placed.T, colours.T, 255
        low, high = (ends.reduceat(placed, company.starts, axis=1).T for ends in (np.minimum, np.maximum))
        ends = (*company.starts[1:].tolist(), len(rows))
        for index, (figure, start, end) in enumerate(zip(self._shown, company.starts.tolist(), ends, strict=True)):
            figure.path.unstash()
            figure.write(rows[start:end], low[index], high[index])

    def mover_matrices(self, world: World) -> list[tuple[Mover, Matrix]]:
        placed = [(mover, mover_matrix(mover, world)) for mover in self.movers]
        return [(mover, where) for mover, where in placed if where is not None]

    def hang_movers(self, key: str, placed: list[tuple[Mover, Matrix]]) -> None:
        """Let these hide what is behind them where they are, in the pictures of the camera's direction ``key``."""
        if (before := self._hung.pop(key, None)) is not None:
            before.remove_node()
        hung = self._hung[key] = self._root.attach_new_node("hung")
        hung.set_two_sided(True)
        engine.depth_only(hung)
        for mover, where in placed:
            place = hung.attach_new_node(mover.name)  # a place is its node's: forms are shared with what is lit
            place.set_mat(engine.matrix(where))
            place.attach_new_node(self._forms[mover.name])
        hung.stash()

    def shoot_movers(
        self, canvas: engine.Canvas, model: CameraModel, key: str, visible: NDArray[np.int64],
        placed: list[tuple[Mover, Matrix]], shines: list[Shine],
    ) -> NDArray[np.uint8]:  # fmt: skip
        """These movers themselves, as :meth:`shoot` gives people."""
        for lit in self._lit.values():
            lit.path.stash()
        for (mover, where), light in zip(placed, shines, strict=True):
            lit = self._lit[mover.name]
            lit.path.unstash()
            lit.path.set_mat(engine.matrix(where))
            lit.shine(light)
        return self._drawn(canvas, model, (self._things, self._stand_still(key, model, visible)), None)

    def put_flames(self, flames: tuple[Flame, ...], t_s: float) -> None:
        """Tongues of flame that flicker with the time."""
        self._fires.node().remove_all_children()
        for number, flame in enumerate(flames):
            for tongue in range(5):
                path = self._flame.copy_to(self._fires)
                path.set_mat(engine.matrix(_tongue(flame, number * 5 + tongue, t_s)))

    def shoot(
        self, canvas: engine.Canvas, model: CameraModel, key: str, visible: NDArray[np.int64], regions: Regions = None
    ) -> NDArray[np.uint8]:
        """People and flames as the camera sees them, (h, w, 4) B, G, R, A in the canvas' pinhole picture; A is 0 elsewhere."""
        parts = (self._people, self._fires, self._stand_still(key, model, visible), self._hung.get(key))
        return self._drawn(canvas, model, parts, regions)

    def shoot_numbers(
        self, canvas: engine.Canvas, model: CameraModel, key: str, visible: NDArray[np.int64], regions: Regions = None
    ) -> NDArray[np.int32]:
        """Which number each pinhole pixel shows of people who were put with numbers for colours; 0 where none."""
        self._fires.set_color((0.0, 0.0, 0.0, 1.0), 10)
        digits = self.shoot(canvas, model, key, visible, regions)[..., :3].astype(np.int32) >> 4
        self._fires.clear_color()
        return np.asarray(digits[..., 0] | digits[..., 1] << 4 | digits[..., 2] << 8)

    def shoot_shadows(
        self, canvas: engine.Canvas, model: CameraModel, key: str, visible: NDArray[np.int64], flat: Matrix,
        sunlit: Sequence[bool], regions: Regions,
    ) -> NDArray[np.uint8]:  # fmt: skip
        """Where people's bodies lie that ``flat`` (4, 4) makes shadows, of those in the sun: (h, w, 4), A is 255 there."""
        idle = [figure.path for figure, casts in zip(self._shown, sunlit, strict=True) if not casts]
        for path in idle:
            path.stash()
        self._people.set_mat(engine.matrix(flat))
        self._people.set_two_sided(True, 5)
        shot = self._drawn(canvas, model, (self._people, self._stand_still(key, model, visible)), regions)
        self._people.clear_mat()
        self._people.clear_two_sided()
        for path in idle:
            path.unstash()
        return shot

    def _drawn(
        self, canvas: engine.Canvas, model: CameraModel, parts: Sequence[Any], regions: Regions
    ) -> NDArray[np.uint8]:
        """A picture of these parts of the stage alone."""
        for path in self._root.get_children():
            path.stash()
        for path in parts:
            if path is not None:
                path.unstash()
        return canvas.shoot(self._root, model, regions)

    def _stand_still(self, key: str, model: CameraModel, visible: NDArray[np.int64]) -> Any:
        """The still triangles that a camera sees, as something that hides."""
        path = self._still.get(key)
        if path is None:
            path = self._still[key] = self._root.attach_new_node("still")
            path.set_two_sided(True)
            engine.depth_only(path)
            triangles = self._scene.corners[visible]
            triangles = triangles[triangles[..., 2].max(1) > _LOWEST_M]
            tiles = _tiles(model, triangles)
            for tile in np.unique(tiles):
                shared, faces = np.unique(
                    np.round(triangles[tiles == tile].reshape(-1, 3), 4), axis=0, return_inverse=True
                )
                path.attach_new_node(engine.geometry(shared, None, None, faces.reshape(-1, 3)))
        return path

    def forget(self, key: str) -> None:
        """Give up what hides things from a camera's direction."""
        for kept in (self._still, self._hung):
            if (path := kept.pop(key, None)) is not None:
                path.remove_node()

    def _figure(self, state: PersonState, company: Company, index: int) -> engine.LivingMesh:
        key = (state.person, state.activity == "sleep")
        figure = self._figures.get(key)
        if figure is None:
            skin = company.skins[index]
            figure = self._figures[key] = engine.LivingMesh(self._people, len(skin.limbs), skin.triangles)
            if len(self._figures) > _MOST_PEOPLE:
                self._figures.popitem(last=False)[1].path.remove_node()
        self._figures.move_to_end(key)
        return figure


def _tiles(model: CameraModel, triangles: NDArray[np.float32]) -> NDArray[np.int64]:
    """The part of the picture that each triangle is in; -1 for those that reach over several."""
    pixels = model.project(triangles.reshape(-1, 3))[0].reshape(-1, 3, 2) / (model.width_px, model.height_px) * _TILES
    wide = ~(np.ptp(pixels, axis=1).max(1) < 1.5)  # also what is partly behind the camera
    across, down = np.clip(np.nan_to_num(pixels.mean(1)), 0, np.array(_TILES) - 1).astype(np.int64).T
    return np.where(wide, -1, down * _TILES[0] + across)


def _tongue(flame: Flame, number: int, t_s: float) -> Matrix:
    phase = number * 1.7
    flicker = 0.75 + 0.18 * np.sin(t_s * 11.0 + phase) + 0.12 * np.sin(t_s * 17.3 + phase * 2.1)
    spread = flame.height_m * 0.22
    x, y = (
        flame.at[0] + spread * np.cos(phase * 2.4) * (number % 5 > 0),
        flame.at[1] + spread * np.sin(phase * 2.4) * (number % 5 > 0),
    )
    height = flame.height_m * flicker * (1.0 if number % 5 == 0 else 0.62)
    matrix = np.diag([flame.height_m * 0.8, flame.height_m * 0.8, height, 1.0])
    matrix[0, 2], matrix[1, 2] = 0.16 * height * np.sin(t_s * 6.1 + phase), 0.16 * height * np.cos(t_s * 5.3 + phase)
    matrix[:3, 3] = (x, y, flame.at[2])
    return matrix


def _node(mesh: Mesh) -> Any:
    """A mesh with its patterns' colours at its corners."""
    corners = mesh.faces
    colours = np.zeros((*corners.shape, 3), np.float32)
    for number, paint in enumerate(mesh.paints):
        here = mesh.paint == number
        local = mesh.local[corners[here]].reshape(-1, 3)
        colours[here] = painted(paint, local, np.full(len(local), 0.02, np.float32)).reshape(-1, 3, 3)
    flat = corners.reshape(-1)
    packed = (colours.reshape(-1, 3) * 255 + 0.5).astype(np.uint8)
    rows = np.column_stack([mesh.vertices[flat], mesh.normals[flat], packed.astype(np.float32)])
    shared, faces = np.unique(rows, axis=0, return_inverse=True)
    return engine.geometry(shared[:, :3], shared[:, 3:6], shared[:, 6:].astype(np.uint8), faces.reshape(-1, 3))
