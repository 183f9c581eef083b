"""bespokelabs-curator: a `curator.LLM` with `prompt` and `parse`, its documented way for a row in and a row out.

Settings: `max_concurrent_requests` as everybody's; the requests and tokens a minute are not limited by itself (it would
keep to a default of its own), or are told where the endpoint enforces them, which it recommends; `max_retries` is its
default of 10; it pauses for as long as the endpoint's Retry-After says (its default is 10 s, it does not read the
header); `require_all_responses` is off, so that one failed row does not cost all. It goes on from the response file in
its working directory. A reply that `parse` refuses is skipped and not asked for again, so `parse` refuses none.
"""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.peers.adapters.job import MAX_TOKENS, MODEL, TEMPERATURE, read_job, write_rows

NO_LIMIT = 1_000_000_000


def find_tokenizers() -> Path:
    """litellm brings tiktoken's file, which curator would else download to count tokens."""
    spec = importlib.util.find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "litellm_core_utils" / "tokenizers"


def main(path: str) -> None:
    os.environ["TIKTOKEN_CACHE_DIR"] = str(find_tokenizers())
    from bespokelabs import curator  # type: ignore[import-not-found]

    job, prompts = read_job(path)

    class Writer(curator.LLM):  # type: ignore[misc]
        def prompt(self, row: dict[str, Any]) -> list[dict[str, str]]:
            return [{"role": "system", "content": row["system"]}, {"role": "user", "content": row["user"]}]

        def parse(self, row: dict[str, Any], response: str) -> dict[str, Any]:
            return {"row": row["row"], "text": response}

    settings = {
        "base_url": job.url,
        "api_key": "none",
        "max_concurrent_requests": job.concurrency,
        "max_requests_per_minute": job.rpm or NO_LIMIT,
        "max_tokens_per_minute": NO_LIMIT,
        "max_retries": 10,
        "seconds_to_pause_on_rate_limit": max(1, job.retry_after_s),
        "require_all_responses": False,
    }
    writer = Writer(
        model_name=MODEL,
        backend="openai",
        backend_params=settings,
        generation_params={"temperature": TEMPERATURE, "max_completion_tokens": MAX_TOKENS},
    )
    rows = [{"row": each.row, "system": each.system, "user": each.user} for each in prompts]
    found = writer(rows, working_dir=job.folder).dataset
    write_rows(job, ((each["row"], each["text"]) for each in found))


if __name__ == "__main__":
    main(sys.argv[1])
