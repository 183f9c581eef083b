"""stage-direction: a direction that does not read as one, or signs that do not belong in speech.

Why    Directions stand between single asterisks and name the user by the placeholder; the chat demo shows everything
       else as it is, and the model learns stray asterisks, bold type and "너를 바라보며" at once.
Drops  "*웃으며 안녕", "*웃으며 *손을 흔들며* 안녕*", "**정말** 좋아", "# 오늘의 계획", "<br>", "*너를 바라보며*",
       "*{이름}의 손을 잡으며*", "{유저}은(는)", "{유저}을", a persona's turn that is only a direction.
Keeps  "3*4", "홍*동", "*^^*", "*너무 놀라*", "*네 번 두드리며*", "#맛집", ">_<", "5,000원*" with its footnote.
Notes  What people write by hand too: "* 웃으며 *", `코드`, ~~농담~~, the placeholder in speech; all marks of the user.
"""

import re
from collections.abc import Iterator
from itertools import islice

from curation.filter import Filter, FilterSettings
from curation.finding import AtLeast, Observation
from curation.signs.asterisk import WELL_FORMED, Slip, find_slips
from curation.signs.markup import blank_out_markdown, find_markup, may_have_markup
from curation.signs.placeholder import Misuse, find_foreign, find_misfits, may_have_foreign
from curation.subject import Subject, Utterance


class Settings(FilterSettings):
    """Limits of `stage-direction`. A score is 1 for what is surely wrong and 0.5 for what may be meant; in the user's
    turns asterisks and markup are never worse than 0.5, since no model learns to write them."""

    unpaired: AtLeast = AtLeast(drop=1, note=0.5)
    """An asterisk without its partner on the line, 0.5 or 1. Default: speech and direction cannot be told apart."""
    nested: AtLeast = AtLeast(drop=1, note=0.5)
    """A direction opened inside another, 0.5 or 1. Default: as `unpaired`."""
    empty: AtLeast = AtLeast(drop=1, note=0.5)
    """Asterisks with nothing between them, 0.5 or 1. Default: a direction got lost."""
    spaced: AtLeast = AtLeast(note=0.5)
    """A space inside an asterisk, 0.5 or 1. Default: it reads well, so a person may look."""
    markdown: AtLeast = AtLeast(drop=1, note=0.5)
    """Markdown, 0.5 or 1. Default: a chat shows it as stray signs."""
    html: AtLeast = AtLeast(drop=1, note=0.5)
    """HTML tags and entities, 0.5 or 1; 0.5 where one is spoken of. Default: as `markdown`."""
    second_person: AtLeast = AtLeast(drop=1)
    """The user called 너, 당신 or 사용자 in a direction, 1. Default: the persona's rule demands the placeholder."""
    unknown_placeholder: AtLeast = AtLeast(drop=1, note=0.5)
    """A placeholder that is not the persona's, 0.5 or 1. Default: nothing would ever fill it."""
    particle: AtLeast = AtLeast(drop=1)
    """Particles behind the placeholder that do not fit it, counted from 1. Default: it is plainly wrong Korean."""
    only_direction: AtLeast = AtLeast(drop=1)
    """A persona's turn without a word of speech, 1. Default: the persona answers."""
    placeholder_in_speech: AtLeast = AtLeast(note=1)
    """Placeholders outside directions, counted from 1. Default: it belongs in them, but a name can be filled in."""


_MOST = 20
"""Observations of one kind in one utterance; what is wrong oftener is wrong enough."""

_SLIPS = {
    "unpaired": "짝이 없는 별표: {}",
    "nested": "지문 안에서 또 지문이 열림: {}",
    "empty": "빈 지문: {}",
    "spaced": "별표 안쪽에 빈칸이 있음: {}",
}

_BODY = (
    "손목|손등|손끝|손(?!가락|님)|어깨|머리|볼|뺨|이마|눈(?!금)|얼굴|옆|곁|앞|뒤|품|쪽으로|등(?!분)|이름|표정|소매|팔|옷|목소리|목덜미|대답|무릎|입술"
    "|허리|귓가|귀(?!퉁이)|가슴|마음|말(?!뚝)|시선|목도리|가방|턱|발끝|발치|몸|온기|휴대폰|핸드폰"
)
_TO_YOU = "(?:를|가|의|에게로?|한테|와|랑|도|만|는|보다|처럼|까지|부터|밖에|조차|마저)"
_SECOND_PERSON = re.compile(
    rf"너(?<![가-힣]너){_TO_YOU}?(?![가-힣])(?! 나 [할없])"
    r"|널(?<![가-힣]널)(?<![을를] 널)(?= )|넌(?<![가-힣]넌)(?<![을를] 넌)(?= )"
    rf"|네(?<![가-힣]네)(?:[가게]서?(?![가-힣])| (?={_BODY}))|니(?<![가-힣]니)(?:[가게]서?(?![가-힣])| (?={_BODY}))"
    rf"|당신(?<![가-힣]당신)(?:{_TO_YOU}|[을은이과])?(?![가-힣])"
    rf"|유저(?<![가-힣]유저)(?:님)?{_TO_YOU}(?![가-힣])|유저(?<![가-힣]유저) (?=쪽|옆|곁|앞|뒤)"
    rf"|사용자(?<![가-힣]사용자)(?:님)?{_TO_YOU}(?![가-힣])|사용자(?<![가-힣]사용자) (?=쪽|옆|곁|앞|뒤)"
)
"""Every choice begins with a letter, so that the search leaps from one to the next."""

