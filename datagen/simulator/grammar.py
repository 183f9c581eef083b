"""The simulator's grammar: Korean data from which dialogues are composed, and how it is read.

A bank serves some topics (or, with none named, any topic) in one speech level of the persona. Its three lists hold
exchanges for the beginning, the middle and the end of a dialogue; the lines carry word slots and choices, so that a
few dozen entries give many thousands of dialogues. The YAML beside this file is the grammar; `compose` draws from it.
"""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

SpeechLevel = Literal["banmal", "jondaetmal"]

GRAMMAR_DIR = Path(__file__).parent / "grammar"


class Exchange(BaseModel):
    """One user line and one persona line, each drawn from alternatives that fit one another."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: tuple[str, ...] = Field(min_length=1)
    persona: tuple[str, ...] = Field(min_length=1)


class Bank(BaseModel):
    """Everything needed to compose dialogues about some topics in one speech level."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topics: tuple[str, ...]
    speech_level: SpeechLevel
    words: dict[str, tuple[str, ...]] = {}
    directions: tuple[str, ...] = Field(min_length=3)
    open: tuple[Exchange, ...] = Field(min_length=1)
    middle: tuple[Exchange, ...] = Field(min_length=3)
    close: tuple[Exchange, ...] = Field(min_length=1)


class Grammar(BaseModel):
    """One grammar file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    banks: tuple[Bank, ...]


def read_grammar(path: Path) -> Grammar:
    """Read one grammar file. Raises pydantic's ValidationError where it does not have the form above."""
    return Grammar.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")))


@cache
def read_all_grammars() -> tuple[Bank, ...]:
    """Every bank, file by file in the order of their names."""
    return tuple(bank for path in sorted(GRAMMAR_DIR.glob("*.yaml")) for bank in read_grammar(path).banks)


@cache
def find_banks(topic: str, speech_level: SpeechLevel) -> tuple[Bank, ...]:
    """The banks for a topic in a speech level; the general ones where nobody wrote any for the topic."""
    banks = [bank for bank in read_all_grammars() if bank.speech_level == speech_level]
    own = tuple(bank for bank in banks if topic in bank.topics)
    return own or tuple(bank for bank in banks if not bank.topics)
