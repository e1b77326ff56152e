"""What every kind of model must say of itself, and what it is told about the model at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

from services.analyze.core.findings import Finding, Task
from services.contracts.errors import Corrupt

Output: TypeAlias = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Head:
    """The model at hand: its input's size in pixels, how many classes it has, which of them are wanted, and from which score on.

    ``together``: wanted classes are one thing (adult, child), so that their boxes suppress each other.
    """

    width: int
    height: int
    class_count: int = 1
    classes: tuple[int, ...] = (0,)
    score: float = 0.3
    iou: float = 0.45
    together: bool = False
    invert: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """One output of a file. ``name`` and sizes that are ``None`` may be anything."""

    shape: tuple[int | None, ...]
    name: str | None = None
    dtype: Literal["float32", "int64"] = "float32"

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name or 'any name'}: {self.dtype} [{sizes}]"

    def fits(self, shape: Sequence[int | None], *, exactly: bool = False) -> bool:
        """Whether a shape can be meant; unknown sizes fit unless ``exactly``."""
        return len(shape) == len(self.shape) and all(
            want is None or got == want or (got is None and not exactly)
            for want, got in zip(self.shape, shape, strict=True)
        )


#: Each inner tuple is one complete set of outputs, in order; a file must give one of the sets.
Forms: TypeAlias = tuple[tuple[Expected, ...], ...]


@dataclass(frozen=True, slots=True)
class Adapter:
    """A kind of model. ``decode`` takes the outputs in the file's order and raises ``Corrupt`` when they are not what
    ``forms`` promised. ``multiple``: what the input's sides must be multiples of. ``size_input``: it may take the picture's
    size as a second input. ``infinite_weights``: its exporters write masks of infinity among the weights."""

    title: str
    task: Task
    forms: Callable[[Head], Forms]
    decode: Callable[[Sequence[Output], Head], Finding]
    multiple: int = 32
    size_input: bool = False
    infinite_weights: bool = False


def check_outputs(outputs: Sequence[Output], forms: Forms, title: str) -> None:
    """``Corrupt`` unless the outputs are one of the forms."""
    shapes = [output.shape for output in outputs]
    for form in forms:
        if len(form) == len(shapes) and all(
            want.fits(shape, exactly=True) for want, shape in zip(form, shapes, strict=True)
        ):
            return
    raise Corrupt(f"the model gave {', '.join(str(list(shape)) for shape in shapes)}; {title} gives {say(forms)}")


def say(forms: Forms) -> str:
    """The forms in words, for messages."""
    return " or ".join("{" + "; ".join(str(output) for output in form) + "}" for form in forms)
