"""How a structured reply goes wrong, where the endpoint does not enforce the schema or cuts the reply off."""

import json
import random
from collections.abc import Callable

from datagen.json_reply import PERSONA, ROOT, USER, render_json
from datagen.simulator.faults import Draft


def dress_json(reply: str, rng: random.Random) -> str:
    """The same object as models wrap it: still a whole dialogue."""
    return rng.choice(_DRESSES)(reply)


_DRESSES: tuple[Callable[[str], str], ...] = (
    lambda text: f"```json\n{text}\n```",
    lambda text: f"네, 요청하신 대화예요.\n\n{text}\n\n마음에 드시면 좋겠어요.",
    lambda text: json.dumps(json.loads(text), ensure_ascii=False, indent=2),
    lambda text: json.dumps(json.loads(text), ensure_ascii=True),
)


def spoil_json(draft: Draft) -> tuple[str, str]:
    """A reply that is no whole dialogue, in a drawn way, and its finish reason."""
    return JSON_MALFORMED[draft.rng.choice(sorted(JSON_MALFORMED))](draft)


def _list_pairs(draft: Draft) -> list[dict[str, str]]:
    pairs: list[dict[str, str]] = json.loads(render_json(draft.messages))[ROOT]
    return pairs


def _dump(pairs: list[dict[str, str]]) -> tuple[str, str]:
    return json.dumps({ROOT: pairs}, ensure_ascii=False), "stop"


def _wrong_form(draft: Draft) -> tuple[str, str]:
    draw = draft.rng.random()
    if draw < 1 / 3:
        return draft.text, "stop"
    if draw < 2 / 3:
        told = [{"role": message.role, "content": message.content} for message in draft.messages]
        return json.dumps({"messages": told}, ensure_ascii=False), "stop"
    return _dump([{"human": pair[USER], "gpt": pair[PERSONA]} for pair in _list_pairs(draft)])


def _out_of_order(draft: Draft) -> tuple[str, str]:
    return _dump([{PERSONA: pair[PERSONA], USER: pair[USER]} for pair in _list_pairs(draft)])


def _empty_utterance(draft: Draft) -> tuple[str, str]:
    pairs = _list_pairs(draft)
    return _dump([*pairs[:-1], {**pairs[-1], draft.rng.choice((USER, PERSONA)): "  "}])


def _truncated(draft: Draft) -> tuple[str, str]:
    text = render_json(draft.messages)
    if draft.rng.random() < 0.5:
        return text[: max(20, len(text) * 2 // 3)], "length"
    pairs = _list_pairs(draft)
    return _dump([*pairs[:-1], {USER: pairs[-1][USER]}])


def _too_few(draft: Draft) -> tuple[str, str]:
    return _dump(_list_pairs(draft)[: draft.exchanges[0] - 1])


def _too_many(draft: Draft) -> tuple[str, str]:
    pairs = _list_pairs(draft)
    return _dump(pairs * (draft.exchanges[1] // len(pairs) + 1))


def _label_in_text(draft: Draft) -> tuple[str, str]:
    pairs = _list_pairs(draft)
    return _dump([{USER: f"human1: {pairs[0][USER]}", PERSONA: pairs[0][PERSONA]}, *pairs[1:]])


JSON_MALFORMED: dict[str, Callable[[Draft], tuple[str, str]]] = {
    "wrong-form": _wrong_form,
    "out-of-order": _out_of_order,
    "empty-utterance": _empty_utterance,
    "truncated": _truncated,
    "too-few-exchanges": _too_few,
    "too-many-exchanges": _too_many,
    "label-in-text": _label_in_text,
}