_QUOTED = re.compile("\"[^\"\n]*\"|“[^”\n]*”|'[^'\n]*'|‘[^’\n]*’")


def measure(subject: Subject, _: Settings) -> Iterator[Observation]:
    """What the whole dialogue shows to be absent is not looked for in each utterance."""
    own = subject.persona.user_placeholder if subject.persona else "{유저}"
    whole = subject.whole
    directions = WELL_FORMED.findall(whole)
    is_paired = 2 * len(directions) == whole.count("*")
    told = "\n".join(directions)
    is_suspect = not is_paired or _SECOND_PERSON.search(told) is not None
    has_markup, has_foreign = may_have_markup(whole), may_have_foreign(whole, own)
    has_spoken = bool(own) and whole.count(own) != told.count(own)
    for utterance in subject.utterances:
        is_persona = utterance.role == "assistant"
        if not is_paired and "*" in utterance.text:
            for slip in find_slips(blank_out_markdown(utterance.text))[:_MOST]:
                yield _observe_slip(utterance, slip, 1 if is_persona else 0.5)
        if has_markup:
            yield from _observe_markup(utterance, is_persona)
        if has_foreign:
            yield from _observe_foreign(utterance, own)
        yield from _observe_own(utterance, own, has_spoken)
        if is_persona and is_suspect:
            yield from islice(_observe_second_person(utterance, own), _MOST)
        if is_persona and utterance.text.rstrip().endswith("*"):
            yield from _observe_silence(utterance)


def _observe_slip(utterance: Utterance, slip: Slip, score: float) -> Observation:
    start, end = slip.span.start, slip.span.end
    evidence = _SLIPS[slip.kind].format(
        _shorten(utterance.text[start : end + 20] if end - start < 3 else utterance.text[start:end])
    )
    return Observation(slip.kind, score, evidence, utterance.index, start, end)


def _observe_markup(utterance: Utterance, is_persona: bool) -> Iterator[Observation]:
    for each in islice(find_markup(utterance.text), _MOST):
        start, end = each.span.start, each.span.end
        evidence = f"{each.name}: {_shorten(utterance.text[start : end + 20].splitlines()[0])}"
        yield Observation(each.kind, 1 if each.is_sure and is_persona else 0.5, evidence, utterance.index, start, end)


def _observe_foreign(utterance: Utterance, own: str) -> Iterator[Observation]:
    for each in islice(find_foreign(utterance.text, own), _MOST):
        evidence = f"약속한 자리표시 {own}가 아님: {_shorten(each.text)}"
        yield _place("unknown_placeholder", 1 if each.is_sure else 0.5, evidence, utterance, each)


def _observe_own(utterance: Utterance, own: str, has_spoken: bool) -> Iterator[Observation]:
    if not own or own not in utterance.text:
        return
    misfits = list(find_misfits(utterance.text, own))
    if misfits:
        evidence = f"조사가 맞지 않음: {_shorten(misfits[0].text)}"
        yield _place("particle", len(misfits), evidence, utterance, misfits[0])
    if has_spoken and (count := utterance.speech.count(own)):
        start = utterance.speech.index(own)
        evidence = f"대사에 자리표시가 있음: {_shorten(utterance.text[start : start + 20])}"
        yield Observation("placeholder_in_speech", count, evidence, utterance.index, start, start + len(own))


def _place(rule: str, score: float, evidence: str, utterance: Utterance, misuse: Misuse) -> Observation:
    return Observation(rule, score, evidence, utterance.index, misuse.span.start, misuse.span.end)


def _observe_second_person(utterance: Utterance, own: str) -> Iterator[Observation]:
    for each in utterance.directions:
        direction = utterance.text[each.start : each.end]
        for found in _SECOND_PERSON.finditer(_QUOTED.sub(lambda quote: "·" * len(quote[0]), direction)):
            if not (own and found[0].startswith(own)):
                evidence = f"지문에서 유저를 {own}가 아니라 ‘{found[0].strip()}’ 하고 가리킴: {_shorten(direction)}"
                start = each.start + found.start()
                yield Observation("second_person", 1, evidence, utterance.index, start, start + len(found[0].rstrip()))


def _observe_silence(utterance: Utterance) -> Iterator[Observation]:
    text = utterance.text
    if not utterance.speech.strip() and any(map(str.isalpha, text)):
        yield Observation(
            "only_direction", 1, f"지문뿐이고 말이 없음: {_shorten(text.strip())}", utterance.index, 0, len(text)
        )


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


FILTER = Filter("stage-direction", 1, Settings, measure)
