"""Servers that other people wrote, started from a virtual environment of their own: it is not ours,
and its path is in the variable SERVERS.

    python -m venv servers
    servers/bin/pip install "transformers[serving]" gguf torch xllamacpp "litellm[proxy]"
    SERVERS=servers pytest -m slow tests/acceptance/test_real_servers.py
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from support.waiting import wait_until

from ruie.worker.embedded.stack import free_port

KEY = "sk-local"
UNPACK = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, file, output = sys.argv[1:]
packed = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file)
config = packed.config
if hasattr(config, "quantization_config"):
    del config.quantization_config
model = type(packed)(config).to(torch.bfloat16)
weights = {name: value.to(torch.bfloat16) for name, value in packed.state_dict().items()}
model.load_state_dict(weights)
model.save_pretrained(output)
AutoTokenizer.from_pretrained(folder, gguf_file=file).save_pretrained(output)
"""
LLAMA = """
import sys, time, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, params.hostnames = sys.argv[1], int(sys.argv[2]), ["127.0.0.1"]
params.n_ctx, params.n_parallel, params.api_keys = 4096, 1, [sys.argv[3]]
params.cpuparams.n_threads, params.warmup = 1, False
server = xllamacpp.Server(params)
time.sleep(3600)
"""
LITELLM = """
model_list:
  - model_name: gpt-5-mini
    litellm_params: {model: openai/gpt-5-mini, api_base: "URL", api_key: sk-secret}
  - model_name: plain
    litellm_params: {model: hosted_vllm/gpt-5-mini, api_base: "URL", api_key: sk-secret}
  - model_name: claude
    litellm_params: {model: anthropic/claude-opus-5, api_base: "URL", api_key: sk-secret}
general_settings: {master_key: sk-local}
router_settings: {disable_cooldowns: true, num_retries: 0}
"""


def installed(program: str) -> Path | None:
    """The path of a program in the servers' environment."""
    path = Path(os.environ.get("SERVERS", "")) / "bin" / program
    return path if "SERVERS" in os.environ and path.exists() else None


def unpack(gguf: Path, output: Path) -> None:
    """Write the model of a GGUF file as transformers reads it from a folder."""
    python = installed("python")
    assert python is not None
    arguments = [str(python), "-c", UNPACK, str(gguf.parent), gguf.name, str(output)]
    subprocess.run(arguments, check=True, capture_output=True)


@contextmanager
def served(program: str, folder: Path, *arguments: str, **env: str) -> Iterator[str]:
    """Run a program until the end of the block; gives its URL. "PORT" stands for a free port."""
    port = str(free_port())
    command = [str(installed(program)), *(a.replace("PORT", port) for a in arguments)]
    log = folder / f"{Path(program).name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env={**os.environ, **env},
        )  # fmt: skip  # one argument a line says no more
    url = f"http://127.0.0.1:{port}/v1"
    try:
        wait_until(lambda: process.poll() is not None or _answers(f"{url}/models"))
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        yield url
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):
            return True
    except HTTPError as error:
        with error:
            return error.code != 503  # llama.cpp: it loads its model
    except (URLError, OSError):
        return False


def litellm_config(folder: Path, url: str) -> Mapping[str, str]:
    """Write the configuration of a proxy in front of `url`; the environment it needs."""
    (folder / "litellm.yaml").write_text(LITELLM.replace("URL", url))
    return {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
