"""How a camera's place over the floor becomes known: from marks in its picture, or from how it was mounted.

A mark is a person (or a rod) of known height, foot and head pointed at in the picture. Each mark brings two equations for the
five unknowns; what is known of cameras in rooms anyway is the prior that makes up for few marks. The fit takes foot points
as unknowns too (a person points at both ends with the same hand), so that its covariance is honest, and says when the marks
contradict each other or leave the answer open.

Belongs here: the fit and its judgement. Does not belong here: learning from people who walk by (``learning``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from scipy.optimize import least_squares

from services.analyze.core.scene.ground import (
    PARAMETERS,
    Floats,
    Lens,
    Noise,
    floor_point,
    height_above,
    lens_of,
    measure,
    project,
    variants_of,
)
from services.contracts.entity import CameraCalibration, CameraMounting, HeightMark
from services.contracts.errors import Rejected

Origin = Literal["marks", "mounting", "people"]

#: What is known before anything is seen: a camera at 2.7 m (1.6-4.6 m in 95 %), tilted down by 30 ± 17 degrees, level within 3.5,
#: 45-115 degrees wide, lens nearly straight. ln(height m), tilt, roll, ln(focal / picture height), k1.
PRIOR = np.array([math.log(2.7), math.radians(30), 0.0, math.log(0.80), -0.03])
PRIOR_SPREAD = np.array([0.27, math.radians(17), math.radians(3.5), 0.30, 0.06])
#: Tolerances of a mounting that somebody measured: 3 %, 2 degrees, 1.5 degrees, 4 %, an unknown lens.
_MOUNTING_SPREAD = np.array([0.03, math.radians(2), math.radians(1.5), 0.04, 0.06])
#: A person points to a place in the picture this exactly (share of its height): 4 lines of 720.
POINTING = 0.006
#: A calibration that leaves a height more uncertain than this share of it where the marks stand is not used.
_OPEN_SHARE = 0.12
#: Root mean square of residuals, in standard deviations, beyond which the marks contradict each other.
_CONTRADICTION = 3.0
#: Where the search begins: ln(height), tilt, ln(focal).
_STARTS = np.array([
    (math.log(height_m), math.radians(tilt_deg), math.log(focal))
    for height_m in (2.0, 2.7, 3.6) for tilt_deg in (3, 12, 21, 30, 40, 52) for focal in (0.5, 0.7, 0.95, 1.3)
])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Calibration:
    """A known camera. ``parameters`` (5,) and ``covariance`` (5, 5) as ``ground`` has them; ``assumed`` says what it rests on."""

    origin: Origin
    parameters: Floats
    covariance: Floats
    assumed: str
    evidence: int
    variants: Lens = field(init=False, repr=False, compare=False)
    #: Standard uncertainties of the parameters.
    standard: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "variants", variants_of(self.parameters))
        object.__setattr__(self, "standard", np.sqrt(np.diag(self.covariance)))

    @property
    def height_m(self) -> float:
        return math.exp(self.parameters[0])

    @property
    def tilt_deg(self) -> float:
        return math.degrees(self.parameters[1])


def calibrate(told: CameraCalibration, aspect: float, pointing: float = POINTING) -> Calibration:
    """The calibration that an entity tells; ``aspect``: the picture's width / height. ``Rejected`` says what is wrong."""
    if told.mounting is not None:
        return _mounted(told.mounting, aspect)
    return fit_marks(told.marks, aspect, pointing)


def fit_marks(marks: Sequence[HeightMark], aspect: float, pointing: float = POINTING) -> Calibration:
    """Least squares over the marks and the prior."""
    fit = _Fit(marks, aspect, pointing)
    found = min((fit.descend(start) for start in fit.starts()), key=lambda one: float(one.cost))
    camera, curvature = found.x[:PARAMETERS], found.jac.T @ found.jac
    off = found.fun[: 4 * len(marks)]
    excess = float(off @ off) / (2 * len(marks))
    if excess > _CONTRADICTION**2:
        raise Rejected(_contradiction(camera, fit.feet, fit.heads, fit.heights, pointing))
    covariance = np.linalg.inv(curvature)[:PARAMETERS, :PARAMETERS] * max(1.0, excess)
    calibration = Calibration("marks", camera, covariance, f"{len(marks)} marked heights, flat floor", len(marks))
    _check_open(calibration, fit.feet, fit.heads)
    return calibration


