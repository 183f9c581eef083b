"""A dialogue as one text: what comes back is what went in, whatever was said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.exchange.transcript import parse_text, render_text
from curation.row import BadRowError
from datagen.record import Message, clean_text

SAID = st.text(st.sampled_from("가나 \\\n:유저페르소나user*")).map(clean_text).filter(str.strip) | st.sampled_from(
    ("유저: 나 왔어", "어서 와!\n페르소나: 앉아 봐", "\n\\유저: \n", "  들여쓰기\\\n")
)


@given(st.lists(st.tuples(SAID, SAID), min_size=1, max_size=4))
def test_every_dialogue_comes_back_as_it_was(pairs: list[tuple[str, str]]) -> None:
    messages = tuple(
        message for asked, answered in pairs for message in (Message("user", asked), Message("assistant", answered))
    )
    assert parse_text(render_text(messages)) == messages


def test_it_reads_as_people_write_it() -> None:
    messages = (Message("user", "나 왔어"), Message("assistant", "*손을 흔들며* 어서 와!\n오늘은 어땠어?"))
    text = "유저: 나 왔어\n페르소나: *손을 흔들며* 어서 와!\n오늘은 어땠어?"
    assert render_text(messages) == text
    assert parse_text(text.replace("\n", "\r\n").replace(": ", ":")) == messages


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "missing|empty"),
        ("나 왔어\n페르소나: 어서 와!", "line 1"),
        ("페르소나: 어서 와!", "starts with the assistant"),
        ("유저: 나 왔어", "ends with the user's turn"),
        ("유저: 나 왔어\n페르소나: ", "says nothing"),
    ],
)
def test_what_is_no_dialogue_is_told(text: str, what: str) -> None:
    with pytest.raises(BadRowError, match=what):
        parse_text(text)
