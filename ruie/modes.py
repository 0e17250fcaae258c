"""How the calls of a job are made: one by one, in the service tier flex, or in batches.

The mode is stored as the service tier in the job's parameters, under which its prices are listed;
the tier `batch` is in no request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

Mode = Literal["standard", "flex", "batch"]
"""flex: half the price, where a provider has it, for a call that may take minutes. batch: likewise,
for requests that are sent together and answered within hours."""
MODES: tuple[Mode, ...] = get_args(Mode)
Fallback = Literal["none", "standard"]
"""How a job goes on with what a batch has not answered in time: in another batch, or one by one."""
FALLBACKS: tuple[Fallback, ...] = get_args(Fallback)
TIER = "service_tier"
FLEX_TIMEOUT_S = 900.0
"""How long a call in the tier flex may take, as providers advise:
developers.openai.com/api/docs/guides/flex-processing"""


def mode_of(parameters: Mapping[str, Any]) -> Mode:
    """The mode in which requests with these parameters are made."""
    match parameters.get(TIER):
        case "flex":
            return "flex"
        case "batch":
            return "batch"
    return "standard"


def in_mode(parameters: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    """The same parameters in another mode."""
    if mode_of(parameters) != "standard":
        parameters = {name: parameters[name] for name in parameters if name != TIER}
    return {**parameters} if mode == "standard" else {**parameters, TIER: mode}


def is_flex(parameters: Mapping[str, Any]) -> bool:
    """Whether a request asks for the service tier flex."""
    return mode_of(parameters) == "flex"


def is_batch(parameters: Mapping[str, Any]) -> bool:
    """Whether requests are sent in batches."""
    return mode_of(parameters) == "batch"
