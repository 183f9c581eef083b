"""Korean phone numbers, however they are written down: with dashes, dots, spaces, none, or spelled out."""

import re
from collections.abc import Iterator

from curation.signs.identifiers.check_digit import is_made_up
from curation.signs.identifiers.words import END, SPELLED_DIGIT, START, WORDS, Found, any_of, mask_digits

_GAP = r"[ \-–—‐−.·,ㅡ_~/()에]{0,3}"
_SHORT_GAP = r"[ \-–—.·)]{1,3}"
_SPELLED_DIGITS = str.maketrans("공영일이삼사오육륙칠팔구", "001234566789")

_MOBILE = re.compile(
    rf"{START}(?:\+?82[ \-–.()0]{{0,5}}|0)1[016789](?P<one>{_GAP})(?P<a>\d{{3,4}})(?P<two>{_GAP})(?P<b>\d{{4}}){END}"
)
_SPELLED_MOBILE = re.compile(
    rf"(?<![\d공영])(?<!\d[-.,])[0공영]{_GAP}[1일]{_GAP}[0공영](?:{_GAP}[0-9공영일이삼사오육륙칠팔구]){{8}}"
    r"(?![\d공영삼사육칠팔구]|[-.,]\d)"
)
_LANDLINE = re.compile(
    rf"{START}(?:\+?82[ \-()0]{{0,5}}|0)(?P<area>2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50\d|80|60)"
    rf"(?P<one>{_SHORT_GAP}|)(?P<a>\d{{3,4}})(?P<two>{_SHORT_GAP}|)(?P<b>\d{{4}}){END}"
)
_REPRESENTATIVE = re.compile(rf"{START}(?:{any_of(WORDS.public.representative)})[ \-–—.]{{1,3}}\d{{4}}{END}")
_OFFICE = re.compile(rf"{START}0\d{{1,2}}[-) ]{{1,2}}120{END}")
_SHORT = re.compile(
    rf"{START}(?:{any_of(WORDS.public.hotlines | WORDS.public.emergency)})"
    r"(?=[ ]?(?:번?(?:에|으로|로)(?![가-힣])|번[ ]|번호|불러|불렀|신고|전화|상담|콜센터))"
)
_LOCAL = re.compile(rf"(?:전화|번호|연락처|폰)[^\d\n]{{0,8}}(?P<number>[2-9]\d{{2,3}}[-–]\d{{4}}){END}")
_ABROAD = re.compile(rf"(?<![\d+])\+(?!82)\d{{1,3}}(?:[ \-.()]{{1,2}}\d{{2,4}}){{2,4}}{END}")


def find_phones(text: str) -> Iterator[Found]:
    """Phone numbers in `text` (digits ASCII). Scores: 1 dialled as it stands, 0.1–0.3 nobody's."""
    for found in _MOBILE.finditer(text):
        yield from _judge_mobile(found, [found["a"], found["b"]])
    for found in _LANDLINE.finditer(text):
        yield from _judge_landline(found)
    for pattern, score, what in (
        (_REPRESENTATIVE, 0.2, "대표번호"),
        (_OFFICE, 0.2, "콜센터 번호"),
        (_ABROAD, 0.6, "해외 전화번호로 보임"),
    ):
        for found in pattern.finditer(text):
            if not _is_span_of_years(found[0]):
                yield _to_found(found[0], score, found.start(), what)
    for found in _LOCAL.finditer(text):
        yield _to_found(found["number"], 0.5, found.start("number"), "국번만 있는 전화번호로 보임")


def find_short_phones(text: str) -> Iterator[Found]:
    """Numbers of three and four digits that help: 119, 1393. Scores: 0.1 for those that everybody knows, else 0.2."""
    for found in _SHORT.finditer(text):
        yield Found("phone", 0.2 if len(found[0]) == 4 else 0.1, *found.span(), found[0], "상담·신고 전화")


def find_spelled_phones(text: str) -> Iterator[Found]:
    """Mobile numbers with some digits spelled in Hangul (공일공…), or every digit apart."""
    for found in _SPELLED_MOBILE.finditer(text):
        digits = re.sub(r"\D", "", found[0].translate(_SPELLED_DIGITS))
        yield from _judge_mobile(found, [digits[3:7], digits[7:]])


def _judge_mobile(found: re.Match[str], groups: list[str]) -> Iterator[Found]:
    digits = "".join(groups)
    if is_made_up(groups) or is_made_up([digits]):
        yield _to_found(found[0], 0.3, found.start(), "지어낸 티가 나는 전화번호")
    elif not set(digits) <= {"0", "1"}:
        yield _to_found(found[0], 1.0, found.start(), "휴대전화 번호")


def _judge_landline(found: re.Match[str]) -> Iterator[Found]:
    area, local = found["area"], found["a"]
    is_apart = bool(found["one"]) and bool(found["two"])
    if area in ("80", "60"):
        if is_apart:
            yield _to_found(found[0], 0.2, found.start(), "수신자 부담·정보 이용 번호")
    elif is_made_up([local, found["b"]]):
        yield _to_found(found[0], 0.3, found.start(), "지어낸 티가 나는 전화번호")
    elif local[0] in "01" and len(local) == 3 and len(area) < 3:
        return
    elif is_apart:
        yield _to_found(found[0], 0.9, found.start(), "전화번호")
    elif not found["one"] and not found["two"]:
        yield _to_found(found[0], 0.5, found.start(), "붙여 쓴 전화번호로 보임")


def _is_span_of_years(text: str) -> bool:
    """1592-1598 is a war, 1588-1599 could be one."""
    digits = re.sub(r"\D", "", text)
    return len(digits) == 8 and digits[4:6] in ("15", "16", "17", "18", "19", "20") and digits[:4] < digits[4:]


def _to_found(text: str, score: float, start: int, what: str) -> Found:
    return Found("phone", score, start, start + len(text), mask_digits(text, 3, 4, SPELLED_DIGIT), what)
