"""A full-frame classifier's single logit → a probability, by the sigmoid; with ``invert`` the logit speaks of the absence.

Made for fire: ShuffleNetV2-OnFire's sigmoid is the probability of *no* fire.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, isnan

from services.analyze.core.decoders.adapter import Adapter, Expected, Forms, Head, Output, check_outputs
from services.analyze.core.findings import Classification
from services.contracts.errors import Corrupt

TITLE = "a full-frame classifier"


def forms(head: Head) -> Forms:
    return ((Expected((1, 1)),),)


def decode(outputs: Sequence[Output], head: Head) -> Classification:
    """The probability that the picture shows it."""
    check_outputs(outputs, forms(head), TITLE)
    logit = float(outputs[0][0, 0])
    if isnan(logit):
        raise Corrupt(f"the model gave {logit}; {TITLE} gives a number")
    signed = -logit if head.invert else logit
    return Classification(1 / (1 + exp(-max(min(signed, 60.0), -60.0))))


ADAPTER = Adapter(TITLE, "classify", forms, decode)
