"""The page in a real browser, and what its server refuses."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from aiohttp import web
from playwright.sync_api import Browser, Page, expect, sync_playwright

from datagen.errors import ProviderError
from tests.review_ui.axe import SyncAxe
from tests.train.chatting import COMFORT, GREETING, Script, wait_for
from train.chat_web import build_app
from train.saved_chat import SavedChats
from train.talk import TooLongError

Open = Callable[..., Page]
LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True},
}

COMPOSING_ENTERS = """() => {
  for (const more of [{ isComposing: true }, { keyCode: 229 }])
    document.getElementById("field").dispatchEvent(
      new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ...more }));
}"""

SERVING = """
import sys
from pathlib import Path
from tests.train.chatting import Script
from train.chat_web import serve
from train.saved_chat import SavedChats
serve(Script.of().partner, SavedChats(Path(sys.argv[1])), int(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def saved(tmp_path: Path) -> SavedChats:
    return SavedChats(tmp_path / "chats", lambda folder, _: f"damhwa review {folder}/run")


@pytest.fixture
def start(saved: SavedChats) -> Iterator[Callable[[Script], str]]:
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(_serve(build_app(script.partner, saved)))


@contextmanager
def _serve(app: web.Application) -> Iterator[str]:
    """In a thread, whose loop is not playwright's, as the command serves it."""
    at: Future[str] = Future()
    loop, over = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        at.set_result(f"http://127.0.0.1:{runner.addresses[0][1]}")
        await over.wait()
        await runner.cleanup()

    thread = Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    yield at.result(10)
    loop.call_soon_threadsafe(over.set)
    thread.join(10)
    loop.close()


@pytest.fixture
def open_page(browser: Browser, start: Callable[[Script], str]) -> Iterator[Open]:
    """`open_page(script, color_scheme="dark")`; what the console complains of fails the test."""
    complaints: list[str] = []
    with ExitStack() as stack:

        def open_one(script: Script, **options: Any) -> Page:
            context = browser.new_context(locale="ko-KR", **options)
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(10_000)
            page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(start(script))
            return page

        yield open_one
    assert complaints == []


def _say(page: Page, text: str) -> None:
    page.locator("#field").fill(text)
    page.keyboard.press("Enter")


def _wait_for_end(page: Page, turns: int) -> None:
    expect(page.locator("#turns li")).to_have_count(turns)
    expect(page.locator("#stop")).to_be_hidden()


@pytest.mark.slow
def test_a_chat_streams_is_saved_and_is_sent_to_review(open_page: Open, saved: SavedChats) -> None:
    script = Script.of(GREETING, COMFORT, pause_s=0.02)
    page = open_page(script)
    expect(page.locator("#field")).to_be_focused()
    _say(page, "나 왔어")
    expect(page.locator("#turns li").last).to_have_attribute("aria-busy", "true")
    _wait_for_end(page, 2)
    bubble = page.locator("#turns li").last.locator(".bubble")
    expect(bubble).to_have_text(GREETING)
    expect(bubble.locator("em")).to_have_text("*손을 흔들며*")
    expect(page.get_by_role("status").filter(has_text=f"엑사: {GREETING}")).to_have_count(1)
    _say(page, "오늘 힘들었어")
    _wait_for_end(page, 4)
    expect(page.locator("#field")).to_be_focused()
    assert [len(each) for each in script.asked] == [1, 3]
    page.get_by_role("button", name="저장").click()
    expect(page.locator("#message")).to_have_text(f"{saved.file}에 저장했습니다.")
    page.get_by_role("button", name="검수로 보내기").click()
    expect(page.locator("#message")).to_contain_text(f"damhwa review {saved.folder}/run")
    (row,) = [json.loads(line) for line in saved.file.read_text(encoding="utf-8").splitlines()]
    assert [each["content"] for each in row["messages"]] == ["나 왔어", GREETING, "오늘 힘들었어", COMFORT]
    page.reload()
    expect(page.locator("#turns li")).to_have_count(4)
    page.get_by_role("button", name="새 대화").click()
    expect(page.locator("#turns li")).to_have_count(0)
    expect(page.locator("#empty")).to_be_visible()


@pytest.mark.slow
def test_enter_that_ends_a_syllable_sends_nothing_and_shift_enter_breaks_the_line(open_page: Open) -> None:
    script = Script.of(GREETING)
    page = open_page(script)
    session = page.context.new_cdp_session(page)
    page.locator("#field").focus()
    session.send("Input.imeSetComposition", {"text": "안녕", "selectionStart": 2, "selectionEnd": 2})
    key = {"type": "keyDown", "key": "Process", "code": "Enter", "windowsVirtualKeyCode": 229}
    session.send("Input.dispatchKeyEvent", key)
    page.evaluate(COMPOSING_ENTERS)
    session.send("Input.insertText", {"text": "안녕"})
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("나야")
    assert script.asked == []
    page.keyboard.press("Enter")
    _wait_for_end(page, 2)
    assert script.asked == [[{"role": "user", "content": "안녕\n나야"}]]


@pytest.mark.slow
def test_a_stopped_reply_keeps_what_came_and_the_model_stops(open_page: Open) -> None:
    script = Script.of(GREETING, COMFORT, pause_s=0.1)
    page = open_page(script)
    _say(page, "나 왔어")
    expect(page.locator("#turns li").last).to_contain_text("손을")
    page.get_by_role("button", name="멈추기").click()
    expect(page.locator("#message")).to_have_text("답을 멈췄습니다.")
    wait_for(script.was_stopped.is_set)
    came = page.locator("#turns li").last.locator(".bubble").inner_text()
    assert came
    assert GREETING.startswith(came)
    script.pause_s = 0.0
    _say(page, "계속해 봐")
    _wait_for_end(page, 4)
    assert script.asked[1][1]["content"] == came


@pytest.mark.slow
def test_who_leaves_in_the_middle_stops_the_model(open_page: Open) -> None:
    script = Script.of(GREETING, pause_s=0.1)
    page = open_page(script)
    _say(page, "나 왔어")
    expect(page.locator("#turns li").last).to_contain_text("손을")
    page.goto("about:blank")
    wait_for(script.was_stopped.is_set)


@pytest.mark.slow
def test_failures_are_told_what_came_is_kept_and_what_was_typed_comes_back(open_page: Open) -> None:
    script = Script.of(ProviderError("모델에 닿지 않습니다", "켜 보세요"), "고생했", COMFORT)
    script.replies[1].append(ProviderError("답이 끊겼습니다"))
    page = open_page(script)
    _say(page, "오늘 힘들었어")
    expect(page.locator("#message")).to_have_text("모델에 닿지 않습니다\n켜 보세요")
    expect(page.locator("#turns li")).to_have_count(0)
    expect(page.locator("#field")).to_have_value("오늘 힘들었어")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("여기까지 온 답은 남겨 두었습니다")
    expect(page.locator("#turns li").last).to_contain_text("고생했")
    _say(page, "계속해 줘")
    _wait_for_end(page, 4)
    assert [len(each) for each in script.asked] == [1, 1, 3]


@pytest.mark.slow
def test_what_no_longer_fits_is_forgotten_that_is_said_once_and_all_of_it_is_saved(
    open_page: Open, saved: SavedChats
) -> None:
    script = Script.of(GREETING, TooLongError(), COMFORT, "나도 고마워!")
    page = open_page(script)
    for number, said in enumerate(("나 왔어", "힘들었어", "고마워"), 1):
        _say(page, said)
        _wait_for_end(page, 2 * number)
        told = expect(page.locator("#message"))
        told.to_contain_text("기억하지 못합니다") if number == 2 else told.to_have_text("")
    assert [len(each) for each in script.asked] == [1, 3, 1, 3]
    page.get_by_role("button", name="저장").click()
    expect(page.locator("#message")).to_contain_text("저장했습니다")
    assert len(json.loads(saved.file.read_text(encoding="utf-8"))["messages"]) == 6


@pytest.mark.slow
def test_what_is_said_is_text_whatever_it_looks_like(open_page: Open) -> None:
    hostile = "<img src=x onerror=alert(1)> *<b>굵게</b>* </script> {{ 7*7 }}"
    page = open_page(Script.of(hostile))
    _say(page, hostile)
    _wait_for_end(page, 2)
    for turn in page.locator("#turns .bubble").all():
        expect(turn).to_have_text(hostile)
        assert turn.locator("img, b").count() == 0


@pytest.mark.slow
@pytest.mark.parametrize("look", LOOKS)
def test_no_state_of_the_page_has_an_axe_violation_and_nothing_is_cut_off(open_page: Open, look: str) -> None:
    script = Script.of(GREETING, COMFORT, ProviderError("답이 끊겼습니다"), pause_s=0.05)
    page = open_page(script, **LOOKS[look])
    seen = {"empty": _list_violations(page)}
    _say(page, "나 왔어")
    expect(page.locator("#turns li").last).to_contain_text("손을")
    seen["busy"] = _list_violations(page)
    _wait_for_end(page, 2)
    _say(page, "*한숨을 쉬며* 오늘 힘들었어")
    _wait_for_end(page, 4)
    seen["chat"] = _list_violations(page)
    _say(page, "더 말해 봐")
    expect(page.locator("#message")).to_contain_text("끊겼습니다")
    seen["failed"] = _list_violations(page)
    assert {state: found for state, found in seen.items() if found} == {}
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def _list_violations(page: Page) -> list[str]:
    found = SyncAxe().run(page).response["violations"]
    return [f"{each['id']}: {node['html'][:160]}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Content-Type": "text/plain"},
        {"X-Forwarded-For": "203.0.113.9"},
    ],
)
def test_a_write_that_is_not_our_pages_own_reaches_no_model(
    start: Callable[[Script], str], headers: dict[str, str]
) -> None:
    script = Script.of(GREETING)
    url = start(script)
    own = {"Origin": url, "Content-Type": "application/json"}
    body = b'[{"role": "user", "content": "hi"}]'
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(f"{url}/reply", body, own | headers))
    assert caught.value.code == 403
    caught.value.close()
    assert script.asked == []
    with urlopen(Request(f"{url}/reply", body, own)) as answer:
        assert answer.read().decode().endswith('{"done": true}\n')


