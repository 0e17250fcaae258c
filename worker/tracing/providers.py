"""Who answers at an endpoint, as the conventions for generative AI name providers."""

from __future__ import annotations

from urllib.parse import urlsplit

HOSTS = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "openai.azure.us": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "amazonaws.com": "aws.bedrock",
    "api.mistral.ai": "mistral_ai",
    "api.groq.com": "groq",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "x_ai",
    "api.perplexity.ai": "perplexity",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.moonshot.ai": "moonshot_ai",
    "api.moonshot.cn": "moonshot_ai",
    "ml.cloud.ibm.com": "ibm.watsonx.ai",
}
"""The hosts of providers, and what ends in one after a dot or a dash."""
OTHER = "openai_compatible"
"""The conventions have no name for a server of one's own, nor for most that resell models."""


def provider_of(endpoint: str) -> str:
    """Of the endpoint with this base URL."""
    host = urlsplit(endpoint).hostname or ""
    for known, name in HOSTS.items():
        if host == known or host.endswith((f".{known}", f"-{known}")):
            return name
    return OTHER


def address_of(endpoint: str) -> tuple[str, int]:
    """Its host and port; ("", 0) where the URL has none."""
    parts = urlsplit(endpoint)
    if not parts.hostname:
        return "", 0
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
