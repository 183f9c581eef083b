"""What generation is measured against: the same requests by (a) a bare asyncio loop, (b) a pool of threads.

Both keep nothing. Run as `python -m benchmarks.baselines asyncio|threads URL COUNT CONCURRENCY PROMPTS`; PROMPTS is a
JSON file with a list of chat messages per request, the same prompts that the product sends.
"""

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai

OPTIONS: dict[str, Any] = {"model": "damhwa-simulator", "temperature": 0.9, "max_completion_tokens": 3000}


async def ask_by_asyncio(url: str, prompts: list[Any], concurrency: int) -> None:
    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    http_client = openai.DefaultAioHttpClient(limits=limits)
    client = openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0, http_client=http_client)
    rest = iter(prompts)

    async def work() -> None:
        for messages in rest:
            reply = await client.chat.completions.create(messages=messages, **OPTIONS)
            assert reply.choices[0].message.content

    async with client:
        await asyncio.gather(*(work() for _ in range(concurrency)))


def ask_by_threads(url: str, prompts: list[Any], concurrency: int) -> None:
    client = openai.OpenAI(api_key="none", base_url=url, max_retries=0)

    def ask(messages: Any) -> None:
        reply = client.chat.completions.create(messages=messages, **OPTIONS)
        assert reply.choices[0].message.content

    with client, ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(ask, prompts))


def main(way: str, url: str, count: str, concurrency: str, file: str) -> None:
    prompts = json.loads(Path(file).read_text(encoding="utf-8"))[: int(count)]
    if way == "asyncio":
        asyncio.run(ask_by_asyncio(url, prompts, int(concurrency)))
    else:
        ask_by_threads(url, prompts, int(concurrency))


if __name__ == "__main__":
    main(*sys.argv[1:])
