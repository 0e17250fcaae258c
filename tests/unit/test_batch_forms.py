"""Which form of batches an endpoint takes."""

from __future__ import annotations

import pytest

from ruie.errors import SettingsError
from ruie.llm.api import Api
from ruie.llm.batches.forms import BatchForm, form_of


def test_the_form_is_that_of_the_provider() -> None:
    chat, messages = Api.CHAT, Api.MESSAGES
    assert form_of("https://api.openai.com/v1", chat) is BatchForm.OPENAI
    assert form_of("https://x.openai.azure.com/openai/v1", chat) is BatchForm.OPENAI
    assert form_of("https://api.mistral.ai/v1", chat) is BatchForm.MISTRAL
    assert form_of("https://openrouter.ai/api/v1", chat) is BatchForm.INLINE
    assert form_of("https://api.anthropic.com", messages) is BatchForm.ANTHROPIC
    assert form_of("https://gateway.example/v1", chat, "mistral") is BatchForm.MISTRAL
    assert form_of("", chat, "file") is BatchForm.FILE


@pytest.mark.parametrize(
    ("api", "setting"), [(Api.CHAT, "anthropic"), (Api.MESSAGES, "openai"), (Api.MESSAGES, "file")]
)
def test_a_form_that_does_not_go_with_its_requests_is_an_error(api: Api, setting: str) -> None:
    with pytest.raises(SettingsError, match="RUIE_LLM_BATCHES"):
        form_of("https://gateway.example/v1", api, setting)
