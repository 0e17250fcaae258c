"""The process behind `support.batch_provider`: `python -m support.batch_provider_app FILE` writes
its port there, keeps its files and books beside it, and serves until it is killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aiohttp import web
from support.batch_provider_anthropic import Anthropic
from support.batch_provider_files import Files
from support.batch_provider_http import Front
from support.batch_provider_mistral import Mistral
from support.batch_provider_openai import OpenAI
from support.batch_provider_plan import read_batch_plan
from support.batch_provider_state import Provider
from support.batch_provider_work import Works
from support.metered_app import serve


def routes(provider: Provider) -> list[web.RouteDef]:
    front, works = Front(provider), Works(provider)

    async def follow(request: web.Request) -> web.Response:
        provider.behave(read_batch_plan(await request.json()))
        return web.Response()

    return [
        *provider.ordinary.routes(),
        *Files(provider).routes(front),
        *OpenAI(provider, works).routes(front),
        *Mistral(provider, works).routes(front),
        *Anthropic(provider, works).routes(),
        web.post("/batch-plan", follow),
    ]


async def main(port_file: Path) -> None:
    await serve(routes(Provider(port_file.parent)), port_file)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
