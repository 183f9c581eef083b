"""personal-data: a number, an address or a name of a page by which somebody could be found.

Why    A model repeats what it was trained on, and a real number in its mouth rings at a real person's.
Drops  "010-2847-1936", "번호는01028471936이야", "공일공에 이팔사칠…", "minji.k@naver.com", "서울시 강남구 테헤란로 12",
       "카카오뱅크 3333-02-5817264"; a resident, foreigner, business or card number whose check digit is right.
Notes  What belongs to nobody (1588-…, 010-1234-5678, example.com, test cards) and what is only shaped like a number.
Keeps  Dates, prices, decimals, scores, ISBN, "종로 3가", "강남구 카페", 119 and 112.
"""

import re
from collections.abc import Iterator

from curation.filter import Filter, FilterSettings
from curation.finding import AtLeast, Observation
from curation.signs.identifiers.address import find_addresses
from curation.signs.identifiers.contact import find_contacts, find_ips
from curation.signs.identifiers.number import find_numbers, find_passports
from curation.signs.identifiers.phone import find_phones, find_short_phones, find_spelled_phones
from curation.signs.identifiers.words import Found
from curation.subject import Subject


class Settings(FilterSettings):
    """Limits of `personal-data`. Every score is a certainty in 0..1: 1 by shape and check digit, 0.8–0.9 by shape and
    the words beside it, 0.4–0.6 by shape alone, 0.1–0.3 where the number belongs to nobody."""

    phone: AtLeast = AtLeast(drop=0.8, note=0.2)
    """A phone number, 0..1. Default: drops what can be dialled; 119 and 112 (0.1) are not even noted."""
    resident_number: AtLeast = AtLeast(drop=0.8, note=0.2)
    """A 주민등록번호, 0..1; 0.6 without a right check digit, since those given out from October 2020 on have none."""
    foreigner_number: AtLeast = AtLeast(drop=0.8, note=0.2)
    """A 외국인등록번호, 0..1, scored like a resident number."""
    business_number: AtLeast = AtLeast(drop=0.8, note=0.2)
    """A 사업자등록번호, 0..1; 0.5 without a right check digit."""
    card: AtLeast = AtLeast(drop=0.8, note=0.2)
    """A payment card, 0..1; 1 where the check digit (Luhn) is right and the issuer known."""
    account: AtLeast = AtLeast(drop=0.8, note=0.2)
    """A bank account, 0..1; 0.9 where a bank stands before the digits."""
    passport: AtLeast = AtLeast(drop=0.8, note=0.2)
    """A passport number, 0..1; 0.4 where no word beside it says so."""
    driver_licence: AtLeast = AtLeast(drop=0.8, note=0.2)
    """A 운전면허번호, 0..1, by its shape."""
    email: AtLeast = AtLeast(drop=0.8, note=0.2)
    """A mail address, 0..1; 0.3 for example.com and for addresses of offices (help@…)."""
    handle: AtLeast = AtLeast(note=0.2)
    """A link to a personal page or a messenger's id, 0..1. Default: noted, since it may be a public figure's."""
    address: AtLeast = AtLeast(drop=0.8, note=0.2)
    """A postal address down to the house or flat, 0..1; 0.6 where town or building is missing."""
    ip: AtLeast = AtLeast(note=0.2)
    """A public IPv4 address, 0..1. Default: noted."""


_FIRST = re.compile(
    r"[\d@]|[공영][^가-힣\n]{0,3}일[^가-힣\n]{0,3}[공영]|골뱅이|아이디|[(\[][ ]?at[ ]?[)\]]|\.(?:com|net|me|io)/"
)
_SPELLED = re.compile(r"[0공영][^가-힣\n]{0,3}[1일][^가-힣\n]{0,3}[0공영]|[공영]에?[ ]?일에?[ ]?[공영]")
_DIGIT = re.compile(r"\d")
_PLACE = re.compile(r"[로길동리가][ ]?(?:산[ ]?)?\d")
_WIDE = str.maketrans("０１２３４５６７８９－．＠＋（）：／　", "0123456789-.@+():/ ")
_LEAST_DIGITS = 7
"""Digits of the shortest number that is looked for, a local phone number."""
_MOST_PER_MESSAGE = 10
"""Findings of one message that are told: enough to judge it, whatever its length."""


def measure(subject: Subject, _: Settings) -> Iterator[Observation]:
    for utterance in subject.utterances:
        text = utterance.text
        if _FIRST.search(text):
            for found in _keep_best(_find_all(text.translate(_WIDE))):
                evidence = f"{found.what}: {found.masked}"[:120]
                yield Observation(found.rule, found.score, evidence, utterance.index, found.start, found.end)


def _find_all(text: str) -> Iterator[Found]:
    digits = len(_DIGIT.findall(text))
    if digits >= _LEAST_DIGITS:
        yield from find_phones(text)
        yield from find_numbers(text)
        yield from find_passports(text)
    if digits >= 3:
        yield from find_short_phones(text)
    if digits >= 4 and text.count(".") >= 3:
        yield from find_ips(text)
    if digits and _PLACE.search(text):
        yield from find_addresses(text)
    if _SPELLED.search(text):
        yield from find_spelled_phones(text)
    if "@" in text or "." in text or "골뱅이" in text or "아이디" in text or "at" in text:
        yield from find_contacts(text)


def _keep_best(all_found: Iterator[Found]) -> list[Found]:
    """The likeliest reading of every place, in the order of the text."""
    kept: list[Found] = []
    for found in sorted(all_found, key=lambda each: (-each.score, each.start)):
        if len(kept) == _MOST_PER_MESSAGE:
            break
        if all(found.end <= other.start or other.end <= found.start for other in kept):
            kept.append(found)
    return sorted(kept, key=lambda each: each.start)


FILTER = Filter("personal-data", 1, Settings, measure)
