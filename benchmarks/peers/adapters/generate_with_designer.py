"""data-designer: a seed dataset of prompts and a custom column that asks the model and has its reply parsed.

Settings: `max_parallel_requests` as everybody's; the column's `parser` is the neutral judge, so that a malformed reply
is asked for again (`max_conversation_restarts`, its default of 5), which its plain text column does not do; row groups
of 100 instead of 1,000, since it goes on from whole row groups after a kill (`resume`); early shutdown is off, since
the faults are meant. Its adaptive admission is its own answer to 429. Its profiler and metrics server are its defaults
or off where they would only cost.
"""

import sys
from pathlib import Path
from typing import Any

from benchmarks.peers.adapters.job import MAX_TOKENS, MODEL, TEMPERATURE, read_job, write_rows
from benchmarks.peers.transcripts import find_fault

ROW_GROUP = 100
RESTARTS = 5


def main(path: str) -> None:
    import data_designer.config as dd  # type: ignore[import-not-found]
    import pandas as pd
    from data_designer.engine.models.parsers.errors import ParserException  # type: ignore[import-not-found]
    from data_designer.interface import DataDesigner  # type: ignore[import-not-found]

    job, prompts = read_job(path)

    def demand(exchanges: int) -> Any:
        def parse(reply: str) -> str:
            if fault := find_fault(reply, exchanges):
                raise ParserException(fault)
            return reply

        return parse

    @dd.custom_column_generator(required_columns=["system", "user", "exchanges"], model_aliases=["writer"])  # type: ignore[untyped-decorator]
    async def ask(row: dict[str, Any], generator_params: None, models: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
        parser = demand(int(row["exchanges"]))
        row["text"], _ = await models["writer"].agenerate(
            row["user"], system_prompt=row["system"], parser=parser, max_conversation_restarts=RESTARTS
        )
        return row

    provider = dd.ModelProvider(name="local", endpoint=job.url, provider_type="openai", api_key="none")
    model = dd.ModelConfig(
        alias="writer",
        model=MODEL,
        provider="local",
        skip_health_check=True,
        inference_parameters=dd.ChatCompletionInferenceParams(
            temperature=TEMPERATURE, max_tokens=MAX_TOKENS, max_parallel_requests=job.concurrency, timeout=120
        ),
    )
    seed = Path(job.folder) / "seed.parquet"
    if not seed.exists():
        seed.parent.mkdir(parents=True, exist_ok=True)
        columns = ("row", "system", "user", "exchanges")
        pd.DataFrame([{name: getattr(each, name) for name in columns} for each in prompts]).to_parquet(seed)
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    builder.with_seed_dataset(dd.LocalFileSeedSource(path=str(seed)))
    builder.add_column(dd.CustomColumnConfig(name="text", generator_function=ask))
    designer = DataDesigner(artifact_path=job.folder, model_providers=[provider])
    designer.set_run_config(dd.RunConfig(buffer_size=ROW_GROUP, disable_early_shutdown=True, otel_metrics_port=None))
    made = designer.create(
        builder, num_records=len(prompts), dataset_name="dialogues", resume=dd.ResumeMode.IF_POSSIBLE
    )
    found = made.load_dataset()
    write_rows(job, ((int(row), text) for row, text in zip(found["row"], found["text"], strict=True)))


if __name__ == "__main__":
    main(sys.argv[1])
