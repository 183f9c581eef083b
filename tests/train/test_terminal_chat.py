"""The chat in a real terminal: a pseudo-terminal's other end types and reads."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.train.chatting import COMFORT, GREETING

ROOT = Path(__file__).parent.parent.parent
PROGRAM = """
import sys
from pathlib import Path
from datagen.errors import ProviderError
from tests.train.chatting import COMFORT, GREETING, Script
from train.chat import TerminalChat
from train.saved_chat import SavedChats
from train.talk import TooLongError
cut = ("고생했", ProviderError("끊김", "다시"))
replies = {"plain": (GREETING, COMFORT), "cut": cut, "full": (TooLongError(), COMFORT)}
script = Script.of(*replies[sys.argv[2]], *replies["plain"], pause_s=float(sys.argv[3]))
if sys.argv[2] == "cut":
    script.replies[0] += script.replies.pop(1)
chat = TerminalChat(script.partner, SavedChats(Path(sys.argv[1]), lambda folder, _: f"damhwa review {folder}"))
if sys.argv[2] == "full":
    chat.messages = [{"role": "user", "content": "옛말"}, {"role": "assistant", "content": "옛 답"}]
chat.run()
print("END", len(chat.messages), "ASKED", [len(each) for each in script.asked])
"""


class Terminal:
    """A program in a pseudo-terminal."""

    def __init__(self, folder: Path, script: str = "plain", pause_s: float = 0.0) -> None:
        self.file = folder / "chats.jsonl"
        main, other = pty.openpty()
        command = [sys.executable, "-c", PROGRAM, str(folder), script, str(pause_s)]
        environment = os.environ | {"LC_ALL": "C.UTF-8", "TERM": "xterm", "PYTHONPATH": str(ROOT), "COLUMNS": "160"}
        self.process = subprocess.Popen(
            command, stdin=other, stdout=other, stderr=other, cwd=ROOT, env=environment, start_new_session=True
        )
        os.close(other)
        self.main, self.shown = main, ""

    def type(self, text: str) -> None:
        os.write(self.main, text.encode())

    def wait(self, text: str, seconds: float = 20.0) -> str:
        """Read until the text is shown; gives what was shown since the last one that was waited for."""
        end = time.monotonic() + seconds
        raw = b""
        while text not in (shown := self.shown + raw.decode(errors="replace")):
            assert select.select([self.main], [], [], max(0.0, end - time.monotonic()))[0], shown
            try:
                raw += os.read(self.main, 4096)
            except OSError:  # the other end was closed
                assert text in shown, shown
        before, _, self.shown = shown.partition(text)
        return before

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        return self.process.wait(20)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(20)
        os.close(self.main)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "chats"


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Terminal]]:
    """Start the chat: `start("cut", pause_s=0.3)`."""
    with ExitStack() as stack:

        def start_one(script: str = "plain", pause_s: float = 0.0) -> Terminal:
            terminal = Terminal(folder, script, pause_s)
            stack.callback(terminal.close)
            return terminal

        yield start_one


def test_korean_is_typed_and_mended_replies_stream_and_directions_are_dimmed(start: Callable[..., Terminal]) -> None:
    terminal = start()
    terminal.wait("나 › ")
    terminal.type("나 왔엉\x7f어\r")
    terminal.wait("엑사 › \x1b[0m")
    assert terminal.wait("놀까?") == GREETING.replace("*손을", "\x1b[2m*손을").replace("흔들며*", "흔들며*\x1b[0m")[:-3]
    terminal.wait("나 › ")
    terminal.type("/save\r")
    terminal.wait("saved in")
    terminal.wait("나 › ")
    terminal.type("/quit\r")
    terminal.wait("END 2")
    assert terminal.end() == 0
    saved = [json.loads(line) for line in terminal.file.read_text(encoding="utf-8").splitlines()]
    assert [each["content"] for each in saved[0]["messages"]] == ["나 왔어", GREETING]


def test_ctrl_c_stops_the_reply_and_keeps_what_came_ctrl_d_ends_the_program(start: Callable[..., Terminal]) -> None:
    terminal = start(pause_s=0.3)
    terminal.wait("나 › ")
    # Python hears nothing in the moment between the prompt and its wait for a key.
    time.sleep(0.5)
    terminal.interrupt()
    terminal.wait("나 › ")
    terminal.type("나 왔어\r")
    terminal.wait("*손을")
    terminal.interrupt()
    assert "놀까" not in terminal.wait("나 › ")
    terminal.type("/save\r")
    terminal.wait("나 › ")
    terminal.type("\x04")
    terminal.wait("END 2 ASKED [1]")
    assert terminal.end() == 0
    reply = json.loads(terminal.file.read_text(encoding="utf-8"))["messages"][1]["content"]
    assert reply.startswith("*손을")
    assert len(reply) < len(GREETING)


def test_a_reply_that_breaks_off_is_told_and_what_came_stays_in_the_chat(start: Callable[..., Terminal]) -> None:
    terminal = start("cut")
    terminal.wait("나 › ")
    terminal.type("오늘 힘들었어\r")
    terminal.wait("고생했")
    terminal.wait("끊김")
    terminal.wait("나 › ")
    terminal.type("다시 말해 줘\r")
    terminal.wait("놀까?")
    terminal.wait("나 › ")
    terminal.type("\x04")
    terminal.wait("END 4 ASKED [1, 3]")
    assert terminal.end() == 0


def test_what_no_longer_fits_is_forgotten_and_that_is_said_once(start: Callable[..., Terminal]) -> None:
    terminal = start("full")
    terminal.wait("나 › ")
    terminal.type("힘들었어\r")
    assert "forgets" in terminal.wait("앉아서 좀 쉬어.")
    terminal.wait("나 › ")
    terminal.type("고마워\r")
    assert "forgets" not in terminal.wait("놀까?")
    terminal.wait("나 › ")
    terminal.type("\x04")
    terminal.wait("END 6 ASKED [3, 1, 3]")
    assert terminal.end() == 0


def test_reset_begins_anew_review_tells_the_next_command_and_others_are_refused(
    start: Callable[..., Terminal], folder: Path
) -> None:
    terminal = start()
    terminal.wait("나 › ")
    terminal.type("/review\r")
    terminal.wait("nothing was said yet")
    terminal.type("/rest\r")
    terminal.wait("/rest is no command")
    terminal.type("나 왔어\r")
    terminal.wait("놀까?")
    terminal.type("/review\r")
    terminal.wait(f"damhwa review {folder}")
    terminal.type("/help\r")
    terminal.wait("/reset   begin a new chat")
    terminal.type("/reset\r")
    terminal.wait("a new chat")
    terminal.type("오늘 힘들었어\r")
    terminal.wait("쉬어.")
    terminal.type("/quit\r")
    terminal.wait("END 2 ASKED [1, 1]")
    assert terminal.end() == 0


def test_lines_from_a_pipe_are_answered_without_colours(folder: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(folder), "plain", "0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command,
        input="나 왔어\n오늘 힘들었어\n",
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env=environment,
        check=True,
    )
    assert done.stdout == f"{GREETING}\n{COMFORT}\nEND 4 ASKED [1, 3]\n"
