"""The model registry: which files are accepted, what they take and give, under which licence and assessment.

Belongs here: reading ``registry.yaml``. Does not belong here: files (``installed.py``), what is inside them (``model_file.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from services.analyze.core.decoders import ADAPTERS
from services.analyze.core.decoders.adapter import Adapter, Head
from services.analyze.core.findings import KIND_OF_WORD, PERSONS, Kind, Task
from services.contracts.cloud_event import Payload
from services.contracts.errors import Rejected
from services.contracts.ids import Name

#: The models' own package, for entries whose file ships with the program.
PACKAGE = "services.analyze.models"

#: What a person has to say: not blank, and not a placeholder left as it stood in a template.
_UNSAID = {"", "-", "none", "n/a", "na", "null", "todo", "tbd", "unknown", "x"}


def _said(text: str) -> str:
    plain = text.strip()
    if plain.lower() in _UNSAID or plain.startswith("<"):
        raise ValueError(f"{text!r} says nothing; write what it is")
    return plain


Said = Annotated[str, AfterValidator(_said)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Decoder = Literal["yolox", "yolov8", "nanodet", "fastestdet", "rtdetr", "movenet", "fire", "yunet", "ultralight"]
Three = tuple[float, float, float]
#: Words of a task, a decoder or a class that would tell persons apart. No entry may carry them (R-25).
_IDENTITY_WORDS = ("reid", "re-id", "embed", "recogni", "identif", "identity", "arcface", "facenet", "sface")


#: The only fit whose input may be cut to the picture's aspect: its padding lies to the right and below, so the picture stays put.
CUT_FIT = "letterbox_top_left"


class ModelInput(Payload):
    """How a picture becomes the model's input: ``value = (pixel * scale - mean) / std`` for each channel, in ``colour``'s order.

    Defaults are YOLOX's: float32 NCHW, BGR, 0-255, laid in at the top left, padded with 114. ``fit``: ``letterbox_*`` keeps the
    picture's aspect and pads the rest with ``pad`` (a pixel value, before scaling); ``stretch`` does not keep it. ``uncut``: the
    padding is part of what this model was trained on, so the input is not cut to the picture's aspect.
    """

    name: str = Field(min_length=1, max_length=80)
    width: int = Field(ge=32, le=2048)
    height: int = Field(ge=32, le=2048)
    layout: Literal["nchw", "nhwc"] = "nchw"
    dtype: Literal["float32", "uint8"] = "float32"
    colour: Literal["bgr", "rgb"] = "bgr"
    scale: float = Field(default=1.0, gt=0, le=1, allow_inf_nan=False)
    mean: Three = (0.0, 0.0, 0.0)
    std: Three = (1.0, 1.0, 1.0)
    fit: Literal["letterbox_top_left", "letterbox_centre", "stretch"] = "letterbox_top_left"
    pad: int = Field(default=114, ge=0, le=255)
    uncut: bool = Field(
        default=False,
        description="the input is not cut to the picture's aspect: this model's scores rest on the padding",
    )
    size_input: str | None = Field(
        default=None, max_length=80, description="second input, int64 [1, 2]: is given our width and height (RT-DETR)"
    )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the tensor, with the one picture we give at a time."""
        if self.layout == "nchw":
            return 1, 3, self.height, self.width
        return 1, self.height, self.width, 3

    @property
    def plain(self) -> bool:
        """Whether pixels go in as they are (YOLOX's way): no scaling, no means."""
        return (self.scale, self.mean, self.std) == (1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))

    @model_validator(mode="after")
    def _sane(self) -> ModelInput:
        if any(not (abs(value) < 1e6) for value in (*self.mean, *self.std)) or 0.0 in self.std:
            raise ValueError("mean and std must be finite, and std not 0")
        if self.dtype == "uint8" and not self.plain:
            raise ValueError("a uint8 input takes pixels as they are: leave out scale, mean and std")
        if self.uncut and self.fit != CUT_FIT:
            raise ValueError(f"only inputs of fit {CUT_FIT} are ever cut to the picture's aspect: leave out uncut")
        return self


