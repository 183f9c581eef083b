"""Ways to reach somebody on the network: mail addresses, personal pages, messenger ids, IP addresses."""

import re
from collections.abc import Iterator

from curation.signs.identifiers.words import WORDS, Found, any_of, mask_digits

_MAIL = re.compile(
    r"(?<![A-Za-z0-9_%+-])(?<![A-Za-z0-9]\.)(?P<name>[A-Za-z0-9][A-Za-z0-9._%+-]{0,63})[ ]?@[ ]?"
    r"(?P<host>(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,15})(?![A-Za-z0-9])"
)
_SPELLED_MAIL = re.compile(
    r"(?<![A-Za-z0-9._-])(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{2,63})[ ]?(?:골뱅이|[(\[][ ]?at[ ]?[)\]])[ ]?"
    rf"(?P<host>(?:{any_of(WORDS.mail_hosts)})(?:[ ]?(?:\.|점|닷)[ ]?(?:com|net|컴|넷))?)"
)
_PROFILE = re.compile(rf"(?<![A-Za-z0-9])(?:{any_of(WORDS.profile_hosts)})/?@?(?P<name>[A-Za-z0-9_.-]{{3,40}})")
_MESSENGER = re.compile(
    rf"(?:{any_of(WORDS.messengers)})[ ]?(?:(?:아이디|id|ID|계정)[^A-Za-z0-9@\n]{{0,6}}@?|[^A-Za-z0-9@\n]{{0,6}}@)"
    r"(?P<name>(?=[A-Za-z0-9_.]{0,29}[A-Za-z])[A-Za-z0-9_.]{4,30})"
)
_AT_NAME = re.compile(
    r"(?<![A-Za-z0-9._@])@(?P<name>(?=[A-Za-z0-9_.]{0,29}[A-Za-z])[A-Za-z0-9_.]{4,30})(?![A-Za-z0-9_@])"
)
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IP = re.compile(rf"(?<![\d.])(?:{_OCTET}\.){{3}}{_OCTET}(?!\d|\.\d)")
_NOBODYS_IP = re.compile(
    r"0\.|10\.|127\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.|255\.|8\.8\.|1\.1\.1\.1|(?:\d\.){3}\d$"
)
"""Private and documented ranges, public resolvers, and four single digits, which are a version."""


def find_contacts(text: str) -> Iterator[Found]:
    """Mail addresses and page names in `text`."""
    for pattern in (_MAIL, _SPELLED_MAIL):
        for found in pattern.finditer(text):
            name, host = found["name"].lower(), found["host"].lower()
            is_public = name in WORDS.public.mail_names or host in WORDS.public.mail_domains
            score, what = (0.3, "예시용·대표 메일 주소") if is_public else (1.0, "메일 주소")
            yield Found("email", score, *found.span(), f"{found['name'][:2]}***@{found['host']}", what)
    for pattern in (_PROFILE, _MESSENGER, _AT_NAME):
        for found in pattern.finditer(text):
            masked = found[0].removesuffix(found["name"]) + found["name"][:2] + "***"
            yield Found("handle", 0.4, *found.span(), masked, "개인 계정으로 보임")


def find_ips(text: str) -> Iterator[Found]:
    for found in _IP.finditer(text):
        if not _NOBODYS_IP.match(found[0]):
            yield Found("ip", 0.4, *found.span(), mask_digits(found[0], 3, 0), "IP 주소")
