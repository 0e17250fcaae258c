"""Every setting: `RUIE_*` in the environment, then ruie.toml, then the default below.

The only place that reads the environment. One frozen object a process.
"""

from __future__ import annotations

import os
import tomllib
import urllib.request
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ruie import secret_settings as secret
from ruie.endpoint_settings import (
    Auth,
    Batches,
    Form,
    checked_base_url,
    checked_command,
    checked_model,
    checked_parameters,
)
from ruie.errors import SettingsError
from ruie.parsing import OutputForm
from ruie.secrets import bare_url, masked, remember_environment
from ruie.server_settings import ServerSettings
from ruie.setting_names import check_names
from ruie.token_prices import ModelPrices

CONFIG_FILE = "ruie.toml"
LONGEST_ANSWER = 1_000_000
"""Tokens: more than any model writes."""


class Settings(ServerSettings):
    """All settings of all processes; in the environment `RUIE_` and the name in capitals."""

    model_config = SettingsConfigDict(env_prefix="RUIE_", frozen=True, extra="forbid")

    # The LLM
    llm_base_url: Annotated[str, AfterValidator(checked_base_url)] = Field(
        "", description="endpoint of the LLM; empty: `ruie up` starts a local model"
    )
    llm_base_url_file: str = Field("", description="file that holds the URL, instead of the URL")
    llm_api: Form = Field("auto", description="chat, messages (Anthropic's), auto: as the URL says")
    llm_model: Annotated[str, AfterValidator(checked_model)] = Field(
        "", description="model name; empty: the first that the endpoint lists"
    )
    llm_api_key: Annotated[SecretStr, AfterValidator(secret.checked)] = Field(
        SecretStr(""), description="API key of the endpoint"
    )
    llm_api_key_file: str = Field("", description="file that holds the key, instead of the key")
    llm_api_key_command: Annotated[str, AfterValidator(checked_command)] = Field(
        "", description="command that prints the key, run without a shell, instead of the key"
    )
    llm_auth: Auth = Field(
        "auto",
        description="how the key is sent: bearer, api-key, x-api-key (the header of that name), "
        "none; auto: api-key to Azure, x-api-key with messages, else bearer",
    )
    llm_headers: Annotated[dict[str, SecretStr], AfterValidator(secret.checked_headers)] = Field(
        {}, description="headers added to each request (a JSON object); their values are secret"
    )
    llm_headers_file: str = Field("", description="file that holds the object, instead of it")
    llm_ca_file: str = Field(
        "", description="certificates (PEM) of authorities to trust besides the usual ones"
    )
    llm_parameters: Annotated[dict[str, JsonValue], AfterValidator(checked_parameters)] = Field(
        {}, description="parameters added to each request (a JSON object)"
    )
    llm_mode: Literal["standard", "flex", "batch"] = Field(
        "standard",
        description="of jobs: standard, flex (slower, at half the price), "
        "batch (within hours, at half the price)",
    )
    llm_batches: Batches = Field(
        "auto",
        description="form of the batch endpoint: openai (files), anthropic (Message Batches), "
        "mistral (jobs), inline (OpenRouter: no files), file (nothing is sent: `ruie batch write` "
        "and `ruie batch read`); auto: by the URL",
    )
    llm_batch_wait_s: float = Field(
        600.0, ge=0, description="seconds that a request waits for others to be sent with"
    )
    llm_batch_requests: int = Field(10_000, ge=1, description="most requests in one batch")
    llm_batch_tokens: int = Field(
        0,
        ge=0,
        description="most input tokens of a model in all batches at the provider, estimated; "
        "0: as many as it takes",
    )
    llm_batch_poll_s: float = Field(
        60.0, gt=0, description="seconds between two looks at a batch, at most"
    )
    llm_batch_deadline_h: float = Field(
        26.0, gt=0, description="hours after which a batch is cancelled, and what is left goes on"
    )
    llm_batch_settle_s: float = Field(
        120.0,
        ge=0,
        description="seconds for which a batch is sought whose creation was not confirmed, before "
        "it is created again",
    )
    llm_timeout_s: float = Field(120.0, gt=0, description="timeout of one call, seconds")
    llm_max_in_flight: int = Field(
        16, ge=1, description="calls in flight in one worker process, for each class of jobs"
    )
    llm_max_tokens: int = Field(
        256,
        ge=1,
        le=LONGEST_ANSWER,
        description="longest answer, tokens; twice as many in a second try, where it is cut off",
    )
    llm_reasoning_tokens: int = Field(
        4096, ge=0, description="most tokens that a reasoning model may think, beside its answer"
    )
    llm_stop: list[str] = Field(
        ["\n\n"], description='stop sequences of the linear form; ["\\n"]: an answer is one line'
    )
    llm_requests_per_minute: int = Field(
        0, ge=0, description="fleet-wide limit; 0: none, or that of the provider's headers"
    )
    llm_tokens_per_minute: int = Field(
        0, ge=0, description="fleet-wide limit, input and output together; 0: as above"
    )
    llm_input_tokens_per_minute: int = Field(0, ge=0, description="fleet-wide limit; 0: as above")
    llm_output_tokens_per_minute: int = Field(0, ge=0, description="fleet-wide limit; 0: as above")
    llm_calls_in_flight: int = Field(0, ge=0, description="fleet-wide limit; 0: none")
    llm_burst_s: float = Field(
        0.25, ge=0, le=60, description="seconds' worth of a limit that may be used at once"
    )
    llm_prices: dict[str, ModelPrices] = Field(
        {}, description="for each model, USD per million tokens in and out (a JSON object)"
    )
    llm_tokenizer: str = Field(
        "", description="tokenizer.json of the model, to count tokens; empty: tokens are estimated"
    )
    spend_per_day_usd: float = Field(
        0.0, ge=0, description="cap on the spend of all jobs in a day (UTC), USD; 0: none"
    )

    # The pages
    web_token: SecretStr = Field(
        SecretStr(""), description="what the login of `ruie web` asks for; empty: no login"
    )
    web_token_file: str = Field("", description="file that holds the token, instead of the token")

    # Extraction
    output_form: Annotated[OutputForm | None, BeforeValidator(lambda form: form or None)] = Field(
        None,
        description="of answers: auto, grammar, json or linear; empty: auto with the local model, "
        "else linear",
    )
    demonstrations: int = Field(8, ge=0, description="demonstrations in a prompt (k)")
    prompt_tokens: int = Field(1792, ge=1, description="longest prompt, estimated tokens")
    chunk_tokens: int = Field(256, ge=16, description="longest chunk of a text, estimated tokens")
    chunk_overlap: int = Field(
        1, ge=0, description="sentences that neighbouring chunks share, at most"
    )
    language: str = Field(
        "en",
        pattern="^[a-z]{2,3}(-[a-z]+)*$",
        description="language of the texts, for sentence boundaries",
    )
    encoder_threads: int = Field(1, ge=1, description="CPU threads of the encoder in each process")

    # The fleet
    concurrency: int = Field(0, ge=0, description="processes of one worker; 0: two per core")
    batch_size: int = Field(
        32, ge=1, description="work items in one batch; four times as many in jobs of mode batch"
    )
    window: int = Field(
        2048,
        ge=1,
        description="work items sent or leased at a time, at most, in each class of jobs",
    )
    lease_s: float = Field(
        60.0, gt=0, description="seconds without renewal after which a lease expires"
    )
    dispatch_s: float = Field(
        120.0, gt=0, description="seconds after which a message that was not taken is sent again"
    )
    stop_grace_s: float = Field(
        20.0, ge=0, description="time that calls in flight have to finish after SIGTERM, seconds"
    )
    max_attempts: int = Field(4, ge=1, description="attempts before an item is quarantined")
    quarantine_share: float = Field(
        0.05, ge=0, le=1, description="share of a job's items that may be given up, 0 to 1"
    )
    max_document_chars: int = Field(2_000_000, ge=1, description="longest document, characters")
    log_format: Literal["human", "json"] = Field(
        "human", description="of the log of workers and coordinators: human, json"
    )
    metrics_port: int = Field(
        0, ge=0, le=65535, description="port at which a coordinator serves metrics; 0: none"
    )
    metrics_address: str = Field(
        "127.0.0.1", min_length=1, description="address of that port; 0.0.0.0: all of this machine"
    )
    traces: Literal["off", "on", "content"] = Field(
        "off", description="of OpenTelemetry: off, on, content (with prompts and answers)"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = TomlConfigSettingsSource(settings_cls, toml_file=CONFIG_FILE)
        return init_settings, env_settings, file

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, masked(value) if isinstance(value, str) else value

    @property
    def llm_endpoint(self) -> str:
        """The base URL without secrets, as it is shown and stored."""
        return bare_url(self.llm_base_url).rstrip("/")

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Secrets from files; from here on what is secret is masked, also in errors about it."""
        read = secret.read(given)
        secret.remember(read)
        return read

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        names = ("llm_api_key", "llm_api_key_file", "llm_api_key_command")
        given = [f"RUIE_{name.upper()}" for name in names if secret.plain(getattr(self, name))]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are set: leave one of them")
        return self

    @property
    def form(self) -> OutputForm:
        """The output form of jobs."""
        if self.output_form:
            return self.output_form
        known = self.llm_base_url or self.llm_batches == "file"
        return OutputForm.LINEAR if known else OutputForm.AUTO

    def environment(self) -> dict[str, str]:
        """These settings as `RUIE_*` variables, for child processes."""
        return secret.variables(self)


@cache
def settings() -> Settings:
    """The process's settings. Raises `SettingsError` that names each wrong setting."""
    return load()


def load(**overrides: Any) -> Settings:
    """Read the settings again; `overrides` take precedence. Raises `SettingsError`."""
    remember_environment(os.environ, urllib.request.getproxies().values())
    check_names(os.environ, Settings.model_fields)
    try:
        return Settings(**secret.replaced_by(overrides))
    except ValidationError as error:
        problems = "; ".join(secret.problem(details) for details in error.errors())
        raise SettingsError(
            f"Wrong settings (environment or {CONFIG_FILE}): {problems}.",
            "The settings are listed in docs/settings.md.",
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{CONFIG_FILE} is not valid TOML: {error}.", "Correct it.") from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"Wrong settings: {error}.", "See docs/settings.md.") from None


def incoming_trace() -> dict[str, str]:
    """The trace to which this process belongs, as W3C's `traceparent` and `tracestate`: whoever
    started it put them into its environment. Empty where nobody did."""
    names = ("TRACEPARENT", "TRACESTATE")
    return {name.lower(): os.environ[name] for name in names if os.environ.get(name)}
