"""A stand-in of the Hugging Face Hub's HTTP API, in memory: as much of it as publishing a dataset calls.

Repositories have branches and tags over commits; a commit is a whole tree of path → content. Large files (`.parquet`)
go the way of Git LFS: asked for in a batch, put one by one, named by the commit. `fail` makes one step of it fail.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.conftest import Handler, serve_in_thread

TOKEN = "hf_stand_in_token_of_the_tests"
READ_ONLY_TOKEN = "hf_stand_in_token_that_may_only_read"
_TREE = dict[str, bytes]


@dataclass
class Commit:
    id: str
    summary: str
    tree: _TREE


@dataclass
class Repository:
    private: bool
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def add_commit(self, branch: str, summary: str, tree: _TREE) -> Commit:
        content = repr((self.branches.get(branch), summary, sorted(tree.items()))).encode()
        commit = Commit(hashlib.sha1(content).hexdigest(), summary, tree)
        self.commits[commit.id] = commit
        self.branches[branch] = commit.id
        return commit

    def find(self, revision: str) -> Commit:
        return self.commits[self.branches.get(revision) or self.tags.get(revision) or revision]


@dataclass
class HubServer:
    """`fail`: step → (status, body); the steps are create, info, preupload, batch, put, commit and tag."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    large_files: dict[str, bytes] = field(default_factory=dict)
    fail: dict[str, tuple[int, str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    on_commit: list[Commit] = field(default_factory=list)
    """Commits that somebody else makes just before the next one arrives."""
    url: str = ""

    def list_commits(self, repo: str) -> list[str]:
        """The summaries, the first commit (which the hub makes itself) left out."""
        return [commit.summary for commit in self.repositories[repo].commits.values()][1:]

    def read_files(self, repo: str, revision: str = "main") -> _TREE:
        return {
            path: content
            for path, content in self.repositories[repo].find(revision).tree.items()
            if path != ".gitattributes"
        }

    def build_app(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024**2, middlewares=[self._guard])
        repo = "/api/datasets/{owner}/{name}"
        app.router.add_post("/api/repos/create", self._create)
        app.router.add_post("/api/validate-yaml", self._validate_card)
        app.router.add_get(repo, self._tell)
        app.router.add_get(repo + "/refs", self._list_refs)
        app.router.add_get(repo + "/revision/{revision:.+}", self._tell)
        app.router.add_post(repo + "/preupload/{revision:.+}", self._choose_ways)
        app.router.add_post("/datasets/{owner}/{name}.git/info/lfs/objects/batch", self._open_batch)
        app.router.add_put("/large/{digest}", self._put)
        app.router.add_post(repo + "/commit/{revision:.+}", self._commit)
        app.router.add_post(repo + "/branch/{branch:.+}", self._add_branch)
        app.router.add_post(repo + "/tag/{revision:.+}", self._add_tag)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not request.path.startswith("/large/") and token not in (TOKEN, READ_ONLY_TOKEN):
            said = "Invalid credentials in Authorization header"
            return web.json_response({"error": f"{said}: {token}"}, status=401, headers={"X-Error-Message": said})
        step = _name_step(request)
        if step in self.fail:
            status, body = self.fail[step]
            return web.json_response({"error": body}, status=status)
        if request.method == "POST" and token == READ_ONLY_TOKEN:
            return web.json_response({"error": "You don't have the rights"}, status=403)
        return await handler(request)

    def _find(self, request: web.Request) -> Repository:
        repo = f"{request.match_info['owner']}/{request.match_info['name']}"
        if repo not in self.repositories:
            headers = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            raise web.HTTPNotFound(headers=headers)
        return self.repositories[repo]

    async def _create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        assert asked["type"] == "dataset"
        repo = f"{asked['organization']}/{asked['name']}"
        address = {"url": f"{self.url}/datasets/{repo}"}
        if repo in self.repositories:
            return web.json_response({"error": "You already created this dataset repo", **address}, status=409)
        made = self.repositories[repo] = Repository(asked.get("visibility") == "private")
        made.add_commit(
            "main", "initial commit", {".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"}
        )
        return web.json_response(address)

    async def _validate_card(self, request: web.Request) -> web.Response:
        card = (await request.json())["content"]
        if card.startswith("---\n"):
            return web.json_response({"errors": [], "warnings": []})
        return web.json_response({"errors": [{"message": "no metadata"}], "warnings": []}, status=400)

    async def _tell(self, request: web.Request) -> web.Response:
        repository = self._find(request)
        commit = repository.find(request.match_info.get("revision", "main"))
        repo = f"{request.match_info['owner']}/{request.match_info['name']}"
        siblings = [{"rfilename": path} for path in commit.tree]
        return web.json_response({"id": repo, "sha": commit.id, "private": repository.private, "siblings": siblings})

    async def _list_refs(self, request: web.Request) -> web.Response:
        repository = self._find(request)
        heads, tags = (
            [{"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": id_} for name, id_ in refs.items()]
            for kind, refs in (("heads", repository.branches), ("tags", repository.tags))
        )
        return web.json_response({"branches": heads, "tags": tags, "converts": []})

    async def _choose_ways(self, request: web.Request) -> web.Response:
        tree = self._find(request).find(request.match_info["revision"]).tree
        answers = []
        for file in (await request.json())["files"]:
            is_large = file["path"].endswith(".parquet")
            known = tree.get(file["path"])
            oid = None if known is None else _sha256(known) if is_large else _blob_id(known)
            way = "lfs" if is_large else "regular"
            answers.append({"path": file["path"], "uploadMode": way, "shouldIgnore": False, "oid": oid})
        return web.json_response({"files": answers})

    async def _open_batch(self, request: web.Request) -> web.Response:
        objects: list[dict[str, object]] = []
        for asked in json.loads(await request.text())["objects"]:
            entry: dict[str, object] = {"oid": asked["oid"], "size": asked["size"]}
            if asked["oid"] not in self.large_files:
                entry["actions"] = {"upload": {"href": f"{self.url}/large/{asked['oid']}"}}
            objects.append(entry)
        return web.json_response({"transfer": "basic", "objects": objects})

    async def _put(self, request: web.Request) -> web.Response:
        content = await request.read()
        assert _sha256(content) == request.match_info["digest"]
        self.large_files[_sha256(content)] = content
        return web.Response()

    async def _commit(self, request: web.Request) -> web.Response:
        repository, branch = self._find(request), request.match_info["revision"]
        for other in self.on_commit:
            repository.add_commit(branch, other.summary, other.tree)
        self.on_commit.clear()
        lines = [json.loads(line) for line in (await request.text()).splitlines()]
        header = lines[0]["value"]
        head = repository.find(branch)
        if header.get("parentCommit", head.id) != head.id:
            return web.json_response({"error": "A commit has happened since. Please refresh"}, status=412)
        tree = dict(head.tree)
        for line in lines[1:]:
            self._apply(tree, line["key"], line["value"])
        commit = repository.add_commit(branch, header["summary"], tree)
        owner, name = request.match_info["owner"], request.match_info["name"]
        url = f"{self.url}/datasets/{owner}/{name}/commit/{commit.id}"
        return web.json_response({"commitOid": commit.id, "commitUrl": url})

    def _apply(self, tree: _TREE, key: str, value: dict[str, str]) -> None:
        if key == "file":
            tree[value["path"]] = base64.b64decode(value["content"])
        elif key == "lfsFile":
            tree[value["path"]] = self.large_files[value["oid"]]
        else:
            assert key == "deletedFile"
            del tree[value["path"]]

    async def _add_branch(self, request: web.Request) -> web.Response:
        repository = self._find(request)
        repository.branches[request.match_info["branch"]] = repository.branches["main"]
        return web.json_response({})

    async def _add_tag(self, request: web.Request) -> web.Response:
        repository, asked = self._find(request), await request.json()
        if asked["tag"] in repository.tags:
            return web.json_response({"error": "Tag reference exists already"}, status=409)
        repository.tags[asked["tag"]] = repository.find(request.match_info["revision"]).id
        return web.json_response({})


def _name_step(request: web.Request) -> str:
    parts = request.path.split("/")
    if request.path.startswith("/large/"):
        return "put"
    if request.method == "GET":
        return "info"
    return parts[-1] if parts[-1] in ("create", "batch") else parts[-2]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def serve_hub() -> Iterator[HubServer]:
    server = HubServer()
    with serve_in_thread(server.build_app()) as address:
        server.url = address.removesuffix("/v1")
        yield server
