"""The codes and words in which providers say what failed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ruie.errors import (
    AccountError,
    CallError,
    ContentFilteredError,
    ContextTooLongError,
    ModelError,
    RateLimitedError,
)

NEVER = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class Rule:
    """What means `kind`: a code with any HTTP status, or words with one of `statuses`."""

    kind: type[CallError]
    codes: re.Pattern[str]
    words: re.Pattern[str] = NEVER
    statuses: frozenset[int] = frozenset()

    def has_code(self, codes: set[str]) -> bool:
        return any(self.codes.fullmatch(code) for code in codes)

    def has_words(self, status: int, text: str) -> bool:
        """`status` is 0 where it is not known."""
        return (not status or status in self.statuses) and self.words.search(text) is not None


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


FILTERED = Rule(
    ContentFilteredError,
    codes=_any(
        r"content_?filter\w*",  # OpenAI, Azure, Moonshot
        r"\w*policy_?violation",  # OpenAI; Azure's ResponsibleAIPolicyViolation
        r"invalid_prompt",  # OpenAI's reasoning models: flagged as against the usage policy
        r"moderation\w*|safety\w*|prohibited_content|blocklist|spii",  # xAI, Gemini
        r"data_?inspection_?failed",  # DashScope
        r"1301",  # Zhipu
        r"1026|1027",  # MiniMax: sensitive input, sensitive output
        r"\w*sensitive\w*",  # Volcengine
    ),
    words=_any(
        r"content exists risk",  # DeepSeek
        r"content management policy",  # Azure
        r"content filter(?:ing)? policy",  # Anthropic
        r"considered high risk",  # Moonshot
        r"inappropriate content",  # DashScope
        r"(?:input|prompt|output|request|content) (?:was|has been|is) flagged",  # OpenRouter
        r"blocked (?:due to|by|because of|for) .{0,40}(?:safety|prohibited|polic|moderat|filter)",
        r"(?:rejected|refused|blocked) .{0,40}safety system",  # OpenAI
        r"(?:sensitive|unsafe) content|不安全或敏感",  # Zhipu
    ),
    statuses=frozenset({400, 403, 422, 451, 500}),
)
ACCOUNT = Rule(
    AccountError,
    codes=_any(
        r"insufficient_(?:quota|balance|credits?|funds)|payment_required|arrearage",  # DashScope
        r"billing\w*|exceeded_current_quota_error",  # OpenAI, Anthropic, Moonshot
        r"(?:in)?valid_?api_?key|(?:incorrect|wrong)_api_key|api_key_(?:invalid|expired)",  # Gemini
        r"(?:invalid_)?authentication(?:_error)?|unauthorized|invalidapikey|unauthenticated",
        r"\w*spend_limit_reached|\w*_billing_\w+|organization_on_hold",  # Anthropic
        r"account_deactivated|access_terminated|unsupported_country_region_territory",  # OpenAI
        r"1113",  # Zhipu: in arrears
        r"1008|2049",  # MiniMax: no balance, wrong key
    ),
    words=_any(
        r"api key (?:is )?(?:not valid|invalid|expired|not found)|(?:invalid|incorrect) api key",
        r"credit balance is (?:too low|exhausted)",  # Anthropic, OpenAI
        # OpenAI, through a gateway that drops its code; Gemini says the same of a minute's limit
        r"exceeded your current quota.{0,120}platform\.openai\.com",
        r"insufficient (?:account )?(?:balance|credits?|funds)|account is in arrears|余额不足",
        r"user location is not supported",  # Gemini
        r"country, region, or territory not supported",  # OpenAI
        r"reached your specified (?:api )?usage limits|organization has been disabled",  # Anthropic
        r"limit: 0\b",  # Gemini's free tier, for models that are not in it
    ),
    statuses=frozenset({400, 403, 429}),
)
MODEL = Rule(
    ModelError,
    codes=_any(
        r"(?:invalid_)?model_?(?:not_?(?:found|available|exist|supported|active)|name)",  # OpenAI
        r"model_(?:decommissioned|deprecated|terms_required|retired)|invalid_model",  # Groq
        r"deploymentnotfound|\w*endpointormodel\.?notfound",  # Azure, Volcengine
        r"dedicated_endpoint_not_running",  # Together
        r"1211|1212",  # Zhipu
    ),
    words=_any(
        r"\bmodels?\b[^;]{0,120}?\b(?:not found|not exist|does not exist|is not available"
        r"|not (?:a )?supported model)",  # Ollama, DeepSeek, vLLM, Gemini
        r"is not a valid model id|no endpoints (?:found|available)",  # OpenRouter
        r"\b(?:unknown|invalid|no such) model\b|invalid value for 'model'",
        r"\bmodel\b.{0,120}(?:has been|is|was) (?:decommissioned|deprecated|retired|shut down"
        r"|discontinued)",  # Groq, OpenAI
        r"not have access to (?:the )?model|unable to access (?:non-serverless )?model",  # Together
        r"deployment for this resource does not exist",  # Azure
        r"no models? (?:is |are )?loaded|failed to load model|model is unloaded",  # LM Studio
        r"not a chat model",  # OpenAI
        r"server is pinned to",  # transformers
    ),
    statuses=frozenset({400, 403, 404, 410, 422}),
)
TOO_LONG = Rule(
    ContextTooLongError,
    codes=_any(
        r"context_length_exceeded|request_too_large|tokens_limit_reached",  # OpenAI, GitHub Models
        r"exceed_context_size_error",  # llama.cpp
        r"(?:prompt|input|string)_(?:is_)?too_(?:long|large)|string_above_max_length|1261|1039",
    ),
    words=_any(
        r"context (?:length|size|window|limit)",  # OpenAI, llama.cpp, SGLang, vLLM, Mistral
        r"(?:prompt|input|request|messages?|text) (?:is |are )?too (?:long|large)",  # Anthropic
        r"(?:input|prompt) (?:token count|length) .{0,40}exceed",  # Gemini
        r"reduce the length of",
        r"exceeds? (?:the )?(?:maximum (?:allowed )?input length|max_(?:seq|model)_len)",
        r"inputs`? tokens \+ `?max_new_tokens",  # TGI, Together
        r"exceeded model token limit",  # Moonshot
        r"range of input length should be",  # DashScope
        r"when context the overflows",  # LM Studio
        r"max_tokens must be at least 1, got -",  # vLLM: what is left after the prompt
        r"tokens? .{0,60}too large for model",  # Mistral
    ),
    statuses=frozenset({400, 403, 422, 500}),  # 403: Together
)
LIMIT = Rule(
    RateLimitedError,
    codes=_any(
        r"rate_?limit\w*|too_many_requests|overloaded(?:_error)?|resource_exhausted|throttling\w*",
        r"resource_unavailable|capacity_exceeded|slow_down",  # OpenAI's flex tier, Groq's
        r"1302|1303|1305",  # Zhipu
    ),
)

SPENT = _any(
    r"insufficient|payment_required|arrear|billing|quota|余额|credit balance|usage limits"
    r"|spend_limit|(?<!\d)(?:1113|1008)(?!\d)"
)
ABOUT_MODEL = re.compile(r"\bmodels?\b|deployment|endpoints? found|engine", re.IGNORECASE)
ASKED = re.compile(r"limit:? (\d{1,12})\b.{0,40}?requested:? (\d{1,12})\b", re.IGNORECASE)


def asks_for_too_much(text: str) -> bool:
    """Whether one request is larger than the limit of a minute: waiting does not help (OpenAI,
    Groq)."""
    if "used" not in text.lower() and (asked := ASKED.search(text)):
        return int(asked[2]) > int(asked[1])
    return "request too large" in text.lower()


def says_credit_is_spent(codes: set[str], text: str) -> bool:
    """Whether a refused account is one without credit, and not one with a wrong key."""
    return any(SPENT.search(said) for said in (*codes, text))
