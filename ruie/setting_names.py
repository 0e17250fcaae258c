"""A variable that no setting has is a mistake, not a wish to have the default."""

from __future__ import annotations

from collections.abc import Iterable

from ruie.closest import closest_first, listed
from ruie.errors import SettingsError

PREFIX = "RUIE_"


def check_names(variables: Iterable[str], fields: Iterable[str]) -> None:
    """variables: of the environment; fields: the settings. Raises `SettingsError` that names the
    closest."""
    known = [f"{PREFIX}{name.upper()}" for name in fields]
    unknown = sorted(
        name for name in variables if name.startswith(PREFIX) and name.upper() not in known
    )
    if unknown:
        near = listed(closest_first(unknown[0], known), 3)
        raise SettingsError(
            f"There is no setting {unknown[0]}.",
            f"The closest are {near}; docs/settings.md lists them.",
        )
