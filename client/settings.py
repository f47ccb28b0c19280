"""What a member sets once, so that daily commands stay short: `custody.toml`, or variables of the environment.

    gateway = "http://127.0.0.1:8100"        or a list; the first is asked first         CUSTODY_GATEWAY (commas)
    token_file = "keys/reader.token"         bearer token for reads (0600)               CUSTODY_TOKEN_FILE
    sign_requests = true                     sign requests with `key`, without a token   CUSTODY_SIGN_REQUESTS
    organisation = "forwarder"               who signs                                   CUSTODY_ORG
    key = "keys/sign.key"                    with which key                              CUSTODY_KEY
    device_key = "keys/device.key"           which device attests                        CUSTODY_DEVICE_KEY
    anchor = "anchor"                        what is trusted: genesis, anchor or folder  CUSTODY_ANCHOR
    place = "9521200000016"                  the read point, unless said otherwise       CUSTODY_PLACE

The file is the one named by CUSTODY_CONFIG, else `custody.toml` here, else the one in ~/.config/custody. Paths in it are
relative to it. The environment prevails over the file, an option over both. No secret stands in either.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from client.files import read_bytes
from ledger.base.errors import Code, FormError

FILE_NAME: Final = "custody.toml"
FILE_BYTES: Final = 65_536
_PATHS: Final = ("token_file", "key", "device_key", "anchor")
_SWITCHES: Final = ("sign_requests",)
_VARIABLES: Final = {
    "sign_requests": "CUSTODY_SIGN_REQUESTS",
    "gateway": "CUSTODY_GATEWAY",
    "token_file": "CUSTODY_TOKEN_FILE",
    "organisation": "CUSTODY_ORG",
    "key": "CUSTODY_KEY",
    "device_key": "CUSTODY_DEVICE_KEY",
    "anchor": "CUSTODY_ANCHOR",
    "place": "CUSTODY_PLACE",
}
CONFIG_VARIABLE: Final = "CUSTODY_CONFIG"


class Settings(NamedTuple):
    """Everything optional; a command names what it misses."""

    gateways: tuple[str, ...] = ()
    token_file: Path | None = None
    organisation: str | None = None
    key: Path | None = None
    device_key: Path | None = None
    anchor: Path | None = None
    place: str | None = None
    sign_requests: bool = False


def missing(name: str, option: str) -> FormError:
    """The error of a command that needs a setting: its name in custody.toml and the option that gives it."""
    return FormError(
        Code.USAGE,
        f"expected {option}, {_VARIABLES[name]} in the environment, or {name} in {FILE_NAME}; got none of them",
    )


def load_settings(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """The settings in force. StorageError when a file named by the environment is not there, FormError for a wrong one."""
    variables = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    file = _file(variables, folder or Path.cwd())
    if file is not None:
        values = _read(file)
    for name, variable in _VARIABLES.items():
        text = variables.get(variable)
        if text:
            values[name] = _from_text(name, variable, text)
    gateways = values.pop("gateway", ())
    named = gateways.split(",") if isinstance(gateways, str) else gateways
    return Settings(gateways=tuple(part.strip() for part in named if part.strip()), **values)


def _from_text(name: str, variable: str, text: str) -> str | bool | Path:
    if name in _SWITCHES:
        if text not in ("true", "false"):
            raise FormError(Code.USAGE, f"{variable}: expected true or false, got {text[:64]!a}")
        return text == "true"
    return Path(text) if name in _PATHS else text


def _file(variables: Mapping[str, str], folder: Path) -> Path | None:
    named = variables.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    base = variables.get("XDG_CONFIG_HOME")
    home = Path(base) if base else Path(variables.get("HOME", "/nonexistent")) / ".config"
    return next((file for file in (folder / FILE_NAME, home / "custody" / FILE_NAME) if file.is_file()), None)


def _read(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(read_bytes(file, FILE_BYTES).decode("utf-8"))
    except (ValueError, RecursionError) as error:  # also no UTF-8, an integer of too many digits
        raise FormError(Code.USAGE, f"{file}: expected TOML: {error}") from None
    for name, value in values.items():
        if name not in _VARIABLES:
            raise FormError(Code.USAGE, f"{file}: expected {', '.join(_VARIABLES)}; got {name[:64]!a}")
        is_list = name == "gateway" and isinstance(value, list) and all(isinstance(one, str) for one in value)
        if name in _SWITCHES:
            if not isinstance(value, bool):
                raise FormError(Code.USAGE, f"{file}: expected {name} as true or false, got another type")
        elif not isinstance(value, str) and not is_list:
            raise FormError(Code.USAGE, f"{file}: expected {name} as text, got another type")
        if name in _PATHS:
            values[name] = file.parent / _path(file, name, value)
    return values


def _path(file: Path, name: str, text: str) -> Path:
    try:
        if "\0" in text:
            raise FormError(Code.USAGE, f"{file}: expected {name} to be a path, got {text[:64]!a}")
        return Path(text).expanduser()
    except RuntimeError:  # "~somebody" whom this machine does not know
        raise FormError(
            Code.USAGE, f"{file}: expected {name} under a home that is there, got {text[:64]!a}"
        ) from None
