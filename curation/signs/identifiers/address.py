"""Postal addresses down to a house number, in both Korean systems: roads (테헤란로 12) and lots (역삼동 123-45)."""

import re
from collections.abc import Iterator

from curation.signs.identifiers.words import WORDS, Found, any_of, mask_digits

_TOWN = rf"(?:(?:{any_of(WORDS.address.regions)})(?:특별자치시|특별자치도|특별시|광역시|시|도)?|[가-힣]{{1,4}}시)"
_DISTRICT = r"[가-힣]{1,4}[시군구](?:[ ]?[가-힣]{1,4}[구읍면])?"
_COUNTERS = (
    "가|호선|번[ ]?출구|번[ ]?버스|번[ ]|번째|시|분|명|개|월|년|km|m|층|만|천|원|배|차|살|군데|곳|위|등|대|박|주|잔"
)
_NO_COUNTER = rf"(?!\d|[ ]?(?:{_COUNTERS}))"
_ROAD = rf"[가-힣0-9]{{1,9}}(?<!으)(?:로|길)(?:[ ]?\d{{1,4}}[가-힣]{{0,2}}길)?[ ]?\d{{1,4}}(?:-\d{{1,4}})?{_NO_COUNTER}"
_LOT = r"[가-힣0-9]{1,7}[동리가][ ]?(?:산[ ]?)?(?:\d{1,4}-\d{1,4}(?!\d)|\d{1,4}번지)"
_PLACE = rf"(?:[가-힣]{{1,5}}동[ ]?)?(?:{_ROAD}|{_LOT})"
_ADDRESS = re.compile(
    rf"(?<![가-힣])(?:(?P<town>{_TOWN})[ ]?{_DISTRICT}[ ]?{_PLACE}|"
    rf"(?P<city>세종(?:특별자치)?시|제주시|서귀포시)[ ]{_PLACE}|{_DISTRICT}[ ]{_PLACE})"
)
_FLAT = re.compile(
    rf"(?P<building>[가-힣A-Za-z0-9]{{1,10}}[ ]?(?:{any_of(WORDS.address.buildings)})[ ,]{{0,2}})?"
    r"(?<!\d)\d{1,4}동[ ]?\d{3,4}호(?!선|봉|차|실)"
)
_TAIL = re.compile(r"[로길동리가][ ]?(?:산[ ]?)?\d{1,4}")
_BEFORE, _AFTER = 48, 24
"""Characters around the house number in which an address is looked for; the longest in use have about 40."""


def find_addresses(text: str) -> Iterator[Found]:
    """Addresses and flats. Scores: 0.9 with town, district, road or lot and number; 0.6 with one of them missing."""
    end = 0
    for tail in _TAIL.finditer(text):
        found = _ADDRESS.search(text, max(end, tail.start() - _BEFORE), tail.end() + _AFTER)
        if found is not None:
            end = found.end()
            score = 0.9 if found["town"] or found["city"] else 0.6
            yield Found("address", score, *found.span(), mask_digits(found[0], 0, 0), "상세 주소")
    if "호" in text:
        for found in _FLAT.finditer(text):
            score = 0.9 if found["building"] else 0.5
            yield Found("address", score, *found.span(), mask_digits(found[0], 0, 0), "동·호수")
