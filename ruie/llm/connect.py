"""From settings to a client: every command calls the endpoint in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruie.llm.call import CallHook
from ruie.llm.client import LLMClient
from ruie.llm.gate import Gate
from ruie.llm.keys import Key
from ruie.llm.transport import Transport

if TYPE_CHECKING:
    from ruie.llm.batches import BatchService
    from ruie.llm.batches.forms import BatchForm
    from ruie.settings import Settings


def connect(
    config: Settings,
    *,
    hook: CallHook | None = None,
    gate: Gate | None = None,
    timeout_s: float | None = None,
) -> LLMClient:
    """A client of the endpoint that the settings name. timeout_s: instead of the settings'."""
    return LLMClient(
        transport(config),
        timeout_s=timeout_s or config.llm_timeout_s,
        max_in_flight=config.llm_max_in_flight,
        hook=hook,
        gate=gate,
        by_file=config.llm_batches == "file",
    )


def transport(config: Settings) -> Transport:
    """How the endpoint that the settings name is reached."""
    return Transport(
        config.llm_base_url,
        Key.of(config),
        headers={name: value.get_secret_value() for name, value in config.llm_headers.items()},
        auth=config.llm_auth,
        ca_file=config.llm_ca_file,
        form=config.llm_api,
    )


def batch_form(config: Settings) -> BatchForm:
    """In which form the same provider takes batches. Raises `SettingsError`."""
    from ruie.llm.batches.forms import form_of

    return form_of(config.llm_base_url, transport(config).api, config.llm_batches)


def batch_service(config: Settings) -> BatchService:
    """The batch endpoint of the same provider. Raises `SettingsError`."""
    from ruie.llm.batches.forms import open_service

    return open_service(batch_form(config), transport(config))
