"""The simulator's files and batches, by the real client: what OpenAI's do, the tests of ours may rely on."""

import json
import time
from collections.abc import Callable
from typing import Any, Final

import openai
import pytest

from datagen.simulator.server import Simulator

StartSimulator = Callable[..., tuple[str, Simulator]]
PATH: Final = "/v1/chat/completions"


@pytest.fixture
def open_client(start_simulator: StartSimulator) -> Any:
    clients: list[openai.OpenAI] = []

    def start(**faults: object) -> tuple[openai.OpenAI, Simulator]:
        url, simulator = start_simulator(**faults)
        clients.append(openai.OpenAI(api_key="none", base_url=url, max_retries=0))
        return clients[-1], simulator

    yield start
    for client in clients:
        client.close()


def write_input(*ids: str, url: str = PATH, model: str = "m") -> bytes:
    messages = [{"role": "user", "content": "- 주제: 날씨"}]
    lines = [
        {"custom_id": id_, "method": "POST", "url": url, "body": {"model": f"{model}{at}", "messages": messages}}
        for at, id_ in enumerate(ids)
    ]
    if model == "m":
        for line in lines:
            line["body"] = {"model": "m", "messages": messages}
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def send(client: openai.OpenAI, content: bytes) -> Any:
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint=PATH, completion_window="24h", metadata={"a": "b"})


def read_lines(client: openai.OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    assert file_id is not None
    return [json.loads(line) for line in client.files.content(file_id).text.splitlines()]


def test_files_are_stored_listed_read_and_deleted(open_client: Any) -> None:
    client, _ = open_client()
    first, second = (client.files.create(file=(f"{name}.jsonl", b"x"), purpose="batch") for name in "ab")
    assert [file.id for file in client.files.list(purpose="batch", limit=1)] == [second.id, first.id]
    assert client.files.list(purpose="batch_output").data == []
    assert client.files.retrieve(first.id).filename == "a.jsonl"
    assert client.files.content(first.id).content == b"x"
    client.files.delete(first.id)
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError):
            call(first.id)
    with pytest.raises(openai.BadRequestError):
        client.files.create(file=("c.jsonl", b"x"), purpose="fine-tune")


def test_a_batch_goes_through_its_states_to_its_results(open_client: Any) -> None:
    client, simulator = open_client(batch_s=0.5)
    batch = send(client, write_input("one", "two"))
    seen = [batch.status]
    while seen[-1] != "completed":
        if (status := client.batches.retrieve(batch.id).status) != seen[-1]:
            seen.append(status)
        time.sleep(0.01)
    assert seen == ["validating", "in_progress", "finalizing", "completed"]
    done = client.batches.retrieve(batch.id)
    assert (done.request_counts.total, done.request_counts.completed, done.metadata) == (2, 2, {"a": "b"})
    lines = read_lines(client, done.output_file_id)
    assert {line["custom_id"] for line in lines} == {"one", "two"}
    assert all(line["response"]["body"]["choices"][0]["message"]["content"] for line in lines)
    assert done.error_file_id is None
    assert [each.id for each in client.batches.list(limit=1)] == [batch.id]
    assert simulator.counts["paid"] == 2


@pytest.mark.parametrize(("fate", "code"), [("expired", "batch_expired"), ("cancelled", "batch_cancelled")])
def test_a_batch_that_ends_half_way_says_what_was_not_run(open_client: Any, fate: str, code: str) -> None:
    client, _ = open_client(batch_s=0, **{f"batch_{fate}": 1.0})
    done = client.batches.retrieve(send(client, write_input("one", "two", "three", "four")).id)
    assert done.status == fate
    outputs, errors = read_lines(client, done.output_file_id), read_lines(client, done.error_file_id)
    assert {line["error"]["code"] for line in errors} == {code}
    assert {line["custom_id"] for line in outputs + errors} == {"one", "two", "three", "four"}
    assert len(outputs) == len(errors) == 2


def test_a_batch_that_is_cancelled_by_hand_ends_soon(open_client: Any) -> None:
    client, _ = open_client(batch_s=0.4)
    batch = send(client, write_input("one"))
    assert client.batches.cancel(batch.id).status == "cancelling"
    time.sleep(0.3)
    assert client.batches.retrieve(batch.id).status == "cancelled"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"not json\n", "invalid_json_line"),
        (b"", "invalid_size"),
        (write_input("one", "one"), "duplicate_custom_id"),
        (write_input("one", url="/v1/embeddings"), "mismatched_endpoint"),
        (write_input("one", "two", model="model-"), "mismatched_model"),
    ],
)
def test_an_input_file_out_of_form_fails_in_validation(open_client: Any, content: bytes, code: str) -> None:
    client, simulator = open_client(batch_s=0)
    done = client.batches.retrieve(send(client, content).id)
    assert done.status == "failed"
    assert code in {error.code for error in done.errors.data}
    assert (done.output_file_id, simulator.counts["paid"]) == (None, 0)


def test_more_tokens_than_may_wait_are_turned_away(open_client: Any) -> None:
    client, _ = open_client(batch_s=30, batch_tokens=30)
    assert send(client, write_input("one", "two")).status == "validating"
    turned_away = send(client, write_input("three", "four"))
    assert turned_away.errors.data[0].code == "token_limit_exceeded"


def test_stats_tell_what_was_done(open_client: Any) -> None:
    client, simulator = open_client(batch_s=0)
    client.batches.retrieve(send(client, write_input("one")).id)
    stats = client.get("/../stats", cast_to=object)
    assert (stats["files"], stats["batches"], stats["batch_requests"], stats["paid"]) == (1, 1, 1, 1)
    assert simulator.counts["looks"] == 1