def test_a_name_that_was_bound_to_loopback_anew_gets_no_page(start: Callable[[Script], str]) -> None:
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(start(Script.of()), headers={"Host": "evil.example"}))
    assert caught.value.code == 403
    caught.value.close()


def _post(url: str, path: str, body: bytes) -> str:
    with urlopen(Request(url + path, body, {"Origin": url, "Content-Type": "application/json"})) as answer:
        told: str = answer.read().decode()
    return told


@pytest.mark.parametrize("path", ["/reply", "/keep"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'[{"role": "system", "content": "x"}]',
        b'[{"role": "user"}]',
        b'[{"role": "assistant", "content": "hi"}]',
        b'[{"role": "user", "content": "hi"}, {"role": "user", "content": "hi"}]',
        b'[{"role": "user", "content": ""}]',
    ],
)
def test_what_is_no_chat_is_told_and_not_kept(
    start: Callable[[Script], str], saved: SavedChats, path: str, body: bytes
) -> None:
    with pytest.raises(HTTPError) as caught:
        _post(start(Script.of(GREETING)), path, body)
    assert caught.value.code == 400
    assert "no chat" in json.load(caught.value)["error"]
    caught.value.close()
    assert not saved.file.exists()


def test_a_reply_that_fails_in_a_way_nobody_thought_of_does_not_end_as_if_it_were_whole(
    start: Callable[[Script], str], capsys: pytest.CaptureFixture[str]
) -> None:
    told = _post(start(Script.of(ValueError("no such role"))), "/reply", b'[{"role": "user", "content": "hi"}]')
    error, done = map(json.loads, told.splitlines())
    assert error["error"] == "the reply failed: ValueError: no such role"
    assert error["hint"]
    assert done == {"done": True}
    assert "Traceback" in capsys.readouterr().err


def test_every_answer_has_the_strict_headers(start: Callable[[Script], str]) -> None:
    url = start(Script.of())
    for path in ("/", "/static/chat.js", "/static/chat.css"):
        with urlopen(url + path) as answer:
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; ")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_command_serves_until_it_is_interrupted_and_tells_of_a_port_that_another_has(tmp_path: Path) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = [sys.executable, "-c", SERVING, str(tmp_path), str(port)]
    options: dict[str, Any] = {"stderr": subprocess.PIPE, "encoding": "utf-8", "cwd": Path(__file__).parents[2]}
    with subprocess.Popen(command, **options) as process:
        assert process.stderr is not None
        try:
            assert process.stderr.readline() == f"chatting at http://127.0.0.1:{port} (Ctrl-C ends it)\n"
            with urlopen(f"http://127.0.0.1:{port}/") as answer:
                assert "<h1>엑사</h1>" in answer.read().decode()
            second = subprocess.run(command, **options, check=False)
            assert f"UsageError: 127.0.0.1:{port} cannot be listened on" in second.stderr
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        finally:
            process.kill()
