"""The old name of :mod:`services.analyze.core.decoders.yolox`; goes away once nothing imports it."""

from services.analyze.core.decoders.yolox import STRIDES, decode, rows

__all__ = ["STRIDES", "decode", "rows"]
