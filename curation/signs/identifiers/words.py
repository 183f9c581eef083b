"""The words beside the digits: banks, regions, hosts, and the numbers that belong to nobody; kept as data."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict
from ruamel.yaml import YAML

_DATA = Path(__file__).parents[2] / "filters" / "data" / "personal-data.yaml"


class Found(NamedTuple):
    """An identifier in a text. `score` is a certainty in 0..1; `masked` is what a report may show of it."""

    rule: str
    score: float
    start: int
    end: int
    masked: str
    what: str


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Public(_Form):
    representative: tuple[str, ...]
    hotlines: frozenset[str]
    emergency: frozenset[str]
    cards: frozenset[str]
    mail_domains: frozenset[str]
    mail_names: frozenset[str]


class _Account(_Form):
    banks: tuple[str, ...]
    maybe_banks: tuple[str, ...]


class _Address(_Form):
    regions: tuple[str, ...]
    buildings: tuple[str, ...]


class _Words(_Form):
    public: _Public
    account: _Account
    mail_hosts: tuple[str, ...]
    profile_hosts: tuple[str, ...]
    messengers: tuple[str, ...]
    address: _Address


WORDS = _Words.model_validate(YAML(typ="safe").load(_DATA.read_text(encoding="utf-8")))

# Where a number begins and ends: \b is no border between a digit and Hangul, and "3.1415" or "1-2-3" goes on.
START = r"(?<!\d)(?<!\d[-.,])"
END = r"(?!\d|[-.,]\d)"
DASH = r"[ ]?[-–—‐−ㅡ][ ]?"


def any_of(words: Iterable[str]) -> str:
    """An alternation that prefers the longer word."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_DIGIT = re.compile(r"\d")
SPELLED_DIGIT = re.compile(r"[\d공영일이삼사오육륙칠팔구]")


def mask_digits(text: str, head: int, tail: int, digit: re.Pattern[str] = _DIGIT) -> str:
    """Digits between the first `head` and the last `tail` become asterisks. `digit`: what counts as one."""
    places = [found.start() for found in digit.finditer(text)]
    hidden = set(places[head : len(places) - tail])
    return "".join("*" if index in hidden else character for index, character in enumerate(text))
