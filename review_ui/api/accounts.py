"""Accounts: listed, added, renewed, disabled, by admins."""

from collections.abc import Callable
from typing import TypeVar

from datagen.errors import UsageError
from review_ui.access.accounts import Account, Accounts, check_name
from review_ui.api.account_forms import AccountForm, AccountsAnswer, AccountView, NameForm, TokenAnswer
from review_ui.api.call import ApiError, Call, body_of

Result = TypeVar("Result")


async def list_reviewers(call: Call) -> AccountsAnswer:
    """All accounts, disabled ones too."""
    found = await call.service.call(_accounts(call).list)
    return AccountsAnswer(reviewers=tuple(map(_view, found)))


async def add_reviewer(call: Call) -> TokenAnswer:
    """A new account and its token."""
    form: AccountForm = body_of(call, AccountForm)
    accounts, name = _accounts(call), _read_name(form.name)
    if await call.service.call(accounts.find, name) is not None:
        raise ApiError(409, "exists", f"there is a reviewer {name} already")
    return TokenAnswer(name=name, token=await _try(call, 409, lambda: accounts.add(name, form.role)))


async def renew_token(call: Call) -> TokenAnswer:
    """A new token in place of the old one."""
    form: NameForm = body_of(call, NameForm)
    accounts = _accounts(call)
    return TokenAnswer(name=form.name, token=await _try(call, 404, lambda: accounts.renew(form.name)))


async def disable_reviewer(call: Call) -> AccountView:
    """No log-in any more. Nobody disables themselves: an admin has to be left."""
    form: NameForm = body_of(call, NameForm)
    accounts = _accounts(call)
    if form.name == call.user.name:
        raise ApiError(409, "own", "this is your own account", "another admin can disable it")
    await _try(call, 404, lambda: accounts.disable(form.name))
    found = await call.service.call(accounts.find, form.name)
    if found is None:
        raise ApiError(404, "unknown", f"there is no reviewer {form.name!r}")
    return _view(found)


def _accounts(call: Call) -> Accounts:
    if call.service.accounts is None:
        raise ApiError(409, "no-accounts", "nobody logs in here", "start it with `damhwa review --accounts`")
    return call.service.accounts


def _read_name(name: str) -> str:
    try:
        return check_name(name)
    except UsageError as exc:
        raise ApiError(422, "invalid", exc.message, exc.hint) from exc


async def _try(call: Call, status: int, job: Callable[[], Result]) -> Result:
    try:
        return await call.service.call(job)
    except UsageError as exc:
        raise ApiError(status, "unknown" if status == 404 else "exists", exc.message, exc.hint) from exc


def _view(account: Account) -> AccountView:
    return AccountView(
        name=account.name, role=account.role, created_at=account.created_at, disabled_at=account.disabled_at
    )
