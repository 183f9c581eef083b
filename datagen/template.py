"""Prompt templates: jinja2 in its sandbox, so that a stranger's template reads what it is given, and nothing else."""

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

MISTAKES = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError)
"""What a wrong template raises, read or filled in: `{{ scenario.exchanges + "번" }}` is a TypeError."""


def open_environment() -> ImmutableSandboxedEnvironment:
    """An environment of text, in which an unknown name is a mistake."""
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False, autoescape=False)


def describe_mistake(exc: Exception) -> tuple[str, int | None]:
    """In words, and the line where jinja2 knows it."""
    message = exc.message if isinstance(exc, TemplateError) and exc.message else str(exc)
    return message, getattr(exc, "lineno", None)
