"""Check digits of Korean numbers and of payment cards: what tells a real number from digits that look like one."""

import itertools

_RESIDENT_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
_BUSINESS_WEIGHTS = (1, 3, 7, 1, 3, 7, 1, 3)
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_resident_number(digits: str) -> bool:
    """13 digits whose last is right, for citizens (seventh digit 0–4, 9) or foreigners (5–8: the sum is shifted by 2).

    Numbers given out since October 2020 end in digits without a meaning, so False proves nothing for them.
    """
    shift = 13 if digits[6] in "5678" else 11
    total = sum(int(digit) * weight for digit, weight in zip(digits, _RESIDENT_WEIGHTS, strict=False))
    return (shift - total % 11) % 10 == int(digits[12])


def is_birthday(digits: str) -> bool:
    """Six digits YYMMDD that are a day of some year."""
    month, day = int(digits[2:4]), int(digits[4:6])
    return 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]


def is_business_number(digits: str) -> bool:
    """10 digits of a 사업자등록번호 whose last is right."""
    total = sum(int(digit) * weight for digit, weight in zip(digits, _BUSINESS_WEIGHTS, strict=False))
    last_product = int(digits[8]) * 5
    return (10 - (total + last_product + last_product // 10) % 10) % 10 == int(digits[9])


def passes_luhn(digits: str) -> bool:
    """Digits of a card (ISO/IEC 7812-1) whose last is right."""
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (doubled + sum(map(int, digits[::-2]))) % 10 == 0


def is_ean13(digits: str) -> bool:
    """13 digits of a product's barcode or an ISBN whose last is right."""
    total = sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(digits[:12]))
    return (10 - total % 10) % 10 == int(digits[12])


def is_made_up(groups: list[str]) -> bool:
    """Every group is one digit repeated or a plain run (1234, 8765, 7890): the numbers people invent for an example."""
    return all(_is_plain(group) for group in groups)


def _is_plain(group: str) -> bool:
    steps = {(int(right) - int(left)) % 10 for left, right in itertools.pairwise(group)}
    return len(steps) == 0 or steps in ({0}, {1}, {9})
