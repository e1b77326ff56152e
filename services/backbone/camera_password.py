"""A camera's password on its way from the page to the agent: sealed by the one, opened by the other, unread in between.

Belongs here: what it is sealed for. Does not belong here: the cryptography (``sealing``), keys (``ports.KeyStore``).
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr

from services.backbone.ports import KeyStore, Opener
from services.backbone.sealing import seal
from services.contracts.entity import CameraConfig
from services.contracts.errors import Rejected

logger = structlog.get_logger(__name__)

#: What an agent does to each camera that it reads.
Unsealing = Callable[[CameraConfig], CameraConfig]


async def sealed_for_agents(camera: CameraConfig, keys: KeyStore, *, at_ns: int) -> CameraConfig:
    """The camera with its password sealed to its agent's keys, or to every agent's if it names none.

    ``Rejected`` if no agent is enrolled that could open it. A camera without a password comes back as it is.
    """
    if camera.password is None:
        return camera
    recipients = await keys.current(owner=camera.agent_id, at_ns=at_ns)
    if not recipients:
        raise Rejected(
            f"no key of {camera.agent_id or 'an agent'} is enrolled, so nobody could read the camera's password: start the "
            "agent of the box once, or write the agent's public key under `agents` in the settings"
        )
    sealed = seal(camera.password.get_secret_value().encode(), recipients, _purpose(camera))
    return camera.model_copy(update={"password": None, "sealed_password": sealed})


def unsealed_by(opener: Opener) -> Unsealing:
    """For an agent: a camera with its password, where one was sealed to our key; else as it came, and the log says why."""

    def unsealed(camera: CameraConfig) -> CameraConfig:
        text = (camera.sealed_password or {}).get(opener.key_id)
        if text is None:
            return camera
        try:
            secret = opener.open(text, _purpose(camera)).decode()
        except (Rejected, UnicodeDecodeError) as error:
            logger.error("a camera's sealed password cannot be opened", camera=camera.camera_id, error=str(error))
            return camera
        return camera.model_copy(update={"password": SecretStr(secret), "sealed_password": None})

    return unsealed


def _purpose(camera: CameraConfig) -> bytes:
    """Whom the password is for. Another address needs it typed again: who may write config.v1 shall not be told it."""
    places = [_place(url) for url in (camera.url, camera.detect_url) if url is not None]
    return "\n".join(["camera password", camera.camera_id, camera.username or "", *places]).encode()


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme.lower()}://{parts.netloc.rpartition('@')[2].lower()}"
