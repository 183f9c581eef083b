"""`damhwa review` and `damhwa reviewers`, as commands of their own."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from curation.build import BuildOptions, build
from datagen.endpoint_options import ProviderOptions

DAMHWA = (sys.executable, "-m", "damhwa")
ROOT = Path(__file__).parents[3]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """With a folder of accounts of the test's own."""
    rest = {name: value for name, value in os.environ.items() if name != "DAMHWA_DATABASE"}
    return {**rest, "XDG_DATA_HOME": str(tmp_path / "data")}


@pytest.fixture
def folder(spec: Path, tmp_path: Path) -> Path:
    """A small curated run."""
    build(str(spec), tmp_path / "run", BuildOptions(ProviderOptions(offline=True), baseline=0))
    return tmp_path / "run"


def _call(environment: dict[str, str], *words: str | bytes) -> subprocess.CompletedProcess[str]:
    command = [*DAMHWA, *words]
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=120, check=False
    )


class Served:
    """A service in a process of its own."""

    def __init__(self, environment: dict[str, str], *words: str) -> None:
        command = [*DAMHWA, "review", *words, "--port", "0"]
        self.process = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, encoding="utf-8")
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        found = re.search(r"http://\S+:(\d+)", line)
        assert found is not None, line + self.process.stderr.read()
        self.port = int(found[1])

    def end(self) -> tuple[int, str]:
        """The exit code, and what else it said."""
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


@pytest.fixture
def served(environment: dict[str, str], folder: Path) -> Iterator[Served]:
    """With accounts on loopback: the reviewer `reviewer-a` has the token in `token.txt`."""
    added = _call(environment, "reviewers", "add", "reviewer-a")
    (folder / "token.txt").write_text(added.stdout.strip(), encoding="utf-8")
    service = Served(environment, str(folder), "--accounts")
    yield service
    service.process.kill()
    service.process.communicate()


def test_a_token_is_printed_once_on_stdout_and_all_else_on_stderr(environment: dict[str, str]) -> None:
    added = _call(environment, "reviewers", "add", "검수자 1", "--role", "author")
    assert re.fullmatch(r"[a-z2-7]{8}(-[a-z2-7]{8}){3}\n", added.stdout)
    assert "검수자 1" in added.stderr
    renewed = _call(environment, "reviewers", "token", "검수자 1")
    assert renewed.stdout != added.stdout
    listed = _call(environment, "reviewers", "list", "--json")
    assert '"author"' in listed.stdout
    assert all(secret not in listed.stdout for secret in (added.stdout.strip(), "salt", "hash", "scrypt"))
    assert _call(environment, "reviewers", "disable", "검수자 1").stdout == ""
    assert "disabled" in _call(environment, "reviewers", "list").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("add", "\u202e관리자"), "U+202E"),
        (("add", b"\xff"), "is no name"),
        (("add", "reviewer-a", "--role", "owner"), "'owner' is no role"),
        (("token", "누구"), "there is no reviewer '누구'"),
        (("disable", "누구"), "there is no reviewer '누구'"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(
    environment: dict[str, str], words: tuple[str | bytes, ...], told: str
) -> None:
    result = _call(environment, "reviewers", *words)
    assert result.returncode == 2
    assert told in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_accounts_that_cannot_be_kept_are_told(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = _call({**environment, "XDG_DATA_HOME": str(tmp_path / "file")}, "reviewers", "add", "reviewer-a")
    assert result.returncode == 4
    assert "the accounts cannot be kept in" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--host", "0.0.0.0"), 2, "there is no active reviewer's account"),
        (("--host", "::"), 2, "damhwa reviewers add"),
        (("--accounts",), 2, "there is no active reviewer's account"),
        (("--trusted-proxy", "127.0.0.1", "--user-header", "X-Remote-User"), 2, "no active reviewer's account"),
        (("--trusted-proxy", "10.0.0.300"), 2, "is no address of a proxy"),
        (("--trusted-proxy", "10.0.0.1/8"), 2, "is no address of a proxy"),
        (("--user-header", "X-Remote-User"), 2, "--trusted-proxy"),
        (("--trusted-proxy", "::1", "--user-header", "X Remote"), 2, "is no name of a header"),
        (("--trusted-proxy", "::1", "--default-role", "reviewer"), 2, "--user-header"),
        (("--reviewer", "\u200b"), 2, "is no name"),
    ],
)
def test_a_service_that_nobody_or_anybody_could_use_does_not_start(
    environment: dict[str, str], words: tuple[str, ...], code: int, told: str
) -> None:
    result = _call(environment, "review", "nowhere", *words)
    assert (result.returncode, "Traceback" in result.stderr) == (code, False)
    assert told in " ".join(result.stderr.split())


