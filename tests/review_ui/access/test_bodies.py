"""Bodies that no page of ours sends: each is refused as what it is, and none is answered with a 500."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from curation.build import BuildOptions, build
from datagen.endpoint_options import ProviderOptions
from review_ui.access import body as bodies
from review_ui.access.body import MAX_BODY
from review_ui.reviewed_run import ReviewedRun, ReviewOptions
from tests.review_ui.access.house import House, open_house

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def run(spec: Path, tmp_path: Path) -> ReviewedRun:
    """A small run under review; the service closes it."""
    build(str(spec), tmp_path / "run", BuildOptions(ProviderOptions(offline=True), baseline=0))
    return ReviewedRun.open(tmp_path / "run", ReviewOptions())


@pytest.fixture
async def served(run: ReviewedRun, tmp_path: Path) -> AsyncIterator[tuple[House, aiohttp.ClientSession]]:
    """Its service, and a reviewer who is in."""
    async with open_house(tmp_path, runs={"run": run}) as house:
        house.add("reviewer-a")
        async with house.visit("reviewer-a") as browser:
            yield house, browser


SCREEN = '{"mode": "triage"}'
DECISION = (
    '{"key": "abcdefgh", "id": %s, "revision": %s, "kind": "accept", "mode": "triage", "looked_ms": 1,'
    ' "decided_at": %s, "screen": ' + SCREEN + "}"
)
HOSTILE = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"NaN",
    b"\xff\xfe{}",
    b'{"mode": "triage", "mode": "audit", "mode": 3}',
    b'{"mode": "triage", "least": NaN}',
    b'{"mode": "triage", "most": Infinity}',
    b'{"mode": "triage", "least": 1e999}',
    b'{"mode": "triage", "least": -1e308, "most": 1' + b"0" * 400 + b"}",
    b'{"mode": "triage", "count": 99999999999999999999999999}',
    b'{"mode": "triage", "topic": "\\ud800"}',
    b'{"mode": "triage", "topic": "\\u0000"}',
    b'{"mode": "triage", "text": "\xed\xa0\x80"}',
    b'{"mode": "triage", "topic": "../../etc/passwd"}',
    b'{"mode": "triage", "text": "%_\\\\\' OR 1=1 --"}',
    b'{"mode": "triage", "sample": "../../../etc/passwd"}',
    b'{"mode": "triage", "left_out": ["' + b'","'.join([b"a"] * 600) + b'"]}',
    b'{"mode": "triage", "unknown": 1}',
    b'{"topic": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    *(
        (DECISION % values).encode()
        for values in [
            ('"a"', "99999999999999999999999", "1"),
            ('"a"', "9223372036854775807", "1"),
            ('"a"', "1", "1e400"),
            ('"a"', "1", "-1"),
            ('"' + "a" * 600 + '"', "1", "1"),
            ('"a\\u0000"', "1", "1"),
            ("{}", "1", "1"),
            ('"a"', "true", "1"),
            ('"a"', "1.5", "1"),
        ]
    ),
]


async def test_a_hostile_body_is_refused_and_breaks_nothing(served: tuple[House, aiohttp.ClientSession]) -> None:
    _, browser = served
    for path in ("claims", "decisions", "checks", "clusters", "releases"):
        for text in HOSTILE:
            async with browser.post(f"/api/v1/runs/run/{path}", data=text, headers=JSON) as answer:
                problem = await answer.json()
                assert answer.status < 500, (path, text[:80], problem)
                if answer.status != 200:
                    assert problem["code"], (path, text[:80])
                assert len(await answer.read()) < 100_000
    async with browser.get("/api/v1/me") as answer:
        assert answer.status == 200


async def test_no_text_has_u0000(house: House) -> None:
    house.add("reviewer-a")
    async with house.visit("reviewer-a") as browser:
        for text in (b'{"mode": "triage", "topic": "\\u0000"}', b'{"mode": "triage", "text": "\\\\\\u0000"}'):
            async with browser.post("/api/v1/runs/run/claims", data=text, headers=JSON) as answer:
                assert answer.status == 422
                assert "U+0000" in (await answer.json())["message"]


async def test_a_text_may_speak_of_u0000(served: tuple[House, aiohttp.ClientSession]) -> None:
    _, browser = served
    text = json.dumps({"mode": "triage", "topic": "\\u0000"})
    async with browser.post("/api/v1/runs/run/claims", data=text, headers=JSON) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_write_that_is_not_announced_as_json_is_not_read(house: House, content_type: str) -> None:
    house.add("reviewer-a")
    async with house.visit("reviewer-a") as browser:
        headers = {"Content-Type": content_type}
        async with browser.post("/api/v1/runs/run/claims", data=b'{"mode": "triage"}', headers=headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (415, "content-type")


async def test_a_body_that_is_too_large_is_refused_packed_or_not(house: House) -> None:
    house.add("reviewer-a")
    large = b'"' + b"a" * (MAX_BODY + 1) + b'"'

    async def send_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 65_536):
            yield large[start : start + 65_536]

    packed = {**JSON, "Content-Encoding": "gzip"}
    async with house.visit("reviewer-a") as browser:
        for data, headers in ((large, JSON), (send_pieces(), JSON), (gzip.compress(large), packed)):
            async with browser.post("/api/v1/runs/run/claims", data=data, headers=headers) as answer:
                assert answer.status == 413
                assert (await answer.json())["code"] == "request-entity-too-large"
        async with browser.post("/api/v1/runs/run/claims", data=b"no gzip", headers=packed) as answer:
            assert answer.status == 400
    async with house.come() as browser, browser.post("/log-in", data={"name": "a" * MAX_BODY}) as answer:
        assert answer.status == 413


async def test_a_form_that_cannot_be_read_is_refused(house: House) -> None:
    form = "application/x-www-form-urlencoded"
    tries = [
        (b"name=%ff&token=a", form, 400),
        ("name=검수자".encode(), form, 400),
        (b"name=a&token=b", f"{form}; charset=nonsense", 401),
        (b"&".join([b"a=1"] * 3_000), form, 400),
        (b"name=%00&token=a", form, 422),
        (b"name=a&name=b&token", form, 401),
        (b"", form, 401),
        (b"--x\r\n", "multipart/form-data; boundary=x", 415),
        (b"{}", "application/json", 415),
    ]
    async with house.come() as browser:
        for data, content_type, status in tries:
            async with browser.post("/log-in", data=data, headers={"Content-Type": content_type}) as answer:
                assert answer.status == status, data[:80]


async def test_a_body_that_does_not_come_is_not_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_S", 0.2)
    head = f"POST /log-in HTTP/1.1\r\nHost: a\r\nContent-Type: {bodies.FORM}\r\nContent-Length: 9\r\n\r\nname"
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(head.encode())
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_parameters_that_stand_twice_or_cannot_be_are_refused(
    served: tuple[House, aiohttp.ClientSession],
) -> None:
    _, browser = served
    for query in ("language=ko&language=en", "language=%00", "language=%ff", "a=1", "language=" + "a" * 5_000):
        async with browser.get(f"/api/v1/runs/run/dashboard?{query}") as answer:
            assert answer.status in (200, 422), query
