"""A passkey in software: makes keys and signs what a site asks for."""

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_bytes
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

ORIGIN = "http://localhost:8000"
_PRESENT, _HAS_KEY = 0x01, 0x40


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass
class PasskeyDevice:
    """One key for one site."""

    origin: str = ORIGIN
    counter: int = 0
    credential_id: bytes = field(default_factory=lambda: token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def make(self, options: dict[str, Any]) -> dict[str, Any]:
        """Answer as `navigator.credentials.create` does."""
        point = self.key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}
        shown = (
            self._shown(options["rp"]["id"], _PRESENT | _HAS_KEY)
            + bytes(16)
            + len(self.credential_id).to_bytes(2)
            + self.credential_id
            + cbor2.dumps(public)
        )
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": shown})
        client = self._client("webauthn.create", options)
        return self._answer({"attestationObject": _text(attestation), "transports": []}, client)

    def use(self, options: dict[str, Any]) -> dict[str, Any]:
        """Answer as `navigator.credentials.get` does."""
        self.counter += 1
        shown = self._shown(options["rpId"], _PRESENT)
        client = self._client("webauthn.get", options)
        signature = self.key.sign(shown + sha256(client).digest(), ec.ECDSA(SHA256()))
        signed = {"authenticatorData": _text(shown), "signature": _text(signature)}
        return self._answer(signed, client)

    def _shown(self, site: str, flags: int) -> bytes:
        return sha256(site.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4)

    def _client(self, kind: str, options: dict[str, Any]) -> bytes:
        told = {"type": kind, "challenge": options["challenge"], "origin": self.origin}
        return json.dumps(told).encode()

    def _answer(self, response: dict[str, Any], client: bytes) -> dict[str, Any]:
        return {
            "id": _text(self.credential_id),
            "rawId": _text(self.credential_id),
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {**response, "clientDataJSON": _text(client)},
        }
