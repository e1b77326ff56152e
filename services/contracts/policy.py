"""Legal numbers as data: each with its source and version, per jurisdiction; never constants in code."""

from __future__ import annotations

from pydantic import Field, model_validator

from services.contracts.cloud_event import Payload

#: 托育机构管理规范(试行) article 32: recordings are kept at least 90 days.
LEGAL_FLOOR_DAYS = 90


class RetentionPolicy(Payload):
    """How long unheld footage is kept: at least the floor, at most the ceiling, both from capture time."""

    version: str = "default-2026-11"
    source: str = (
        "托育机构管理规范(试行) art. 32; 公共安全视频图像信息系统管理条例 art. 17; ceiling margin is an assumption"
    )
    floor_days: int = Field(default=90)
    ceiling_days: int = Field(default=97)

    @model_validator(mode="after")
    def _lawful(self) -> RetentionPolicy:
        if self.floor_days < LEGAL_FLOOR_DAYS:
            raise ValueError(
                f"floor_days is {self.floor_days}; the law asks for at least {LEGAL_FLOOR_DAYS} (管理规范 art. 32)"
            )
        if self.ceiling_days <= self.floor_days:
            raise ValueError(f"ceiling_days ({self.ceiling_days}) must be greater than floor_days ({self.floor_days})")
        return self
