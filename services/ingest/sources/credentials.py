"""A camera's user name and password: from its own fields, a file, the environment or its URL; never shown."""

from __future__ import annotations

from dataclasses import dataclass

from services.backbone.settings_file import read_secret
from services.contracts.entity import CameraConfig
from services.contracts.errors import KanhuError
from services.contracts.source_url import SourceAddress
from services.ingest.sources.connection import SourceFailed


@dataclass(frozen=True, slots=True)
class Credentials:
    username: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(***)"


def credentials_of(camera: CameraConfig, address: SourceAddress) -> Credentials | None:
    """User name and password from the camera's own fields, else from its URL; read anew at every opening."""
    username = camera.username or address.username
    if camera.sealed_password is not None:
        raise SourceFailed(
            "credentials", "the password is sealed for another agent's key; withdraw and enrol the camera again"
        )
    try:
        if camera.password_file is not None or camera.password_env is not None:
            secret = read_secret(
                file=camera.password_file, env=camera.password_env, what=f"password of camera {camera.camera_id}"
            )
            password: str | None = secret.get_secret_value()
        else:
            password = camera.password.get_secret_value() if camera.password is not None else address.password
    except KanhuError as error:
        raise SourceFailed("credentials", str(error)) from error
    if username is None:
        if password is not None:
            raise SourceFailed("credentials", "a password is given but no user name; add username")
        return None
    return Credentials(username, password or "")
