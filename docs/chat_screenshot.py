"""The picture of the chat page: `python docs/chat_screenshot.py`. A real page, with replies from a script."""

import asyncio
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from threading import Event

from aiohttp import web
from playwright.async_api import async_playwright, expect

from train.chat_web import build_app
from train.saved_chat import SavedChats
from train.talk import Messages, Partner

HERE = Path(__file__).parent
CHAT = (
    ("나 왔어! 뭐 하고 있었어?", "*손을 흔들며* 어서 와! 도서관 창가에서 너 기다렸지. 오늘은 어떤 하루였어?"),
    (
        "내일 발표 있는데 벌써 떨려",
        "*{유저}의 어깨를 토닥이며* 에이, 떨린다는 건 그만큼 잘하고 싶다는 뜻이잖아.\n"
        "연습은 어디까지 해 봤어? 막히는 데가 있으면 나랑 같이 풀자.",
    ),
    (
        "첫마디를 어떻게 꺼내야 할지 모르겠어",
        "음, 첫 문장만 통째로 외워 두는 건 어때? 자전거도 첫 페달만 밟으면 굴러가거든 ㅎㅎ\n"
        "*눈을 반짝이며* 지금 떠오르는 문장 하나만 들려줄래?",
    ),
)


def speak(messages: Messages, _: Event) -> Generator[str, None, None]:
    yield dict(CHAT)[messages[-1]["content"]]


async def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        saved = SavedChats(Path(place), lambda folder, _: f"damhwa review {folder}")
        runner = web.AppRunner(build_app(Partner("예시 각본", speak, "exa", "엑사"), saved))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = await browser.new_page(viewport={"width": 1100, "height": 640}, color_scheme="light", locale="ko-KR")
            await page.goto(f"http://127.0.0.1:{runner.addresses[0][1]}")
            for number, (said, _) in enumerate(CHAT, 1):
                await page.locator("#field").fill(said)
                await page.keyboard.press("Enter")
                await expect(page.locator("#turns li")).to_have_count(2 * number)
                await expect(page.locator("#stop")).to_be_hidden()
            await page.screenshot(path=HERE / "chat.png")
            await browser.close()
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