def test_a_disabled_reviewer_is_nobody_who_could_log_in(environment: dict[str, str]) -> None:
    _call(environment, "reviewers", "add", "reviewer-a")
    _call(environment, "reviewers", "disable", "reviewer-a")
    result = _call(environment, "review", "nowhere", "--host", "0.0.0.0")
    assert "there is no active reviewer's account" in result.stderr


@pytest.mark.parametrize("name", ["nowhere", b"\xff\xfe", "a" * 300])
def test_a_run_that_cannot_be_opened_is_told_without_a_traceback(
    environment: dict[str, str], name: str | bytes
) -> None:
    result = _call(environment, "review", name)
    assert result.returncode in (2, 4)
    assert "error:" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_address_that_is_taken_is_told(environment: dict[str, str], folder: Path, served: Served) -> None:
    result = _call(environment, "review", str(folder), "--port", str(served.port))
    assert result.returncode == 2
    assert "cannot be listened on" in result.stderr


async def _wait_until_closed(port: int) -> None:
    """Nobody new is let in."""
    for _ in range(500):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return
        writer.close()
        await asyncio.sleep(0.01)
    pytest.fail("the port is still open")


async def test_at_the_end_what_is_under_way_is_finished(served: Served, folder: Path) -> None:
    token = (folder / "token.txt").read_text(encoding="utf-8")
    body = f"name=reviewer-a&token={token}".encode()
    head = (
        f"POST /log-in HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    idle = await asyncio.open_connection("127.0.0.1", served.port)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    async with aiohttp.ClientSession() as session:  # a request after the head below: the head has been read by then
        writer.write(head.encode() + body[:9])
        await writer.drain()
        async with session.get(f"http://127.0.0.1:{served.port}/log-in") as page:
            assert page.status == 200
    served.process.send_signal(signal.SIGTERM)
    await _wait_until_closed(served.port)
    assert served.process.poll() is None
    writer.write(body[9:])
    answer = await asyncio.wait_for(reader.read(), 60)
    await asyncio.wait_for(idle[0].read(), 10)
    assert answer.startswith(b"HTTP/1.1 303 ")
    assert b"damhwa_session=" in answer
    code, said = await asyncio.to_thread(served.end)
    assert (code, said) == (0, "")
    for each in (writer, idle[1]):
        each.close()


async def test_a_restart_logs_nobody_out(environment: dict[str, str], served: Served, folder: Path) -> None:
    token = (folder / "token.txt").read_text(encoding="utf-8")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        form = {"name": "reviewer-a", "token": token, "next": "/api/v1/me"}
        async with browser.post(f"http://127.0.0.1:{served.port}/log-in", data=form) as answer:
            before = await answer.json()
        served.process.send_signal(signal.SIGINT)
        assert (await asyncio.to_thread(served.end))[0] == 0
        again = await asyncio.to_thread(Served, environment, str(folder), "--accounts")
        async with browser.get(f"http://127.0.0.1:{again.port}/api/v1/me") as answer:
            assert await answer.json() == before
        again.process.send_signal(signal.SIGTERM)
        assert (await asyncio.to_thread(again.end))[0] == 0
