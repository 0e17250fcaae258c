"""API keys: given, or read from a file or a command, and again when the endpoint refuses them."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ruie.endpoint_settings import checked_secret
from ruie.errors import AccountError
from ruie.named_files import content
from ruie.secret_settings import LONGEST
from ruie.secrets import remember

if TYPE_CHECKING:
    from ruie.settings import Settings

COMMAND_SECONDS = 30.0
MAX_DETAIL = 200
"""Characters of a command's own message that are repeated in ours."""


class Key:
    """One API key. Thread-safe; `repr` does not show it.

    file, command: where it is read instead. The command is run without a shell, and prints it.
    """

    def __init__(self, value: str = "", *, file: str = "", command: str = "") -> None:
        self._value = value
        self._file = file
        self._command = command
        self._lock = threading.Lock()
        self._read_at = 0.0
        self.version = 0
        """Grows whenever a new key was read."""

    @classmethod
    def of(cls, config: Settings) -> Self:
        """The key that the settings name."""
        return cls(
            config.llm_api_key.get_secret_value(),
            file=config.llm_api_key_file,
            command=config.llm_api_key_command,
        )

    def __repr__(self) -> str:
        return f"Key(file={self._file!r}, command={self._command!r})"

    def read(self) -> str:
        """The key, read at the first call. May take seconds. Raises `AccountError`."""
        with self._lock:
            if not self.version:
                self._reread()
            return self._value

    async def refresh(self, version: int) -> bool:
        """Read the key again, which was refused in this version. Whether there is a newer one.
        Raises `AccountError` if it cannot be read."""
        if not self._file and not self._command:
            return False
        return await asyncio.to_thread(self._refresh, version, time.monotonic())

    def _refresh(self, version: int, refused_at: float) -> bool:
        with self._lock:
            # of many calls that are refused at the same time, one reads it
            if self.version == version and self._read_at < refused_at:
                self._reread()
            return self.version > version

    def _reread(self) -> None:
        value = self._value
        if self._file:
            value = _from_file(self._file)
        elif self._command:
            value = _from_command(self._command)
        try:
            value = checked_secret(value)
        except ValueError as error:
            raise AccountError(
                f"The key of the endpoint cannot be sent: {error}.", f"Correct {self._setting}."
            ) from None
        if not value and (self._file or self._command):
            raise AccountError("The key of the endpoint is empty.", f"Correct {self._setting}.")
        remember(value)
        self._read_at = time.monotonic()
        if value != self._value or not self.version:
            self.version += 1
        self._value = value

    @property
    def _setting(self) -> str:
        kind = "_FILE" if self._file else "_COMMAND" if self._command else ""
        return f"RUIE_LLM_API_KEY{kind}"


def _from_file(name: str) -> str:
    try:
        return content(Path(name).expanduser(), LONGEST).decode("utf-8")
    except (OSError, ValueError) as error:
        said = str(error) if isinstance(error, OSError) else "it is no text"
        reason = getattr(error, "strerror", None) or said
        raise AccountError(
            f"The key of the endpoint cannot be read from {name}: {reason}.",
            "Correct RUIE_LLM_API_KEY_FILE.",
        ) from None


def _from_command(command: str) -> str:
    hint = "Correct RUIE_LLM_API_KEY_COMMAND."
    try:
        done = subprocess.run(
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise AccountError(
            f"`{command}` did not print the key within {COMMAND_SECONDS:g} s.", hint
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AccountError(f"`{command}` cannot be run: {reason}.", hint) from None
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())[:MAX_DETAIL]
        raise AccountError(
            f"`{command}`, which prints the key, ended with {done.returncode}: {said}", hint
        )
    return done.stdout.decode(errors="replace")
