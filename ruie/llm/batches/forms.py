"""In which form a provider takes batches."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlsplit

from ruie.errors import SettingsError
from ruie.llm.api import Api
from ruie.llm.batches.anthropic import AnthropicBatches
from ruie.llm.batches.inline import InlineBatches
from ruie.llm.batches.mistral import MistralBatches
from ruie.llm.batches.openai import OpenAIBatches
from ruie.llm.batches.service import BatchService
from ruie.llm.transport import Transport


class BatchForm(StrEnum):
    """A form of batches. OPENAI: files; INLINE: OpenRouter's, without files; FILE: none over the
    network, as `vllm run-batch` has it."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    MISTRAL = "mistral"
    INLINE = "inline"
    FILE = "file"


AUTO = "auto"
"""The form that the URL says."""
HOSTS = {"api.mistral.ai": BatchForm.MISTRAL, "openrouter.ai": BatchForm.INLINE}


def form_of(base_url: str, api: Api, setting: str = AUTO) -> BatchForm:
    """The form of an endpoint. setting: `RUIE_LLM_BATCHES`. Raises `SettingsError` where it does
    not go with the form of single calls, in which the requests of a batch are."""
    if setting == AUTO:
        if api is Api.MESSAGES:
            return BatchForm.ANTHROPIC
        return HOSTS.get(urlsplit(base_url).hostname or "", BatchForm.OPENAI)
    form = BatchForm(setting)
    if (form is BatchForm.ANTHROPIC) != (api is Api.MESSAGES):
        fitting = Api.MESSAGES if form is BatchForm.ANTHROPIC else Api.CHAT
        raise SettingsError(
            f"RUIE_LLM_BATCHES={form} does not go with the form of single calls, {api}.",
            f"Set RUIE_LLM_API={fitting}, or leave RUIE_LLM_BATCHES out.",
        )
    return form


def open_service(form: BatchForm, transport: Transport) -> BatchService:
    """The batch endpoint in a form. With FILE nothing new is sent: what was sent before the setting
    was changed is in OpenAI's form."""
    match form:
        case BatchForm.ANTHROPIC:
            return AnthropicBatches(transport)
        case BatchForm.MISTRAL:
            return MistralBatches(transport)
        case BatchForm.INLINE:
            return InlineBatches(transport)
    return OpenAIBatches(transport)
