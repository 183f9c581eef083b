"""Publishing: what arrives is what was sent, in one commit or none, and only what may go out."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from curation.release.export import ExportSource, export
from curation.release.hub import Destination
from curation.release.parcel import pack
from curation.release.publish import PublishSummary, publish
from datagen.errors import DamhwaError, DataError, ProviderError, UsageError
from datagen.store import write_shard
from tests.curation.release.curated_folder import make_dialogue, make_run
from tests.curation.release.hub_server import READ_ONLY_TOKEN, TOKEN, Commit, HubServer, serve_hub

pytest.importorskip("huggingface_hub")
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
"""The client itself, of its own upload by Git LFS."""

REPO = "my-team/exa-data"
SHARDS = {f"{split}/0001.parquet" for split in ("train", "validation", "test")}
BESIDE = {"README.md", "report.html", "report.json"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # the stand-in speaks Git LFS
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with serve_hub() as server:
        yield server


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


def _to(hub: HubServer, **values: object) -> Destination:
    return replace(Destination(REPO, endpoint=hub.url), **values)  # type: ignore[arg-type]


def _read_local(folder: Path, summary: PublishSummary) -> dict[str, bytes]:
    return {file.path: (folder / file.path).read_bytes() for file in summary.files}


def test_what_was_published_comes_back_byte_for_byte(hub: HubServer, run: Path) -> None:
    summary = publish(run, _to(hub))
    assert set(hub.read_files(REPO)) == SHARDS | BESIDE
    assert hub.read_files(REPO) == _read_local(run / "curated", summary)
    assert hub.list_commits(REPO) == [summary.message]
    assert summary.message.startswith("20 rows (train 16, validation 2, test 2), sha256 ")
    assert summary.fingerprint.startswith(summary.message[-16:])
    assert summary.is_changed
    assert summary.commit == hub.repositories[REPO].branches["main"]
    assert summary.url == f"{hub.url}/datasets/{REPO}"


def test_the_same_content_again_makes_no_commit(hub: HubServer, run: Path) -> None:
    first = publish(run, _to(hub))
    again = publish(run, _to(hub))
    assert not again.is_changed
    assert again.commit == first.commit
    assert len(hub.list_commits(REPO)) == 1


def test_a_later_publication_replaces_the_data_and_takes_old_shards_away(hub: HubServer, run: Path) -> None:
    publish(run, _to(hub))
    (run / "curated" / "train" / "0001.parquet").unlink()
    write_shard(run / "curated" / "train" / "0002.parquet", [make_dialogue(number) for number in range(4, 30)])
    summary = publish(run, _to(hub))
    assert summary.removed == ("train/0001.parquet",)
    assert hub.read_files(REPO) == _read_local(run / "curated", summary)
    assert summary.counts == {"train": 26, "validation": 2, "test": 2}
    assert len(hub.list_commits(REPO)) == 2


def test_files_that_are_not_data_of_ours_stay_in_the_repository(hub: HubServer, run: Path) -> None:
    publish(run, _to(hub))
    others = {"LICENSE": b"CC BY 4.0\n", "youtube-couple-data/train.parquet": b"PAR1", "그림.png": b"\x89PNG"}
    repository = hub.repositories[REPO]
    repository.add_commit("main", "by hand", {**repository.find("main").tree, **others})
    write_shard(run / "curated" / "test" / "0001.parquet", [make_dialogue(1)])
    publish(run, _to(hub))
    assert {path: hub.read_files(REPO)[path] for path in others} == others


def test_unreadable_rows_and_findings_do_not_go_up_unless_the_latter_are_asked_for(hub: HubServer, run: Path) -> None:
    publish(run, _to(hub), extras=("findings.parquet", "clusters.parquet"))
    assert set(hub.read_files(REPO)) == SHARDS | BESIDE | {"findings.parquet", "clusters.parquet"}
    with pytest.raises(UsageError, match=r"'unreadable\.parquet' cannot be sent along"):
        publish(run, _to(hub), extras=("unreadable.parquet",))


def test_a_dry_run_tells_all_and_needs_neither_token_nor_network(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    summary = publish(run, Destination(REPO, endpoint="http://127.0.0.1:9"), dry_run=True)
    assert {file.path for file in summary.files} == SHARDS | BESIDE
    assert {file.path: file.bytes for file in summary.files} == {
        path: len(content) for path, content in _read_local(run / "curated", summary).items()
    }
    assert summary.commit is None
    assert summary.message == publish(run, Destination(REPO), dry_run=True).message


def test_a_repository_is_private_where_that_was_asked_for(hub: HubServer, run: Path) -> None:
    publish(run, _to(hub, private=True))
    assert hub.repositories[REPO].private
    publish(run, _to(hub, repo="my-team/open"))
    assert not hub.repositories["my-team/open"].private


def test_what_was_to_be_private_never_goes_to_a_public_repository(hub: HubServer, run: Path) -> None:
    first = publish(run, _to(hub))
    write_shard(run / "curated" / "test" / "0001.parquet", [make_dialogue(1)])
    with pytest.raises(UsageError, match="exists and is public"):
        publish(run, _to(hub, private=True))
    assert hub.repositories[REPO].branches["main"] == first.commit


def test_a_branch_and_a_tag_name_this_very_state(hub: HubServer, run: Path) -> None:
    main = publish(run, _to(hub))
    write_shard(run / "curated" / "test" / "0001.parquet", [make_dialogue(1)])
    summary = publish(run, _to(hub, branch="2026-03", tag="v1.1"))
    repository = hub.repositories[REPO]
    assert repository.branches == {"main": main.commit, "2026-03": summary.commit}
    assert repository.tags == {"v1.1": summary.commit}
    assert hub.read_files(REPO, "v1.1") == _read_local(run / "curated", summary)


def test_a_tag_that_is_taken_is_told_before_anything_is_sent(hub: HubServer, run: Path) -> None:
    first = publish(run, _to(hub, tag="v1"))
    write_shard(run / "curated" / "test" / "0001.parquet", [make_dialogue(1)])
    with pytest.raises(UsageError, match="already has a tag 'v1'"):
        publish(run, _to(hub, tag="v1"))
    assert hub.repositories[REPO].branches["main"] == first.commit
    assert hub.repositories[REPO].tags == {"v1": first.commit}


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_dialogues_of_the_simulator_are_refused_unless_told_so(hub: HubServer, run: Path, split: str) -> None:
    shard = run / "curated" / split / "0002.parquet"
    write_shard(shard, [make_dialogue(90, provider="damhwa-simulator")])
    for dry_run in (True, False):
        with pytest.raises(UsageError, match="dialogues of the offline simulator"):
            publish(run, _to(hub), dry_run=dry_run)
    assert hub.requests == []
    assert publish(run, _to(hub), allow_simulator=True).is_changed


def test_a_card_that_announces_the_simulator_is_refused_too(hub: HubServer, run: Path) -> None:
    with (run / "curated" / "README.md").open("a", encoding="utf-8") as card:
        card.write("\n> 이 데이터는 `damhwa-simulator`가 만들었습니다.\n")
    with pytest.raises(UsageError, match="offline simulator"):
        publish(run, _to(hub))


def test_an_export_of_two_configurations_is_published_as_it_lies(hub: HubServer, run: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "gf", dataset="gf-persona-data", accepted=8)
    export([ExportSource(run), ExportSource(other)], tmp_path / "out", "published")
    summary = publish(tmp_path / "out", _to(hub))
    assert hub.read_files(REPO) == _read_local(tmp_path / "out", summary)
    assert {"exa-data/train.parquet", "gf-persona-data/train.jsonl", "README.md"} <= set(hub.read_files(REPO))
    assert summary.counts["gf-persona-data/train"] == 4
    assert not publish(tmp_path / "out", _to(hub)).is_changed


def test_an_export_that_was_changed_by_hand_or_made_by_the_simulator_does_not_go_out(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", provider="damhwa-simulator")
    export([ExportSource(run)], tmp_path / "out", "messages")
    with pytest.raises(UsageError, match="offline simulator"):
        publish(tmp_path / "out", Destination(REPO), dry_run=True)
    with (tmp_path / "out" / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write("{}\n")
    with pytest.raises(DataError, match="was changed since it was exported"):
        pack(tmp_path / "out")


def test_an_upload_that_breaks_off_leaves_no_commit_and_the_next_one_ends_it(hub: HubServer, run: Path) -> None:
    hub.fail["put"] = (403, "the store is closed")
    with pytest.raises(ProviderError, match=r"Error while uploading '.*parquet'"):
        publish(run, _to(hub))
    assert hub.list_commits(REPO) == []
    assert hub.read_files(REPO) == {}
    hub.fail.clear()
    summary = publish(run, _to(hub))
    assert hub.read_files(REPO) == _read_local(run / "curated", summary)


def test_a_commit_of_somebody_else_in_between_is_not_overwritten(hub: HubServer, run: Path) -> None:
    publish(run, _to(hub))
    write_shard(run / "curated" / "test" / "0001.parquet", [make_dialogue(1)])
    hub.on_commit.append(Commit("", "by hand", {"README.md": b"---\n---\n"}))
    with pytest.raises(ProviderError, match="changed while it was being published") as caught:
        publish(run, _to(hub))
    assert caught.value.hint == "publish again: nothing was committed"
    assert hub.list_commits(REPO)[1:] == ["by hand"]


@pytest.mark.parametrize(
    ("step", "status", "error", "message"),
    [
        ("create", 401, UsageError, "does not know the token in HF_TOKEN"),
        ("create", 403, UsageError, "may not write to my-team/exa-data"),
        ("create", 500, ProviderError, "the hub answered 500"),
        ("create", 429, ProviderError, "the hub answered 429"),
        ("info", 404, UsageError, "does not find my-team/exa-data"),
        ("preupload", 403, UsageError, "may not write"),
        ("commit", 500, ProviderError, "the hub answered 500"),
        ("commit", 409, ProviderError, "changed while"),
        ("commit", 413, ProviderError, "the hub answered 413"),
    ],
)
def test_each_refusal_is_told_as_what_it_is_and_leaves_no_commit(
    hub: HubServer, run: Path, step: str, status: int, error: type[DamhwaError], message: str
) -> None:
    hub.fail[step] = (status, "something about " + TOKEN)
    with pytest.raises(error, match=message) as caught:
        publish(run, _to(hub))
    assert type(caught.value) is error
    assert caught.value.hint
    _check_secret(caught.value, TOKEN)
    assert REPO not in hub.repositories or hub.list_commits(REPO) == []


def _check_secret(error: DamhwaError, token: str) -> None:
    """Neither what is printed nor what a traceback would show holds the token."""
    assert token not in f"{error.message}{error.hint}"
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_a_token_that_may_only_read_is_told(hub: HubServer, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_TOKEN", READ_ONLY_TOKEN)
    with pytest.raises(UsageError, match="the token in TEAM_TOKEN may not write") as caught:
        publish(run, _to(hub, token_env="TEAM_TOKEN"))
    _check_secret(caught.value, READ_ONLY_TOKEN)


def test_a_token_that_the_hub_does_not_know_is_told_without_it(
    hub: HubServer, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_an_old_one")
    with pytest.raises(UsageError, match="does not know the token") as caught:
        publish(run, _to(hub))
    _check_secret(caught.value, "hf_an_old_one")


def test_without_a_token_nobody_is_asked(hub: HubServer, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", " ")
    with pytest.raises(UsageError, match="there is no token in HF_TOKEN"):
        publish(run, _to(hub))
    monkeypatch.setenv("HF_TOKEN", "토큰은 비밀")
    with pytest.raises(UsageError, match="HF_TOKEN holds something that is no token"):
        publish(run, _to(hub))
    assert hub.requests == []


def test_a_hub_that_nobody_serves_is_told(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with socket.socket() as held:  # bound and not listening: nobody answers, and nobody else can
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(ProviderError, match=f"the hub at {url} cannot be reached"):
            publish(run, Destination(REPO, endpoint=url))


@pytest.mark.parametrize("name", ["exa-data", "a/b/c", "my team/exa", "팀/엑사", "a/b--c", "a/.b", "a/b.git", "", "a/"])
def test_a_malformed_name_is_told_before_anything_else(run: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a repository"):
        publish(run, Destination(name), dry_run=True)


@pytest.mark.parametrize("name", ["v 1", "../main", "v1/", ""])
def test_malformed_tags_and_branches_are_told(run: Path, name: str) -> None:
    for destination in (Destination(REPO, tag=name), Destination(REPO, branch=name)):
        with pytest.raises(UsageError, match="is no name of a"):
            publish(run, destination, dry_run=True)


@pytest.mark.parametrize("address", ["localhost:8000", "http://", "http://[::", "ftp://127.0.0.1", ""])
def test_an_address_that_is_none_is_told(run: Path, address: str) -> None:
    with pytest.raises(UsageError, match="is no address of a hub"):
        publish(run, Destination(REPO, endpoint=address), dry_run=True)


def test_a_card_that_the_hub_refuses_stops_it_before_anything_is_sent(hub: HubServer, run: Path) -> None:
    (run / "curated" / "README.md").write_text("# exa-data\n", encoding="utf-8")
    with pytest.raises(DataError, match="the hub does not take it"):
        publish(run, _to(hub))
    assert hub.large_files == {}


def test_a_folder_without_a_card_is_not_published(run: Path) -> None:
    (run / "curated" / "README.md").unlink()
    with pytest.raises(DataError, match="the dataset's card, cannot be read"):
        publish(run, Destination(REPO), dry_run=True)
