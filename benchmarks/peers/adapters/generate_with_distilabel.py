"""distilabel: a `Pipeline` of `LoadDataFromDicts` and `TextGeneration` over `OpenAILLM` with a `base_url`.

Settings: `input_batch_size` is what it has in flight, so 32, and the loader's batches are as large; `max_retries` is
10 instead of 6, since a request that fails for good costs its whole batch; `use_cache` is on, which is how it goes on
after a kill. It has no pace of its own (its client waits for Retry-After, request by request) and no second try for a
reply that is not as it should be. After `kill -9` it loads its cache and then waits for the batch that was in flight,
which nobody works on: the limit of time ends it, and its row says so. (A failure or Ctrl-C it writes down in time.)
"""

import sys

from benchmarks.peers.adapters.job import MAX_TOKENS, MODEL, TEMPERATURE, read_job, write_rows


def main(path: str) -> None:
    from distilabel.models import OpenAILLM  # type: ignore[import-not-found]
    from distilabel.pipeline import Pipeline  # type: ignore[import-not-found]
    from distilabel.steps import LoadDataFromDicts  # type: ignore[import-not-found]
    from distilabel.steps.tasks import TextGeneration  # type: ignore[import-not-found]

    job, prompts = read_job(path)
    rows = [{"row": each.row, "system_prompt": each.system, "instruction": each.user} for each in prompts]
    with Pipeline(name="peers", cache_dir=job.folder) as pipeline:
        load = LoadDataFromDicts(name="load", data=rows, batch_size=job.concurrency)
        model = OpenAILLM(
            model=MODEL,
            base_url=job.url,
            api_key="none",
            max_retries=10,
            timeout=120,
            generation_kwargs={"temperature": TEMPERATURE, "max_new_tokens": MAX_TOKENS},
        )
        write = TextGeneration(name="write", llm=model, input_batch_size=job.concurrency)
        load >> write
    found = pipeline.run(use_cache=True)["default"]["train"]
    write_rows(job, zip(found["row"], found["generation"], strict=True))


if __name__ == "__main__":
    main(sys.argv[1])
