"""`damhwa chat` in the terminal: a line is a message, a line that begins with a slash a command."""

import sys
from contextlib import closing, suppress
from dataclasses import dataclass, field
from threading import Event

from datagen.console import err, report_error
from datagen.errors import DamhwaError
from datagen.record import clean_text
from train.saved_chat import SavedChats
from train.talk import Partner, answer

HELP = """/reset   begin a new chat
/save    save this chat
/review  save it, and send it to the review queue
/quit    end; so does Ctrl-D. Ctrl-C stops a reply that is being written"""
DIM, BOLD, PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[0m"


@dataclass
class TerminalChat:
    """One chat after another, until the user ends it. `left`: exchanges that no longer fit the model's context."""

    partner: Partner
    saved: SavedChats
    messages: list[dict[str, str]] = field(default_factory=list)
    left: int = 0

    def run(self) -> None:
        with suppress(ImportError):  # where Python has none, lines are read without editing
            import readline  # noqa: F401 - editing and history of `input`
        err.print(f"{self.partner.name} ({self.partner.model}); /help lists the commands, Ctrl-D ends", markup=False)
        line = ""
        while line != "/quit":
            try:
                line = clean_text(input(f"\x01{BOLD}\x02나 › \x01{PLAIN}\x02" if is_terminal() else "")).strip()
                self._do(line)
            except EOFError:
                line = "/quit"
            except KeyboardInterrupt:
                print()
            except DamhwaError as exc:
                if not is_terminal():
                    raise
                report_error(exc)

    def _do(self, line: str) -> None:
        match line:
            case "" | "/quit":
                pass
            case "/help":
                print(HELP)
            case "/reset":
                self.messages, self.left = [], 0
                err.print("a new chat")
            case "/save" | "/review":
                id_ = self.saved.save(self.partner, self.messages)
                err.print(f"saved in {self.saved.file} as {id_}", markup=False)
                if line == "/review" and self.saved.send_to_review:
                    command = self.saved.send_to_review(self.saved.folder, id_)
                    err.print(f"it is in the review queue: {command}", markup=False)
            case _ if line.startswith("/"):
                err.print(f"{line} is no command; /help lists them", markup=False)
            case _:
                self._say(line)

    def _say(self, line: str) -> None:
        """What came before Ctrl-C or a failure stays; where nothing came, it is as if nothing had been said."""
        said, reply, stop = [*self.messages, {"role": "user", "content": line}], "", Event()
        print(f"{BOLD}{self.partner.name} › {PLAIN}" if is_terminal() else "", end="", flush=True)
        try:
            with closing(answer(self.partner, said[2 * self.left :], stop)) as pieces:
                for piece in pieces:
                    if isinstance(piece, int):
                        if not self.left:
                            err.print("(the oldest exchanges no longer fit the model's context; it forgets them)")
                        self.left += piece
                        continue
                    painted = paint(clean_text(piece), reply) if is_terminal() else piece
                    reply += piece  # first: Ctrl-C may come as soon as it is seen
                    print(painted, end="", flush=True)
        finally:
            stop.set()
            print(PLAIN if is_terminal() else "")
            if reply := clean_text(reply).strip():
                self.messages = [*said, {"role": "assistant", "content": reply}]


def paint(piece: str, before: str) -> str:
    """The next piece of a reply, stage directions in `*…*` dimmed; what stands before tells whether one is open."""
    is_open, (first, *others) = before.count("*") % 2 == 1, piece.split("*")
    for other in others:
        first += (f"*{PLAIN}" if is_open else f"{DIM}*") + other
        is_open = not is_open
    return first


def is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