class ModelEntry(Payload):
    """One model. ``sha256`` lists every accepted build of it, newest first."""

    name: Name
    title: str = Field(max_length=200)
    task: Task = Field(description="detect, pose, classify or face; follows from the decoder if left out")
    decoder: Decoder
    use: Literal["watching", "masking"] = Field(
        default="watching", description="faces are found only to be masked (R-25)"
    )
    input: ModelInput
    class_count: int = Field(default=1, ge=1, le=1000)
    classes: dict[str, int] = Field(
        default_factory=dict, description="what we use of the model's classes: person, adult, child, … -> its number"
    )
    score: float = Field(default=0.1, ge=0, le=1, description="nothing below this is reported")
    nms_iou: float = Field(default=0.45, gt=0, le=1, description="boxes that overlap more are one")
    invert: bool = Field(default=False, description="a classifier's output is the probability that it is NOT there")
    licence: Said = Field(max_length=80)
    source: Said = Field(max_length=600)
    url: str | None = Field(default=None, pattern=r"^https://", description="official release file")
    packaged: str | None = Field(default=None, pattern=r"^[a-z0-9_]+\.onnx$", description="file in this package")
    sha256: list[Sha256] = Field(min_length=1)
    assessment: Said = Field(max_length=80, description="impact assessment its activation rests on (R-24)")
    drawn_rooms_only: bool = Field(default=False, description="never chosen for a real camera unless named")
    scope: str = Field(default="", max_length=400, description="what it can and cannot see")

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, raw: Any) -> Any:
        """Fill in the task; read ``person_class``, the older form of ``classes``; refuse what would tell persons apart."""
        if not isinstance(raw, dict):
            return raw
        _refuse_identity(raw)
        fields = dict(raw)
        if "person_class" in fields:
            if "classes" in fields:
                raise ValueError("person_class is the older form of classes: give only classes")
            fields["classes"] = {"person": fields.pop("person_class")}
        if "decoder" in fields:
            decoder = str(fields["decoder"])
            if decoder not in ADAPTERS:
                raise ValueError(f"decoder {decoder} is unknown; known are {', '.join(ADAPTERS)}")
            fields.setdefault("task", ADAPTERS[decoder].task)
        return fields

    @model_validator(mode="after")
    def _fits(self) -> ModelEntry:
        adapter = self.adapter
        if self.task != adapter.task:
            raise ValueError(f"decoder {self.decoder} is for task {adapter.task}, not {self.task}")
        if (self.task == "face") != (self.use == "masking"):
            raise ValueError(
                "faces may be found only to be masked: task face needs use masking, and no other task has it"
            )
        if self.input.width % adapter.multiple or self.input.height % adapter.multiple:
            raise ValueError(f"sides of the input of {self.decoder} must be multiples of {adapter.multiple}")
        if self.input.size_input is not None and not adapter.size_input:
            raise ValueError(f"decoder {self.decoder} takes no size_input")
        if self.input.uncut and self.task != "detect":
            raise ValueError("only detectors' inputs are ever cut to the picture's aspect: leave out uncut")
        self._check_classes()
        return self

    def _check_classes(self) -> None:
        if (self.task == "detect") != bool(self.classes):
            raise ValueError("a detector names the classes we use (classes: {person: 0}); other tasks name none")
        strange = sorted(set(self.classes) - set(KIND_OF_WORD))
        if strange:
            raise ValueError(f"classes {strange} are unknown; known are {', '.join(sorted(KIND_OF_WORD))}")
        numbers = list(self.classes.values())
        if len(set(numbers)) != len(numbers) or any(not 0 <= number < self.class_count for number in numbers):
            raise ValueError(f"classes must be different numbers from 0 to {self.class_count - 1}")

    @property
    def adapter(self) -> Adapter:
        return ADAPTERS[self.decoder]

    @property
    def kinds(self) -> dict[int, Kind]:
        """The model's class numbers we use → what they are."""
        return {number: KIND_OF_WORD[word] for word, number in self.classes.items()}

    @property
    def person_classes(self) -> tuple[int, ...]:
        """The model's class numbers that are persons (person, adult or child), rising."""
        return tuple(sorted(number for number, kind in self.kinds.items() if kind in PERSONS))

    def head(self, *, score: float | None = None, classes: tuple[int, ...] | None = None) -> Head:
        """What its adapter must know. ``score`` and ``classes`` default to the entry's own."""
        wanted = classes if classes is not None else tuple(sorted(self.classes.values())) or (0,)
        return Head(
            self.input.width, self.input.height, self.class_count, wanted, self.score if score is None else score,
            self.nms_iou, together=all(self.kinds.get(number) in PERSONS for number in wanted), invert=self.invert,
        )  # fmt: skip


class _Document(Payload):
    models: list[ModelEntry]


Registry = Mapping[str, ModelEntry]


def load_registry(models_dir: Path | None = None) -> Registry:
    """The entries that ship with the program, overlaid by ``MODELS/registry.yaml`` if there is one."""
    own = _read(files(PACKAGE).joinpath("registry.yaml").read_text(encoding="utf-8"), "the packaged registry.yaml")
    extra = models_dir / "registry.yaml" if models_dir is not None else None
    if extra is not None and extra.is_file():
        own |= _read(extra.read_text(encoding="utf-8"), str(extra))
    return own


def entry_of(registry: Registry, name: str) -> ModelEntry:
    """The entry of a name; ``Rejected`` lists the names there are."""
    if name not in registry:
        raise Rejected(f"no model is called {name!r}; known are {', '.join(sorted(registry))}")
    return registry[name]


def _refuse_identity(raw: Mapping[str, Any]) -> None:
    classes = raw.get("classes")
    words = [raw.get("name"), raw.get("task"), raw.get("decoder"), *(classes if isinstance(classes, dict) else ())]
    for word in words:
        if any(part in str(word).lower() for part in _IDENTITY_WORDS):
            raise ValueError(f"{word!r}: models that recognise or tell apart persons are not admitted (R-25)")


def _read(text: str, where: str) -> dict[str, ModelEntry]:
    try:
        document = _Document.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise Rejected(f"{where} is not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Rejected(f"{where} is wrong at {place}: {first['msg']}") from error
    return {entry.name: entry for entry in document.models}
