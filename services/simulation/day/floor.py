"""Where one can walk in a building, and how to get from anywhere to anywhere.

Belongs here: the grid of free floor, paths through doors, which room a point is in. Does not belong here: who goes where.
A path is looked for room by room between the doors on the way, on a grid of 0.1 m that keeps a body's width off walls and
furniture, and then pulled straight. The same building gives the same paths.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from services.contracts.errors import Rejected
from services.simulation.building import Building, Furniture, Opening

CELL_M = 0.1
#: Half of a body's width: nobody's middle comes nearer to a wall or a table.
BODY_M = 0.2
#: Outside every room: the street before the exits.
STREET = -1
_FAR_M = 1.0
_APPROACH_M = 0.38
_STREET_M = 5.0
_REACH_M = 1.6
#: How much the search trusts the crow's way: more is faster, and the way found up to so much longer.
_HASTE = 1.4

Point2 = tuple[float, float]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Portal:
    """A way through a wall: its middle, half its width and the points before and behind it, by the rooms they lie in."""

    opening: Opening
    middle: Point2
    left: Point2
    right: Point2
    left_room: int
    right_room: int

    def side(self, room: int) -> Point2:
        """The point before the opening in a room that it joins."""
        return self.left if room == self.left_room else self.right

    def other(self, room: int) -> int:
        return self.right_room if room == self.left_room else self.left_room

    def joins(self, room: int) -> bool:
        return room in (self.left_room, self.right_room)


class Floor:
    """The free floor of a building. ``rooms`` are the ids by index; ``STREET`` is the index of the world outside."""

    def __init__(self, building: Building) -> None:
        self.building = building
        self.rooms = tuple(room.id for room in building.rooms)
        corners = [corner for room in building.rooms for corner in room.footprint]
        self._x0 = min(x for x, _ in corners) - 2 * CELL_M
        self._y0 = min(y for _, y in corners) - 2 * CELL_M
        columns = math.ceil((max(x for x, _ in corners) - self._x0) / CELL_M) + 3
        rows = math.ceil((max(y for _, y in corners) - self._y0) / CELL_M) + 3
        xs = self._x0 + (np.arange(columns) + 0.5) * CELL_M
        ys = self._y0 + (np.arange(rows) + 0.5) * CELL_M
        grid_x, grid_y = np.meshgrid(xs, ys)
        self.room_grid = np.full((rows, columns), STREET, np.int16)
        for index, room in enumerate(building.rooms):
            self.room_grid[_inside(room.footprint, grid_x, grid_y) & (self.room_grid == STREET)] = index
        self.clearance = self._clearance(grid_x, grid_y)
        self._columns = columns
        self._free: list[bool] = (self.clearance >= BODY_M).ravel().tolist()
        crowding = np.clip(0.45 - self.clearance, 0.0, None) * 3.0
        self._cost: list[float] = (1.0 + crowding).ravel().tolist()
        self.portals = tuple(self._portals())
        if not any(portal.joins(STREET) for portal in self.portals):
            raise Rejected(f"building {building.id!r} has no door or gate that leads outside; nobody could come in")
        self.exits = tuple(portal for portal in self.portals if portal.joins(STREET))
        self.main_exit = min(self.exits, key=self._exit_rank)
        self._legs: dict[tuple[int, int], tuple[Point2, ...]] = {}
        self._free_near: dict[tuple[int, int], Point2] = {}
        self._routes: dict[tuple[int, int], tuple[Portal, ...]] = {}
        #: Ways that do not exist, for the building's author to see.
        self.unreached = set[str]()

    # Rooms

    def room_index(self, room_id: str) -> int:
        return self.rooms.index(room_id)

    def rooms_at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int16]:
        """The room's index at each point; ``STREET`` outside."""
        column = np.clip(((x - self._x0) / CELL_M).astype(int), 0, self.room_grid.shape[1] - 1)
        row = np.clip(((y - self._y0) / CELL_M).astype(int), 0, self.room_grid.shape[0] - 1)
        found: NDArray[np.int16] = self.room_grid[row, column]
        return found

    def room_at(self, x: float, y: float) -> int:
        """The room's index at a point."""
        row, column = self._row_column(x, y)
        return int(self.room_grid[row, column])

    def _exit_rank(self, portal: Portal) -> tuple[bool, bool]:
        inner = self.building.rooms[portal.other(STREET)]
        return inner.kind != "entrance", portal.opening.kind != "door"

    def clearance_at(self, x: float, y: float) -> float:
        """Metres to the nearest wall, door or furniture (at most 1), continuous in the point."""
        u = min(max((x - self._x0) / CELL_M - 0.5, 0.0), self.clearance.shape[1] - 1.001)
        v = min(max((y - self._y0) / CELL_M - 0.5, 0.0), self.clearance.shape[0] - 1.001)
        i, j = int(v), int(u)
        fv, fu = v - i, u - j
        grid = self.clearance
        low = float(grid[i, j]) * (1 - fu) + float(grid[i, j + 1]) * fu
        high = float(grid[i + 1, j]) * (1 - fu) + float(grid[i + 1, j + 1]) * fu
        return float(low * (1 - fv) + high * fv)

    def is_free(self, x: float, y: float) -> bool:
        """Whether a body has room to stand at a point."""
        row, column = self._row_column(x, y)
        return self._free[row * self._columns + column]

    def free_cells(self, room: int, clearance_m: float) -> list[Point2]:
        """Middles of the room's cells that keep so far from everything."""
        rows, columns = np.nonzero((self.room_grid == room) & (self.clearance >= clearance_m))
        xs, ys = self._x0 + (columns + 0.5) * CELL_M, self._y0 + (rows + 0.5) * CELL_M
        return list(zip(xs.tolist(), ys.tolist(), strict=True))

    def street(self, portal: Portal, lateral_m: float = 0.0) -> Point2:
        """A point on the street some way off an exit, where people come from and go to."""
        inner = portal.side(portal.other(STREET))
        dx, dy = portal.middle[0] - inner[0], portal.middle[1] - inner[1]
        far = math.hypot(dx, dy)
        ux, uy = dx / far, dy / far
        return (portal.middle[0] + ux * _STREET_M - uy * lateral_m, portal.middle[1] + uy * _STREET_M + ux * lateral_m)

    # Paths

    def path(self, start: Point2, goal: Point2, exit_: Portal | None = None) -> list[Point2]:
        """Way-points from ``start`` to as near to ``goal`` as one can stand, without ``start`` itself.

        Between the house and the street the way leads through ``exit_`` (the main one if it is not given).
        """
        here, there = self.room_at(*start), self.room_at(*goal)
        through = exit_ or self.main_exit
        if here == STREET == there:
            return _without_repeats(start, [goal])
        points: list[Point2] = [start if here == STREET else self._standing(start)]
        if here == STREET:
            here = through.other(STREET)
            points += [through.side(STREET), through.side(here)]
        last_room = through.other(STREET) if there == STREET else there
        for portal in self._route(here, last_room):
            points += self._leg(points[-1], portal.side(here))
            here = portal.other(here)
            points.append(portal.side(here))
        if there == STREET:
            points += [*self._leg(points[-1], through.side(here)), through.side(STREET), goal]
        else:
            points += self._leg(points[-1], goal)
        return _without_repeats(start, points)

    def standing_point(self, point: Point2) -> Point2:
        """The free point nearest to a point of the same room."""
        return self._standing(point) if self.room_at(*point) != STREET else point

    def _leg(self, start: Point2, goal: Point2) -> tuple[Point2, ...]:
        goal = self._standing(goal)
        if self._sees(start, goal):
            return (goal,)
        a, b = self._cell(*start), self._cell(*goal)
        if (a, b) not in self._legs and (b, a) in self._legs:
            self._legs[a, b] = self._legs[b, a][::-1]
        if (a, b) not in self._legs:
            cells = self._way(a, b)
            self._legs[a, b] = self._pulled([self._middle(cell) for cell in cells]) if cells else ()
        found = self._legs[a, b]
        return (*found[1:-1], goal) if len(found) > 1 else (goal,)

    def _standing(self, point: Point2) -> Point2:
        row, column = self._row_column(*point)
        if self._free[row * self._columns + column]:
            return point
        if (row, column) not in self._free_near:
            self._free_near[row, column] = self._nearest_free(point)
        return self._free_near[row, column]

    def _nearest_free(self, point: Point2) -> Point2:
        room = self.room_at(*point)
        reach = round(_REACH_M / CELL_M)
        row, column = self._row_column(*point)
        best, best_m = point, math.inf
        for r in range(max(0, row - reach), min(self.room_grid.shape[0], row + reach + 1)):
            for c in range(max(0, column - reach), min(self.room_grid.shape[1], column + reach + 1)):
                if self._free[r * self._columns + c] and room in (STREET, self.room_grid[r, c]):
                    middle = self._middle(r * self._columns + c)
                    if (far := math.dist(point, middle)) < best_m:
                        best, best_m = middle, far
        return best

    def _route(self, here: int, there: int) -> tuple[Portal, ...]:
        if here == there:
            return ()
        if (here, there) not in self._routes:
            self._routes[here, there] = self._shortest_route(here, there)
        return self._routes[here, there]

    def _shortest_route(self, here: int, there: int) -> tuple[Portal, ...]:
        waiting: list[tuple[float, int, int, tuple[Portal, ...]]] = [(0.0, 0, here, ())]
        done: set[int] = set()
        order = 0
        while waiting:
            far, _, room, way = heapq.heappop(waiting)
            if room == there:
                return way
            if room in done or room == STREET:
                continue
            done.add(room)
            for portal in self.portals:
                if portal.joins(room):
                    last = way[-1].middle if way else portal.middle
                    order += 1
                    heapq.heappush(
                        waiting, (far + math.dist(last, portal.middle), order, portal.other(room), (*way, portal))
                    )
        names = [self.rooms[index] if index != STREET else "the street" for index in (here, there)]
        raise Rejected(f"building {self.building.id!r}: there is no way from {names[0]} to {names[1]}")

    def _way(self, start: int, goal: int) -> list[int]:
        """Cells from start to goal: looked for on every second row and column, and on all only where that finds nothing."""
        a, b = self._crossroad(start), self._crossroad(goal)
        coarse = self._search(a, b, 2) if a is not None and b is not None else []
        fine = [start, *coarse, goal] if coarse else self._search(start, goal, 1)
        if not fine:
            self.unreached.add(f"{self._middle(start)} to {self._middle(goal)}")
        return fine

    def _crossroad(self, cell: int) -> int | None:
        """The nearest free cell of an even row and column that is in sight."""
        row, column = divmod(cell, self._columns)
        near = [r * self._columns + c for r in range(row - 1, row + 2) for c in range(column - 1, column + 2)
                if r % 2 == 0 and c % 2 == 0]  # fmt: skip
        middle = self._middle(cell)
        return next((one for one in near if self._free[one] and self._sees(middle, self._middle(one))), None)

    def _search(self, start: int, goal: int, stride: int) -> list[int]:
        """A* over free cells; empty if there is no way."""
        columns, free, cost = self._columns, self._free, self._cost
        steps = [(dr * columns + dc, math.hypot(dr, dc)) for dr in (-1, 0, 1) for dc in (-1, 0, 1) if dr or dc]
        goal_row, goal_column = divmod(goal, columns)
        came: dict[int, int] = {start: start}
        best: dict[int, float] = {start: 0.0}
        waiting: list[tuple[float, int]] = [(0.0, start)]
        closed: set[int] = set()
        while waiting:
            _, cell = heapq.heappop(waiting)
            if cell == goal:
                break
            if cell in closed:
                continue
            closed.add(cell)
            so_far = best[cell]
            for step, length in steps:
                following = cell + step * stride
                if not free[following] or following in closed or not free[cell + step]:
                    continue
                reached = so_far + length * stride * cost[following]
                if reached < best.get(following, math.inf):
                    best[following], came[following] = reached, cell
                    row, column = divmod(following, columns)
                    dr, dc = abs(row - goal_row), abs(column - goal_column)
                    ahead = dr + 0.4142 * dc if dr > dc else dc + 0.4142 * dr
                    heapq.heappush(waiting, (reached + _HASTE * ahead, following))
        if goal not in came:
            return []
        cells = [goal]
        while cells[-1] != start:
            cells.append(came[cells[-1]])
        return cells[::-1]

    def _pulled(self, points: list[Point2]) -> tuple[Point2, ...]:
        kept, at = [points[0]], 0
        while at < len(points) - 1:
            ahead = len(points) - 1
            while ahead > at + 1 and not self._sees(points[at], points[ahead]):
                ahead -= max(1, (ahead - at) // 8)
            at = max(ahead, at + 1)
            kept.append(points[at])
        return tuple(kept)

    def _sees(self, start: Point2, goal: Point2) -> bool:
        far = math.dist(start, goal)
        pieces = max(1, math.ceil(far / (CELL_M * 0.5)))
        dx, dy = (goal[0] - start[0]) / pieces, (goal[1] - start[1]) / pieces
        x, y = (start[0] - self._x0) / CELL_M, (start[1] - self._y0) / CELL_M
        dx, dy = dx / CELL_M, dy / CELL_M
        free, columns = self._free, self._columns
        return all(free[int(y + dy * i) * columns + int(x + dx * i)] for i in range(1, pieces + 1))

    # The grid

    def _row_column(self, x: float, y: float) -> tuple[int, int]:
        rows, columns = self.room_grid.shape
        return (
            min(max(int((y - self._y0) / CELL_M), 0), rows - 1),
            min(max(int((x - self._x0) / CELL_M), 0), columns - 1),
        )

    def _cell(self, x: float, y: float) -> int:
        row, column = self._row_column(x, y)
        return row * self._columns + column

    def _middle(self, cell: int) -> Point2:
        row, column = divmod(cell, self._columns)
        return (self._x0 + (column + 0.5) * CELL_M, self._y0 + (row + 0.5) * CELL_M)

    def _clearance(self, x: Floats, y: Floats) -> Floats:
        """Metres from each cell's middle to the nearest furniture, wall or edge of its room, at most ``_FAR_M``."""
        far = np.where(self.room_grid == STREET, 0.0, _FAR_M)
        for index, room in enumerate(self.building.rooms):
            here = self.room_grid == index
            for a, b in zip(room.footprint, (*room.footprint[1:], room.footprint[0]), strict=True):
                far[here] = np.minimum(far[here], _segment_distance(a, b, x[here], y[here]))
        for wall in self.building.walls:
            far = np.minimum(far, np.maximum(_segment_distance(wall.start, wall.end, x, y) - wall.thickness_m / 2, 0.0))
        for piece in self.building.furniture:
            if piece.blocks:
                far = np.minimum(far, _piece_distance(piece, x, y))
        return far

    def _portals(self) -> Iterable[Portal]:
        index = {room.id: number for number, room in enumerate(self.building.rooms)}
        for opening in self.building.openings:
            if opening.kind == "window":
                continue
            left_room, right_room = self.building.rooms_joined(opening)
            yield Portal(
                opening, self.building.opening_point(opening),
                self.building.opening_point(opening, _APPROACH_M), self.building.opening_point(opening, -_APPROACH_M),
                index[left_room.id] if left_room else STREET, index[right_room.id] if right_room else STREET,
            )  # fmt: skip


@lru_cache(maxsize=4)
def _floor_of(description: str) -> Floor:
    return Floor(Building.model_validate_json(description))


def floor_of(building: Building) -> Floor:
    """The floor of a building, made once for equal descriptions."""
    return _floor_of(building.model_dump_json())


def _without_repeats(start: Point2, points: Iterable[Point2]) -> list[Point2]:
    kept: list[Point2] = []
    for point in points:
        if math.dist(point, kept[-1] if kept else start) > 0.02:
            kept.append(point)
    return kept


def _inside(polygon: tuple[Point2, ...], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    hit = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if ay != by:
            hit ^= ((ay > y) != (by > y)) & (x < ax + (y - ay) / (by - ay) * (bx - ax))
    return hit


def _segment_distance(a: Point2, b: Point2, x: Floats, y: Floats) -> Floats:
    dx, dy = b[0] - a[0], b[1] - a[1]
    share = np.clip(((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy), 0.0, 1.0)
    distance: Floats = np.hypot(x - a[0] - share * dx, y - a[1] - share * dy)
    return distance


def _piece_distance(piece: Furniture, x: Floats, y: Floats) -> Floats:
    cos, sin = math.cos(math.radians(piece.turn_deg)), math.sin(math.radians(piece.turn_deg))
    dx, dy = x - piece.foot[0], y - piece.foot[1]
    along = np.maximum(np.abs(dx * cos + dy * sin) - piece.size[0] / 2, 0.0)
    across = np.maximum(np.abs(dy * cos - dx * sin) - piece.size[1] / 2, 0.0)
    distance: Floats = np.hypot(along, across)
    return distance
