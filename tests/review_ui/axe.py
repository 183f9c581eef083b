"""axe, by which the pages' accessibility is tried: from here, since it reads a file of its own without an encoding."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", EncodingWarning)
    from axe_playwright_python import async_playwright, sync_playwright  # type: ignore[import-untyped]

Axe = async_playwright.Axe
SyncAxe = sync_playwright.Axe
