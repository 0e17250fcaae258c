"""The LLM behind an endpoint, for chat completions or Anthropic's Messages: one call at a time."""

from ruie.llm.call import Call, CallHook, Completion, Unlimited
from ruie.llm.client import LLMClient
from ruie.llm.connect import connect
from ruie.llm.transport import Transport
from ruie.usage import Usage

__all__ = [
    "Call",
    "CallHook",
    "Completion",
    "LLMClient",
    "Transport",
    "Unlimited",
    "Usage",
    "connect",
]
