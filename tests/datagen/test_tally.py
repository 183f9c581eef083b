"""What progress counts: dialogues, drafts that were rejected, dialogues that curation dropped."""

from datagen.tally import Tally, TopicCount
from tests.datagen.test_ledger import make_entry


def test_a_dialogue_that_curation_drops_is_told_apart_from_a_draft_that_was_rejected() -> None:
    tally = Tally({"농담": TopicCount(quota=5)})
    tally.count(make_entry(1, 0).attempt)
    tally.count(make_entry(2, 1, None).attempt)
    assert tally.describe_losses() == "1 rejected"
    tally.count(make_entry(3, 2).attempt, dropped="emoji")
    tally.count(make_entry(4, 3).attempt, dropped="emoji")
    assert tally.describe_losses() == "1 rejected · 2 dropped"
    assert (tally.accepted, tally.topics["농담"].reasons) == (1, {"truncated": 1, "emoji": 2})
