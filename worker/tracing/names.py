"""What spans and their attributes are called, in one place. docs/traces.md is compared with it.

Of a call they are the names of OpenTelemetry's conventions for generative AI (1.41, in
development): https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

# Spans; a call's is `chat` and the model, as the conventions want it
ENQUEUE = "enqueue"
BATCH = "batch"
ITEM = "item"
PREPARE = "prepare"
WAIT = "wait for limits"
CALL = "chat"
SAVE = "save"

# Attributes of all OpenTelemetry
ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"

# Of generative AI
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
MAX_TOKENS = "gen_ai.request.max_tokens"
TEMPERATURE = "gen_ai.request.temperature"
TOP_P = "gen_ai.request.top_p"
TOP_K = "gen_ai.request.top_k"
SEED = "gen_ai.request.seed"
FREQUENCY_PENALTY = "gen_ai.request.frequency_penalty"
PRESENCE_PENALTY = "gen_ai.request.presence_penalty"
OUTPUT_TYPE = "gen_ai.output.type"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"

# Our own
JOB_ID = "ruie.job.id"
JOB_CLASS = "ruie.job.class"
DOCUMENTS = "ruie.documents"
NEW_DOCUMENTS = "ruie.documents.new"
REFUSED = "ruie.documents.refused"
ITEMS = "ruie.items"
BATCH_ID = "ruie.batch.id"
REUSED = "ruie.items.reused"
SAVED = "ruie.items.saved"
SUBMITTED = "ruie.items.submitted"
FAILED = "ruie.items.failed"
RETURNED = "ruie.items.returned"
LOST = "ruie.items.lost"
ITEM_ID = "ruie.item.id"
TASK = "ruie.item.task"
ATTEMPT = "ruie.item.attempt"
OUTCOME = "ruie.item.outcome"
DECISION = "ruie.item.decision"
DOCUMENT_ID = "ruie.document.id"

SAMPLING = {
    "temperature": TEMPERATURE,
    "top_p": TOP_P,
    "top_k": TOP_K,
    "seed": SEED,
    "frequency_penalty": FREQUENCY_PENALTY,
    "presence_penalty": PRESENCE_PENALTY,
}
"""Numbers in a request, by the names that they have there."""

CONTENT = (INPUT_MESSAGES, OUTPUT_MESSAGES)
"""What is only there where it was asked for."""
