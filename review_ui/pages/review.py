"""The review page: a frame that the script fills with cards from the API.

What the script needs to start lies in the page itself (who one is, the token, the runs, its words), so that the first
thing it asks for is a card.
"""

from typing import get_args

from aiohttp import web

from review_ui.api.forms import Reason
from review_ui.app import SERVICE
from review_ui.pages.frame import read_language, read_visit, render
from review_ui.pages.problem import show_nothing_yet
from review_ui.words import LANGUAGES

REASONS: tuple[Reason, ...] = get_args(Reason)
"""In the order of their keys, 1 to 6."""
SUGGESTED: dict[str, Reason] = {
    "speech-level": "speech-level",
    "unsafe": "unsafe",
    "moderation": "unsafe",
    "contradiction": "fact",
    "personal-data": "unsafe",
    "semantic": "duplicate",
    "contamination": "duplicate",
    "repetition": "broken",
    "unfinished": "broken",
    "label-leak": "broken",
    "script": "broken",
    "language": "broken",
    "role-swap": "broken",
}
"""Code of a finding → the reason that Enter in the note's field gives; without one: persona."""
KEYS: tuple[tuple[str, str], ...] = (
    ("A", "key.accept"),
    ("F 1–6", "key.flag"),
    ("E", "key.edit"),
    ("→", "key.later"),
    ("←", "key.back"),
    ("U", "key.undo"),
    ("↑ ↓", "key.turn"),
    ("G", "key.compare"),
    ("V", "key.enlarge"),
    ("P", "key.play"),
    ("/", "key.search"),
    ("?", "key.help"),
    ("Esc", "key.close"),
    ("Ctrl+Enter", "key.save"),
    ("Ctrl+Shift+Enter", "key.next"),
)


async def show(request: web.Request) -> web.StreamResponse:
    """The page. Raises ApiError where nobody is logged in."""
    visit = read_visit(request)
    if not request.app[SERVICE].runs:
        return show_nothing_yet(request)
    language = read_language(request)
    at = LANGUAGES.index(language)
    page = {
        "user": visit.user.name,
        "csrf": visit.csrf,
        "language": language,
        "runs": list(request.app[SERVICE].runs),
        "reasons": REASONS,
        "suggested": SUGGESTED,
        "words": {key: both[at] for key, both in SCRIPT_WORDS.items()},
    }
    return render(request, "review.html.j2", WORDS, page=page, page_keys=KEYS)


