"""The Hugging Face Hub, as far as publishing needs it; its client is imported only once something is to be sent."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from curation.release.parcel import ParcelFile
from datagen.errors import DamhwaError, DataError, ProviderError, UsageError

PUBLIC_ENDPOINT = "https://huggingface.co"

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_REPO = re.compile(rf"{_NAME}/{_NAME}")
_REF = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._/-]{0,98}[A-Za-z0-9_-])?")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to publish."""

    repo: str
    """`owner/name` of a dataset repository; it is made where it does not exist."""
    private: bool = False
    """Ask for a private repository; otherwise a new one is as its owner's settings have it."""
    branch: str = "main"
    tag: str | None = None
    """A name for this very state, for `load_dataset(…, revision=TAG)`."""
    token_env: str = "HF_TOKEN"
    """The environment variable with the token; the token itself is never kept or shown."""
    endpoint: str | None = None
    """Address of a hub of one's own; None: what HF_ENDPOINT says, or the public one."""

    @property
    def url(self) -> str:
        endpoint = self.endpoint or os.environ.get("HF_ENDPOINT") or PUBLIC_ENDPOINT
        base = f"{endpoint.rstrip('/')}/datasets/{self.repo}"
        return base if self.branch == "main" else f"{base}/tree/{self.branch}"


@dataclass(frozen=True, slots=True)
class Head:
    """The newest state of the branch: its commit, and the files in it."""

    commit: str
    paths: tuple[str, ...]


def check_destination(destination: Destination) -> None:
    """Raise UsageError for names that the hub would refuse."""
    repo = destination.repo
    if not _REPO.fullmatch(repo) or "--" in repo or ".." in repo or repo.endswith(".git") or len(repo) > 96:
        hint = "expected OWNER/NAME of letters, digits, '-', '_' and '.', at most 96 characters: my-team/exa-data"
        raise UsageError(f"'{repo}' is no name of a repository", hint)
    for kind, name in (("branch", destination.branch), ("tag", destination.tag)):
        if name is not None and (not _REF.fullmatch(name) or ".." in name or "//" in name):
            raise UsageError(f"'{name}' is no name of a {kind}", "expected letters, digits, '-', '_' and '.': v1.0")
    if destination.endpoint is not None and not _is_address(destination.endpoint):
        raise UsageError(f"'{destination.endpoint}' is no address of a hub", f"expected one like {PUBLIC_ENDPOINT}")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


class Hub:
    """A dataset repository. Every failure comes out as a DamhwaError without the token in it."""

    def __init__(self, destination: Destination, token: str) -> None:
        try:
            from huggingface_hub import HfApi
        except ImportError as exc:
            raise UsageError("publishing needs huggingface_hub", "pip install 'damhwa[publish]'") from exc
        self._destination = destination
        self._token = token
        endpoint = destination.endpoint.rstrip("/") if destination.endpoint else None
        self._api = HfApi(endpoint=endpoint, token=token, library_name="damhwa")

    def prepare(self) -> Head:
        """Make repository and branch where they are missing, and read the branch's state."""
        to = self._destination
        with self._translate_errors():
            self._api.create_repo(to.repo, repo_type="dataset", private=to.private or None, exist_ok=True)
            self._check_privacy()
            refs = self._api.list_repo_refs(to.repo, repo_type="dataset")
            if to.tag and any(tag.name == to.tag for tag in refs.tags):
                raise UsageError(f"{to.repo} already has a tag '{to.tag}'", "give another --tag; tags are never moved")
            if to.branch not in {"main", *(branch.name for branch in refs.branches)}:
                self._api.create_branch(to.repo, branch=to.branch, repo_type="dataset", exist_ok=True)
            info = self._api.dataset_info(to.repo, revision=to.branch)
        return Head(info.sha or "", tuple(each.rfilename for each in info.siblings or ()))

    def commit(self, files: Sequence[ParcelFile], removed: Sequence[str], message: str, parent: str) -> str:
        """Send the files and make one commit on top of `parent`; its id, or `parent` where nothing is new."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        operations: list[CommitOperationAdd | CommitOperationDelete] = [CommitOperationDelete(path) for path in removed]
        with self._translate_errors():
            operations += [CommitOperationAdd(path_in_repo=file.path, path_or_fileobj=file.local) for file in files]
            info = self._api.create_commit(
                self._destination.repo,
                operations,
                commit_message=message,
                repo_type="dataset",
                revision=self._destination.branch,
                parent_commit=parent or None,
            )
        return str(info.oid)

    def tag(self, name: str, commit: str) -> None:
        with self._translate_errors():
            self._api.create_tag(self._destination.repo, tag=name, revision=commit, repo_type="dataset")

    def _check_privacy(self) -> None:
        to = self._destination
        if to.private and not self._api.dataset_info(to.repo).private:
            hint = "make it private in its settings, give another name, or leave --private out"
            raise UsageError(f"{to.repo} exists and is public, and a private one was asked for", hint)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

        try:
            yield
        except DamhwaError:
            raise
        except OfflineModeIsEnabled as exc:
            raise UsageError("HF_HUB_OFFLINE is set, so nothing can be sent", "unset it") from exc
        except HfHubHTTPError as exc:
            raise self._explain(exc.response.status_code, exc.server_message or str(exc)) from None
        except httpx2.HTTPError as exc:
            raise self._explain_unreachable(exc) from None
        except ValueError as exc:  # how the client tells that the hub refuses the card, or answers nonsense
            raise DataError(
                f"the hub does not take it: {self._hide_token(str(exc))}", "mend it and try again"
            ) from None
        except RuntimeError as exc:  # how the client tells that a file did not go up
            said = self._hide_token(f"{exc} {exc.__cause__ or ''}".strip())
            raise ProviderError(said, "publish again: nothing was committed, and what is up stays up") from None
        except OSError as exc:
            raise DataError(f"a file could not be sent: {exc}", "curate or export again") from exc

    def _explain(self, status: int, said: str) -> DamhwaError:
        to = self._destination
        said = self._hide_token(" ".join(said.split())[:300])
        if status == 401:
            hint = "make a new one with write access at https://huggingface.co/settings/tokens"
            return UsageError(f"the hub does not know the token in {to.token_env}", hint)
        if status == 403:
            hint = "give a token with write access to it, or another owner"
            return UsageError(f"the token in {to.token_env} may not write to {to.repo}: {said}", hint)
        if status == 404:
            return UsageError(f"the hub does not find {to.repo}, or hides it from the token: {said}", "check the name")
        if status in (409, 412):
            hint = "publish again: nothing was committed"
            return ProviderError(f"{to.repo} changed while it was being published: {said}", hint)
        return ProviderError(f"the hub answered {status}: {said}", "publish again later: nothing was committed")

    def _explain_unreachable(self, exc: BaseException) -> ProviderError:
        where = self._api.endpoint
        said = self._hide_token(str(exc)) or type(exc).__name__
        return ProviderError(f"the hub at {where} cannot be reached: {said}", "check the network, then publish again")

    def _hide_token(self, text: str) -> str:
        return text.replace(self._token, "…")
