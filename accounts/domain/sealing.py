"""Texts sealed with AES-256-GCM under keys that are kept outside the database.

A sealed text is `1.<key id>.<nonce and ciphertext, base64>`. The context (what the text is, and
whose) is authenticated with it: moved to another row or user it does not open.
"""

import base64
import os
from collections.abc import Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION = "1"
_NONCE_BYTES = 12


class NotOpened(ValueError):
    """The sealed text is not ours, belongs elsewhere, or its key is gone."""


def key_id(key: str) -> str:
    """Return the name of a key: it says which one sealed a text, and nothing about it."""
    return sha256(b"finbyte key id" + key.encode()).hexdigest()[:8]


def seal(text: str, *, keys: Sequence[str], context: str) -> str:
    """Return the text sealed under the newest key, the first one."""
    if not keys:
        raise ValueError("there is no key to seal with")
    nonce = os.urandom(_NONCE_BYTES)
    closed = _cipher(keys[0]).encrypt(nonce, text.encode(), context.encode())
    body = base64.urlsafe_b64encode(nonce + closed).decode()
    return f"{_VERSION}.{key_id(keys[0])}.{body}"


def unseal(sealed: str, *, keys: Sequence[str], context: str) -> str:
    """Return the text, or raise NotOpened without saying more than that."""
    version, _, rest = sealed.partition(".")
    name, _, body = rest.partition(".")
    key = next((each for each in keys if key_id(each) == name), None)
    if version != _VERSION or key is None:
        raise NotOpened("no key at hand has sealed this text")
    try:
        raw = _decoded(body)
        opened = _cipher(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], context.encode())
    except (InvalidTag, ValueError) as error:
        raise NotOpened("the sealed text was changed or belongs elsewhere") from error
    return opened.decode()


def prefix_of(key: str) -> str:
    """Return how every text begins that this key has sealed."""
    return f"{_VERSION}.{key_id(key)}."


def _decoded(body: str) -> bytes:
    """Return the bytes; one text only stands for them, so that no character can be changed."""
    raw = base64.urlsafe_b64decode(body)
    if base64.urlsafe_b64encode(raw).decode() != body:
        raise ValueError("not the one way to write these bytes")
    return raw


def _cipher(key: str) -> AESGCM:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"finbyte field key").derive(
        key.encode()
    )
    return AESGCM(derived)