SCRIPT_WORDS: dict[str, tuple[str, str]] = {
    "task": ("작업 {run} · {mode}", "{run} · {mode}"),
    "mode.audit": ("표본 검수", "Audit"),
    "mode.triage": ("선별 검수", "Triage"),
    "pace": ("오늘 {count}건 · 중앙값 {seconds}초", "{count} today · median {seconds} s"),
    "agreement": ("일치도 AC1 {value} (이중 검수 {count}건)", "Agreement AC1 {value} ({count} seen twice)"),
    "saved.saved": ("모두 저장됨", "All saved"),
    "saved.waiting": ("저장 대기 {count}건", "{count} waiting"),
    "saved.away": ("오프라인 · 대기 {count}건", "Offline · {count} waiting"),
    "saved.out": ("로그인 필요 · 대기 {count}건", "Log in again · {count} waiting"),
    "refusals": ("거절 {count}건", "{count} refused"),
    "refused_one": ("저장되지 않은 결정: {message}", "A decision was refused: {message}"),
    "refused.stale": (
        "그사이 글이 바뀌었습니다. 새 글을 보고 다시 결정해 주세요.",
        "The text has changed since: look at it again, then decide",
    ),
    "refused.mode": (
        "다른 검수로 옮겨 간 대화입니다. 그쪽에서 결정해 주세요.",
        "The dialogue belongs to the other mode now: decide there",
    ),
    "refused.unknown": ("더는 검수 대상이 아닌 대화입니다.", "The dialogue is no longer to be reviewed"),
    "refused.undo": ("되돌릴 수 없는 결정입니다.", "This decision cannot be undone"),
    "needs_server": ("서버에 닿지 않음. 연결되면 다시 시도", "The server is away; trying again"),
    "cannot_store": (
        "브라우저에 저장할 수 없음. 저장 공간이나 개인 정보 설정을 확인",
        "This browser cannot store decisions: check its space and privacy settings",
    ),
    "loading": ("불러오는 중", "Loading"),
    "empty.away": (
        "서버에 닿지 않습니다. 저장된 결정은 이 브라우저에 있습니다. 연결되면 이어서 보냅니다.",
        "The server is away. What you decided is safe in this browser and is sent when the server is back.",
    ),
    "unseen": ("보이지 않는 문자", "Invisible character"),
    "all": ("전체", "All"),
    "all_topics": ("모든 주제", "All topics"),
    "waiting": ("남은 대화 {count}건", "{count} left"),
    "lease": ("{minutes}분 남음", "{minutes} min left"),
    "bound.none": ("아직 본 것 없음", "Nothing reviewed yet"),
    "bound.open": ("결함률 상한 {bound}%", "At most {bound}% defects"),
    "bound.more": ("{more}건 더 보면 판정", "{more} more to pass"),
    "bound.all": ("남은 {left}건을 모두 검수", "review all of the {left} left"),
    "bound.over": ("모두 검수함", "all reviewed"),
    "unseen_left": ("미검수 {count}건", "{count} not reviewed"),
    "bound.pass": ("합격 — 결함률 ≤ {bound}% (95%)", "Passed — defects ≤ {bound}% (95%)"),
    "bound.fail": ("불합격 — 결함률 상한 {bound}%", "Failed — at most {bound}% defects"),
    "again": ("다시 만들 것 {count}건", "{count} to be made again"),
    "turn": ("{turn}번", "turn {turn}"),
    "turn.user": ("{turn}번, 유저", "Turn {turn}, user"),
    "turn.assistant": ("{turn}번, 페르소나", "Turn {turn}, persona"),
    "picture": ("{turn}번 말풍선의 사진", "Picture in turn {turn}"),
    "picture.enlarge": ("크게 보기: {about}", "Enlarge: {about}"),
    "picture.gone": (
        "사진을 볼 수 없습니다. 파일이 없거나 바뀌었습니다.",
        "The picture cannot be shown: its file is missing, or was changed",
    ),
    "picture.none": ("사진이 없는 대화", "This dialogue has no picture"),
    "picture.place": ("{turn}번 · 사진 {at}/{count}", "Turn {turn} · picture {at} of {count}"),
    "recording": ("{turn}번 말풍선의 녹음", "Recording of turn {turn}"),
    "recording.gone": (
        "녹음을 들을 수 없습니다. 파일이 없거나 바뀌었습니다.",
        "The recording cannot be played: its file is missing, or was changed",
    ),
    "recording.none": ("녹음이 없는 대화", "This dialogue has no recording"),
    "revision": ("고친 글 {revision}판", "revision {revision}"),
    "findings.hidden": ("표본 검수에서는 결정한 뒤에 보임", "Hidden in the audit until you decide"),
    "findings.none": ("걸린 규칙 없음", "Nothing found"),
    "similarity": ("유사도 {similarity}", "similarity {similarity}"),
    "same": ("글이 같음", "The same text"),
    "banmal": ("반말", "casual speech"),
    "jondaetmal": ("존댓말", "polite speech"),
    "scenario.situation": ("상황", "Situation"),
    "scenario.opening": ("첫마디", "Opening"),
    "scenario.exchanges": ("주고받기", "Exchanges"),
    "scenario.model": ("모델", "Model"),
    "log.mine": ("내 결정: {kind} ({at})", "Mine: {kind} ({at})"),
    "log.verdict": ("판정: {kind} · {state}", "Verdict: {kind} · {state}"),
    "kind.accept": ("승인", "accepted"),
    "kind.flag": ("플래그", "flagged"),
    "kind.edit": ("고침", "edited"),
    "kind.later": ("나중에", "put off"),
    "kind.keep-one": ("하나만 남김", "kept one"),
    "kind.keep-all": ("모두 남김", "kept all"),
    "kind.drop-all": ("모두 뺌", "dropped all"),
    "kind.kept": ("대기", "waiting"),
    "kind.waiting": ("대기", "waiting"),
    "kind.duplicate": ("중복으로 빠짐", "left out as a duplicate"),
    "kind.dropped": ("거르개가 뺌", "dropped by a filter"),
    "kind.gone": ("없어짐", "gone"),
    "state.open": ("대기", "open"),
    "state.second": ("둘째 검수 대기", "waits for a second look"),
    "state.third": ("셋째 검수 대기", "waits for a third look"),
    "state.done": ("끝남", "done"),
    "edit": ("{turn}번 고치기", "Edit turn {turn}"),
    "edit.none": ("고치기", "Edit"),
    "edit.same": ("바뀐 것 없음", "Nothing was changed"),
    "edit.checking": ("거르개가 다시 보는 중", "The filters are looking"),
    "edit.rejected_one": (
        "{id}: 거르개에 걸린 고침. 이대로 두면 이 대화는 다시 만듦",
        "{id}: the filters reject the edit; left so, the dialogue is made again",
    ),
    "edit.kept": ("고치던 글은 남겨 둠", "The draft is kept"),
    "undo": ("되돌리기 — 방금: {id} {kind}", "Undo — {id} {kind}"),
    "undo.none": ("되돌리기", "Undo"),
    "undo.nothing": ("되돌릴 결정 없음", "There is nothing to undo"),
    "no_earlier": ("앞선 대화 없음", "There is no earlier dialogue"),
    "flag.whole": ("대화 전체", "whole dialogue"),
    "search.audit": ("글 검색은 선별 검수에서", "Text search belongs to triage"),
    "keep_one": ("이것만 남기기", "Keep only this"),
    "read_only": ("표본 검수의 대화: 보기만", "Belongs to the audit: to read only"),
    "changed": ("그사이 바뀐 대화", "It was changed meanwhile"),
    "open": ("열기", "Open"),
    "dismiss": ("지우기", "Dismiss"),
}
WORDS: dict[str, tuple[str, str]] = SCRIPT_WORDS | {
    "run": ("작업", "Run"),
    "queue": ("검수할 대화 고르기", "What to review"),
    "queue.short": ("대기열", "Queue"),
    "mode": ("검수 방식", "Mode"),
    "topics": ("주제별", "By topic"),
    "filters": ("거르개", "Filters"),
    "filter.text": ("글 검색", "Text search"),
    "filter.why": ("보는 이유", "Why it is here"),
    "filter.finding": ("걸린 규칙", "Finding"),
    "filter.persona": ("페르소나", "Persona"),
    "filter.model": ("모델", "Model"),
    "filter.least": ("점수 최소", "Score from"),
    "filter.most": ("점수 최대", "Score to"),
    "why": ("이 대화를 보는 이유:", "Why this one:"),
    "facts": ("대화에 대해 아는 것", "About this dialogue"),
    "findings": ("거르개가 본 것", "What the filters saw"),
    "near": ("비슷한 대화", "Similar dialogues"),
    "compare": ("나란히 보기", "Side by side"),
    "persona": ("페르소나", "Persona"),
    "sheet": ("페르소나 설정", "Persona sheet"),
    "scenario": ("시나리오", "Scenario"),
    "log": ("기록", "Log"),
    "accept": ("승인", "Accept"),
    "flag": ("플래그", "Flag"),
    "later": ("나중에", "Later"),
    "back": ("이전", "Back"),
    "help": ("단축키", "Keys"),
    "close": ("닫기", "Close"),
    "flag.title": ("플래그 사유", "Why flag it?"),
    "flag.note": ("메모 (없어도 됨)", "Note (optional)"),
    "flag.hint": (
        "숫자 키로 결정. 메모에서 Enter: 표시된 사유",
        "A digit decides. Enter in the note: the marked reason",
    ),
    "reason.persona": ("페르소나에서 벗어남", "Out of persona"),
    "reason.fact": ("사실과 다름", "Wrong fact"),
    "reason.unsafe": ("안전하지 않음", "Unsafe"),
    "reason.speech-level": ("말투가 다름", "Speech level"),
    "reason.duplicate": ("중복", "Duplicate"),
    "reason.broken": ("깨진 글", "Broken text"),
    "edit.field": ("고칠 글", "Text of the turn"),
    "edit.diff": ("바뀐 곳", "Changes"),
    "edit.save": ("저장", "Save"),
    "edit.next": ("다음 말풍선", "Next turn"),
    "edit.rejected": (
        "거르개에 걸린 고침입니다. 이대로 두면 이 대화는 다시 만듭니다. 더 고치거나 되돌리세요({keys}).",
        "The filters reject this edit. Left so, the dialogue is made again. Change it further, or undo ({keys}).",
    ),
    "edit.stop": ("그만두기", "Leave"),
    "edit.go_on": ("다음 대화로", "Go on"),
    "compare.title": ("비슷한 대화 나란히 보기", "Similar dialogues side by side"),
    "keep_all": ("모두 남기기", "Keep all"),
    "drop_all": ("모두 빼기", "Drop all"),
    "picture.next": ("다음 사진", "Next picture"),
    "refused.title": ("거절된 결정", "Refused decisions"),
    "refused.hint": (
        "서버가 받지 않은 결정. 열어서 다시 판단",
        "The server took none of these: open them and decide again",
    ),
    "key.accept": ("승인하고 다음으로", "Accept, and on to the next"),
    "key.flag": ("사유를 골라 플래그", "Flag with a reason"),
    "key.edit": ("고른 말풍선 고치기", "Edit the chosen turn"),
    "key.later": ("나중에 보기", "Put off"),
    "key.back": ("앞서 본 대화", "Earlier dialogues"),
    "key.undo": ("마지막 결정 되돌리기", "Undo the last decision"),
    "key.turn": ("말풍선 고르기", "Choose a turn"),
    "key.compare": (
        "비슷한 대화 나란히: 숫자 하나만, A 모두, D 모두 빼기",
        "Side by side: a digit keeps one, A all, D drops all",
    ),
    "key.enlarge": ("사진 크게 보기", "Enlarge the picture"),
    "key.play": ("페르소나의 녹음 듣기, 멈추기", "Play the persona's recording, or pause it"),
    "key.search": ("글 검색 (선별 검수)", "Search the text (triage)"),
    "key.help": ("이 도움말", "This help"),
    "key.close": ("닫기, 거르개 칸에서 나오기", "Close; leave a filter"),
    "key.save": ("고친 글 저장", "Save the edit"),
    "key.next": ("이어서 다음 말풍선 고치기", "Go on to edit the next turn"),
}