class _Fit:
    """Unknowns: the camera's parameters, then by how much each foot was pointed at beside the mark. For several at once."""

    def __init__(self, marks: Sequence[HeightMark], aspect: float, pointing: float) -> None:
        self.feet, self.heads = (
            np.array([_from_middle(getattr(mark, end), aspect) for mark in marks]) for end in ("foot", "head")
        )
        self.heights = np.array([mark.height_m for mark in marks])
        self._pointing = pointing

    def starts(self) -> list[Floats]:
        """The best of a coarse grid, and the best of it with quite another tilt."""
        grid = np.zeros((len(_STARTS), PARAMETERS + 2 * len(self.heights)))
        grid[:, :PARAMETERS] = PRIOR
        grid[:, [0, 1, 3]] = _STARTS
        costs = (self.residuals(grid) ** 2).sum(axis=1)
        best = grid[costs.argmin()]
        other = np.abs(grid[:, 1] - best[1]) > math.radians(12)
        return [best, grid[other][costs[other].argmin()]]

    def descend(self, begin: Floats) -> Any:
        return least_squares(
            lambda one: self.residuals(one[None])[0], begin, jac=self._slopes, method="lm", max_nfev=100
        )

    def residuals(self, unknown: Floats) -> Floats:
        """(k, unknowns) → (k, residuals in standard deviations): heads, feet, prior."""
        camera, moved = unknown[:, :PARAMETERS], unknown[:, PARAMETERS:].reshape(len(unknown), -1, 2)
        lens, feet = lens_of(camera[:, None, :]), self.feet + moved
        x, y = project(lens, *floor_point(lens, feet[..., 0], feet[..., 1]), self.heights)
        off = np.nan_to_num(np.stack([x, y], axis=-1) - self.heads, nan=10.0)
        flat = off.reshape(len(unknown), -1) / self._pointing, unknown[:, PARAMETERS:] / self._pointing
        return np.concatenate([*flat, (camera - PRIOR) / PRIOR_SPREAD], axis=1)

    def _slopes(self, unknown: Floats) -> Floats:
        step = 1e-6
        aside = unknown + step * np.concatenate([np.eye(len(unknown)), -np.eye(len(unknown))])
        found = self.residuals(aside)
        return np.asarray((found[: len(unknown)] - found[len(unknown) :]).T / (2 * step))


def _mounted(told: CameraMounting, aspect: float) -> Calibration:
    focal = aspect / (2 * math.tan(math.radians(told.hfov_deg) / 2))
    parameters = np.array(
        [math.log(told.height_m), math.radians(told.tilt_deg), math.radians(told.roll_deg), math.log(focal), PRIOR[4]]
    )
    assumed = "mounting as measured: 3 % of height, 2 degrees of tilt, 4 % of focal length; flat floor"
    return Calibration("mounting", parameters, np.diag(_MOUNTING_SPREAD**2), assumed, 0)


def _contradiction(camera: Floats, feet: Floats, heads: Floats, heights: Floats, pointing: float) -> str:
    """Name the mark that fits the others worst, and how tall it would have to be."""
    lens = lens_of(camera)
    right, ahead = floor_point(lens, feet[:, 0], feet[:, 1])
    x, y = project(lens, right, ahead, heights)
    off = np.nan_to_num(np.hypot(x - heads[:, 0], y - heads[:, 1]), nan=10.0)
    worst = int(off.argmax())
    tall = float(height_above(lens, ahead, heads[:, 0], heads[:, 1])[worst])
    would = f"{tall:.2f} m" if math.isfinite(tall) and 0.2 < tall < 4 else "no possible height"
    return (
        f"the marks contradict each other: mark {worst + 1} says {heights[worst]:.2f} m, and by the others it would be {would} "
        f"(its head is {100 * off[worst]:.1f} % of the picture's height off, {100 * pointing:.1f} % is usual); "
        "check its height, its points, and that all stand upright on the same floor"
    )


def _check_open(calibration: Calibration, feet: Floats, heads: Floats) -> None:
    boxes = np.concatenate([np.minimum(feet, heads), np.maximum(feet, heads)], axis=1)
    found = measure(calibration.variants, calibration.covariance, boxes, Noise(0.0, 0.0))
    share = found.shared[:, 2] / np.maximum(found.at.height_m, 0.3)
    worst = float(np.nanmax(share)) if np.isfinite(share).any() else math.inf
    if not worst <= _OPEN_SHARE:
        raise Rejected(
            f"the marks leave heights uncertain by {100 * worst:.0f} % ({100 * _OPEN_SHARE:.0f} % at most): mark more people, "
            "some near the camera and some far from it, left and right"
        )


def _from_middle(point: tuple[float, float], aspect: float) -> tuple[float, float]:
    return (point[0] - 0.5) * aspect, point[1] - 0.5
