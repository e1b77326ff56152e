"""What moves in a picture: people and movers, hidden by the still scene where that stands before them.

Meshes are handed to the engine once; a frame sets matrices and each one's light. Everything here runs under ``engine.LOCK``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.simulation import people
from services.simulation.render import engine
from services.simulation.render.camera_model import CameraModel
from services.simulation.render.movers import Mover, flame_mesh, mover_matrix, movers_of
from services.simulation.render.patterns import painted
from services.simulation.render.scene import Scene
from services.simulation.render.shapes import Mesh
from services.simulation.world import Flame, Person, PersonState, World

Matrix = NDArray[Any]
Limbs = Mapping[str, NDArray[np.float32]]
_MOST_PEOPLE = 160
_LOWEST_M = 0.06  # floors, rugs and mats hide nobody
_BLANKET = "blanket"


@dataclass(frozen=True, slots=True)
class Shine:
    """Light on a thing in display units: from all around, from above, and from one side (unit vector towards it)."""

    around: NDArray[Any]
    above: NDArray[Any]
    beside: NDArray[Any]
    side: tuple[float, float, float]


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


class _Figure(_Lit):
    def __init__(self, parent: Any, person: Person) -> None:
        super().__init__(parent)
        self.limbs: dict[str, Any] = {}
        for name, mesh in people.limb_meshes(person).items():
            node = engine.geometry(mesh.vertices, mesh.normals, mesh.colours, mesh.triangles)
            self.limbs[name] = self.path.attach_new_node(node)

    def put(self, limbs: Limbs) -> None:
        for name, path in self.limbs.items():
            where = limbs.get(name)
            if where is None:
                path.hide()
            else:
                path.show()
                path.set_mat(engine.matrix(where))


class Stage:
    """The moving things of a building, drawn before a still scene."""

    def __init__(self, scene: Scene) -> None:  # the scene that hides
        self._scene = scene
        self._root = engine.new_root()
        self._people = self._root.attach_new_node("people")
        self._things = self._root.attach_new_node("things")
        self._things.set_two_sided(True)
        self._things.set_light_off(1)
        engine.depth_only(self._things)
        self._fires = self._root.attach_new_node("fires")
        self._figures: OrderedDict[Person, _Figure] = OrderedDict()
        self.movers = movers_of(scene.building)
        self._nodes = {mover.name: _Lit(self._things) for mover in self.movers}
        for mover in self.movers:
            self._nodes[mover.name].path.attach_new_node(_node(mover.mesh))
        self._flame = engine.core().NodePath(_node(flame_mesh()))
        self._still: dict[str, Any] = {}

    def put_people(self, states: list[PersonState], poses: list[Limbs], shines: list[Shine]) -> None:
        """Show exactly these."""
        for figure in self._figures.values():
            figure.path.stash()
        for state, limbs, light in zip(states, poses, shines, strict=True):
            figure = self._figure(state.person)
            figure.path.unstash()
            figure.put(limbs)
            figure.shine(light)

    def mover_matrices(self, world: World) -> list[tuple[Mover, Matrix]]:
        placed = [(mover, mover_matrix(mover, world)) for mover in self.movers]
        return [(mover, where) for mover, where in placed if where is not None]

    def put_movers(self, placed: list[tuple[Mover, Matrix]]) -> None:
        """Let exactly these hide what is behind them, where they are."""
        for lit in self._nodes.values():
            lit.path.stash()
        for mover, where in placed:
            lit = self._nodes[mover.name]
            lit.path.unstash()
            lit.path.set_mat(engine.matrix(where))

    def shoot_movers(
        self, canvas: engine.Canvas, model: CameraModel, key: str, visible: NDArray[np.int64],
        placed: list[tuple[Mover, Matrix]], shines: list[Shine],
    ) -> NDArray[np.uint8]:  # fmt: skip
        """These movers themselves, as :meth:`shoot` gives people; they were put before."""
        for (mover, _), light in zip(placed, shines, strict=True):
            self._nodes[mover.name].shine(light)
        for path in (self._people, self._fires):
            path.stash()
        engine.seen_again(self._things)
        self._things.clear_light()
        shot = self._with_still(canvas, model, key, visible)
        self._things.set_light_off(1)
        engine.depth_only(self._things)
        for path in (self._people, self._fires):
            path.unstash()
        return shot

    def put_flames(self, flames: tuple[Flame, ...], t_s: float) -> None:
        """Tongues of flame that flicker with the time."""
        self._fires.node().remove_all_children()
        for number, flame in enumerate(flames):
            for tongue in range(5):
                path = self._flame.copy_to(self._fires)
                path.set_mat(engine.matrix(_tongue(flame, number * 5 + tongue, t_s)))

    def shoot(
        self, canvas: engine.Canvas, model: CameraModel, key: str, visible: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """People and flames as the camera sees them, (h, w, 4) B, G, R, A in the canvas' pinhole picture; A is 0 elsewhere."""
        return self._with_still(canvas, model, key, visible)

    def shoot_numbers(
        self, canvas: engine.Canvas, model: CameraModel, key: str, visible: NDArray[np.int64], states: list[PersonState]
    ) -> NDArray[np.int32]:
        """Which of ``states`` each pinhole pixel shows, counted from 1; 0 where none. What hides them hides them."""
        painted_over = []
        for number, state in enumerate(states, start=1):
            figure = self._figures[state.person]
            for name, path in figure.limbs.items():
                number_or_none = 0 if name == _BLANKET else number
                path.set_color(_as_colour(number_or_none), 10)
                painted_over.append(path)
        self._fires.set_color((0.0, 0.0, 0.0, 1.0), 10)
        shot = self._with_still(canvas, model, key, visible, unlit=True)
        digits = shot[..., :3].astype(np.int32) >> 4
        numbers = digits[..., 0] | digits[..., 1] << 4 | digits[..., 2] << 8
        for path in (*painted_over, self._fires):
            path.clear_color()
        return numbers

    def shoot_shadows(
        self,
        canvas: engine.Canvas,
        model: CameraModel,
        key: str,
        visible: NDArray[np.int64],
        sun: tuple[float, float, float],
        sunlit: list[PersonState],
    ) -> NDArray[np.uint8]:
        """Where the floor lies in people's sun shadows, of those who stand in the sun: (h, w, 4), A is 255 there."""
        flat = np.eye(4)
        flat[0, 2], flat[1, 2] = -sun[0] / sun[2], -sun[1] / sun[2]
        flat[2, 2], flat[2, 3] = 0.002, 0.03
        still = self._stand_still(key, visible)
        for path in (self._things, self._fires):
            path.stash()
        casting = {state.person for state in sunlit}
        idle = [
            figure.path
            for person, figure in self._figures.items()
            if person not in casting and not figure.path.is_stashed()
        ]
        for path in idle:
            path.stash()
        self._people.set_light_off(1)
        self._people.set_mat(engine.matrix(flat))
        self._people.set_two_sided(True, 5)
        shot = canvas.shoot(self._root, model).copy()
        self._people.clear_mat()
        self._people.clear_two_sided()
        self._people.clear_light()
        for path in idle:
            path.unstash()
        for path in (self._things, self._fires):
            path.unstash()
        still.stash()
        return shot

    def _with_still(
        self, canvas: engine.Canvas, model: CameraModel, key: str, visible: NDArray[np.int64], *, unlit: bool = False
    ) -> NDArray[np.uint8]:
        still = self._stand_still(key, visible)
        shot = canvas.shoot(self._root, model, unlit=unlit)
        still.stash()
        return shot

    def _stand_still(self, key: str, visible: NDArray[np.int64]) -> Any:
        """The still triangles that a camera sees, as something that hides."""
        path = self._still.get(key)
        if path is None:
            triangles = self._scene.corners[visible]
            corners = triangles[triangles[..., 2].max(1) > _LOWEST_M].reshape(-1, 3)
            shared, faces = np.unique(np.round(corners, 4), axis=0, return_inverse=True)
            node = engine.geometry(shared, None, np.zeros((len(shared), 3), np.uint8), faces.reshape(-1, 3))
            path = self._still[key] = self._root.attach_new_node(node)
            path.set_two_sided(True)
            engine.depth_only(path)
        path.unstash()
        return path

    def forget(self, key: str) -> None:
        """Give up what hides things from a camera's direction."""
        if (path := self._still.pop(key, None)) is not None:
            path.remove_node()

    def _figure(self, person: Person) -> _Figure:
        figure = self._figures.get(person)
        if figure is None:
            figure = self._figures[person] = _Figure(self._people, person)
            if len(self._figures) > _MOST_PEOPLE:
                self._figures.popitem(last=False)[1].path.remove_node()
        self._figures.move_to_end(person)
        return figure


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


def _as_colour(number: int) -> tuple[float, float, float, float]:
    """A number below 4096 as red, green, blue: four bits each, in the middle of their step, since the pipe may round down."""
    red, green, blue = ((number >> shift & 15) * 16 + 8 if number else 0 for shift in (8, 4, 0))
    return red / 255, green / 255, blue / 255, 1.0
