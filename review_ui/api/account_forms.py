"""The forms of accounts: who may log in. A token is in an answer once, and nowhere else."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from review_ui.api.forms import Form

AccountName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
AccountRole = Literal["reviewer", "author", "admin"]


class AccountForm(Form):
    """A reviewer to be."""

    name: AccountName
    role: AccountRole = "reviewer"


class NameForm(Form):
    """A reviewer there is."""

    name: AccountName


class AccountView(Form):
    name: str
    role: AccountRole
    created_at: float
    disabled_at: float | None


class AccountsAnswer(Form):
    reviewers: tuple[AccountView, ...]


class TokenAnswer(Form):
    """`token`: to be handed over; it is shown this once."""

    name: str
    token: str
