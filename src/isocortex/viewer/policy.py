"""What the page may do: the policy that a browser holds it to."""

from __future__ import annotations

import base64
import hashlib

#: Nothing is loaded from elsewhere; markup is written in one place, ``markup.js``, which escapes.
RULES = {
    "default-src": "'none'",
    "img-src": "data: blob:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "isocortex",
}


def policy(**more: str) -> str:
    """A Content-Security-Policy: :data:`RULES` and more, ``script_src`` for ``script-src``."""
    rules = RULES | {name.replace("_", "-"): value for name, value in more.items()}
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def fingerprint(text: str) -> str:
    """The source expression that allows one script or style inside a page, and no other."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
