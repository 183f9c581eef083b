"""Numbers given to a person or a firm: resident, foreigner, business, card, account, passport, driver's licence."""

import re
from collections.abc import Iterator

from curation.signs.identifiers.check_digit import (
    is_birthday,
    is_business_number,
    is_ean13,
    is_made_up,
    is_resident_number,
    passes_luhn,
)
from curation.signs.identifiers.words import DASH, END, START, WORDS, Found, any_of, mask_digits

_RESIDENT = re.compile(rf"{START}(?P<birth>\d{{6}})(?P<gap>{DASH}|[ ]|)(?P<rest>\d{{7}}){END}")
_MASKED_RESIDENT = re.compile(rf"{START}\d{{6}}{DASH}[1-8][*xX●○]{{6}}")
_RESIDENT_WORD = re.compile("주민|민번|외국인[ ]?등록")
_BUSINESS = re.compile(rf"{START}(?P<a>\d{{3}})(?:{DASH}|[ ])(?P<b>\d{{2}})(?:{DASH}|[ ])(?P<c>\d{{5}}){END}")
_BARE_BUSINESS = re.compile(rf"사업자[^\d\n]{{0,10}}(?P<number>\d{{10}}){END}")
_CARD = re.compile(rf"{START}(?:(?:\d{{4}}[ \-–.]{{1,3}}){{3}}\d{{4}}|\d{{4}}[ -]\d{{6}}[ -]\d{{5}}|\d{{14,19}}){END}")
_ISSUER = re.compile(
    r"4|5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|3[47]|35(?:2[89]|[3-8])|3[0689]|6011|65|64[4-9]|62|9"
)
"""Visa, Mastercard, American Express, JCB, Diners, Discover, UnionPay; 9 for cards that are valid in Korea only."""
_LICENCE = re.compile(rf"{START}(?:1[1-9]|2[0-8]){DASH}\d{{2}}{DASH}\d{{6}}{DASH}\d{{2}}{END}")
_OLD_LICENCE = re.compile(rf"(?:{any_of(WORDS.address.regions)})[ ]?\d{{2}}{DASH}\d{{6}}{DASH}\d{{2}}{END}")
_PASSPORT = re.compile(r"(?<![A-Za-z0-9])[MSRODG](?:\d{8}|\d{3}[A-Z]\d{4})(?![A-Za-z0-9])")
_PASSPORT_WORD = re.compile("여권|[Pp]assport")
_ACCOUNT = re.compile(
    rf"(?:(?P<bank>{any_of(WORDS.account.banks)})|{any_of(WORDS.account.maybe_banks)})[^\d\n@]{{0,14}}"
    rf"(?P<number>\d{{10,16}}|\d{{2,6}}(?:[-–]\d{{2,8}}){{1,3}}|\d{{3,6}}(?:[ ]\d{{2,8}}){{2,3}}){END}"
    r"(?![ ]?(?:원|만|억|달러|개|명|년|월|일|번))"
)
_WINDOW = 20


def find_numbers(text: str) -> Iterator[Found]:
    """Official and bank numbers in `text` (digits ASCII)."""
    yield from _find_residents(text)
    yield from _find_businesses(text)
    yield from _find_cards(text)
    yield from _find_accounts(text)
    for pattern in (_LICENCE, _OLD_LICENCE):
        for found in pattern.finditer(text):
            yield _to_found("driver_licence", 0.9, found, (2, 0), "운전면허 번호")


def find_passports(text: str) -> Iterator[Found]:
    for found in _PASSPORT.finditer(text):
        is_named = _PASSPORT_WORD.search(text, max(0, found.start() - _WINDOW), found.end() + _WINDOW) is not None
        if is_named or found[0][4].isalpha():
            what = "여권 번호" if is_named else "여권 번호로 보임"
            yield _to_found("passport", 0.9 if is_named else 0.4, found, (1, 2), what)


def _find_residents(text: str) -> Iterator[Found]:
    for found in _RESIDENT.finditer(text):
        birth, rest = found["birth"], found["rest"]
        if is_birthday(birth):
            rule, name = (
                ("foreigner_number", "외국인등록번호") if rest[0] in "5678" else ("resident_number", "주민등록번호")
            )
            score, doubt = _score_resident(found, text)
            if score:
                yield _to_found(rule, score, found, (2, 0), name + doubt)
    for found in _MASKED_RESIDENT.finditer(text):
        yield _to_found("resident_number", 0.4, found, (2, 0), "생년월일과 성별이 드러난 주민등록번호")


def _score_resident(found: re.Match[str], text: str) -> tuple[float, str]:
    digits = found["birth"] + found["rest"]
    is_named = _RESIDENT_WORD.search(text, max(0, found.start() - _WINDOW), found.end()) is not None
    if is_resident_number(digits):
        is_barcode = not found["gap"] and not is_named and digits.startswith("880") and is_ean13(digits)
        return (0.4, " 또는 상품 바코드") if is_barcode else (1.0, "")
    if is_made_up([found["rest"][1:]]):
        return (0.3, " 모양의 지어낸 숫자") if found["gap"] or is_named else (0.0, "")
    if is_named:
        return 0.8, "(라고 적힌 숫자)"
    return (0.6, " 모양(검증 숫자 불일치)") if found["gap"].strip() else (0.0, "")


def _find_businesses(text: str) -> Iterator[Found]:
    for found in _BUSINESS.finditer(text):
        groups = [found["a"], found["b"], found["c"]]
        if is_made_up(groups):
            score, what = 0.3, "사업자등록번호 모양의 지어낸 숫자"
        elif is_business_number("".join(groups)):
            score, what = 1.0, "사업자등록번호"
        else:
            score, what = 0.5, "사업자등록번호 모양(검증 숫자 불일치)"
        yield _to_found("business_number", score, found, (3, 0), what)
    for found in _BARE_BUSINESS.finditer(text):
        if is_business_number(found["number"]):
            start, end = found.span("number")
            yield Found("business_number", 0.9, start, end, mask_digits(found["number"], 3, 0), "사업자등록번호")


def _find_cards(text: str) -> Iterator[Found]:
    for found in _CARD.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        groups = re.findall(r"\d+", found[0])
        is_apart = len(groups) > 1
        if digits in WORDS.public.cards or is_made_up(groups):
            score, what = 0.3 if is_apart or digits in WORDS.public.cards else 0.0, "연습용 카드 번호"
        elif passes_luhn(digits) and _ISSUER.match(digits):
            score, what = 1.0 if is_apart or len(digits) in (15, 16) else 0.6, "카드 번호"
        else:
            score, what = 0.5 if is_apart and len(digits) >= 15 else 0.0, "카드 번호 모양(검증 숫자 불일치)"
        if score:
            yield _to_found("card", score, found, (4, 0), what)


def _find_accounts(text: str) -> Iterator[Found]:
    for found in _ACCOUNT.finditer(text):
        groups = re.findall(r"\d+", found["number"])
        if not 10 <= sum(map(len, groups)) <= 16:
            continue
        certainty = 0.9 if found["bank"] else 0.6
        score = 0.3 if is_made_up(groups) else certainty
        start, end = found.span("number")
        what = f"계좌 번호({found['bank']})" if found["bank"] else "계좌 번호로 보임"
        yield Found("account", score, start, end, mask_digits(found["number"], 3, 2), what)


def _to_found(rule: str, score: float, found: re.Match[str], shown: tuple[int, int], what: str) -> Found:
    return Found(rule, score, *found.span(), mask_digits(found[0], *shown), what)
