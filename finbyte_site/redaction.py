"""Takes secrets out of texts that are about to be written (decisions 37, trust.md 7, 19).

Three nets, each enough for most: the name beside a value, the shape of the value, and the values
of this very copy's settings.
"""

import re
from collections.abc import Iterable

HIDDEN = "…"
_LEAST_KNOWN = 8

# The end of a name; what stands before it stays. instrument_token is Kite's number of an
# instrument, api_key the public name of an app.
_NAME = r"""(?:
    passw(?:or)?d | passphrase | secret(?:[_-]?key)? | (?<!instrument_)token | checksum | cookie
  | authorization | csrf\w{0,16} | session(?:[_-]?(?:id|key|data))? | otp | seed | signature
  | recovery[_-]?codes? | private[_-]?key | field[_-]?keys? | (?<!api_)apikey | credentials?
)\d?"""
_VALUE = r"""(?: b?"(?:[^"\\\n]|\\.)*+"?+ | b?'(?:[^'\\\n]|\\.)*+'?+ )"""
# Like name="a b", 'name': ['a b'], (b'name', b'a b'). No quantifier below may give back what it
# has taken, or a long event takes for ever: hence *+, bounds, and no free prefix before a name.
_QUOTED = re.compile(
    rf"(?ix)({_NAME}[\"']?\s*+(?:=>|[=:,])\s*+[\[({{]*+){_VALUE}(?:\s*+,\s*+{_VALUE}(?!\s*+:))*"
)
# A password and the value of a header may hold spaces; anything else ends where a word ends.
_LONG = re.compile(
    r"(?ix)((?:passw(?:or)?d\d?|passphrase|cookie|authorization)\s*+[=:]\s*+)"
    r"(?![\"'\[({]|b[\"'])[^\n&]++"
)
_PLAIN = re.compile(rf"(?ix)({_NAME}\s*+[=:]\s*+)(?![\"'\[({{]|b[\"'])[^\s&;,\"')\]}}]++")
_CODE = re.compile(
    r"(?i)\b((?:otp|totp|code|pin)\b[\"']?\s*+(?:is|was|[=:,])?\s*+[\[(\"']*+)\d{3}[ -]?\d{3,5}\b"
)
_SCHEME = re.compile(r"(?i)\b(bearer|basic|token)\s++(?=\S{0,200}[\d:=])[^\s\"',;)\]]{8,}+")
_IN_ADDRESS = re.compile(r"(://[^:/@\s\"']{0,64}:)[^\s\"'<>]{0,200}@")
_IN_QUOTED_ADDRESS = re.compile(r"(?i)(%3A%2F%2F[^\s%]{0,64}%3A)\S{0,200}?%40")
_SHAPES = (
    re.compile(r"\b(?:argon2\w{0,3}|pbkdf2_\w{1,10}|bcrypt\w{0,8}|scrypt|md5)\$[^\s\"',)\]]++"),
    re.compile(r"\b1\.[0-9a-f]{8}\.[\w=-]++"),
    re.compile(r"(?i)\b(?:\d{2}[ -])?[A-Z0-9]{4}(?:-[A-Z0-9]{4}){3,5}\b"),
    re.compile(r"\b[A-Z2-7]{4}(?: [A-Z2-7]{4}){3,15}\b"),
)
# Whatever else is long and without a gap, unless it is made of words or is a number.
_RUN = re.compile(r"[A-Za-z0-9_-]{24,}+={0,2}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_WORD = re.compile(r"(?:[a-z]{1,20}|[A-Z]{1,20}|(?:[A-Z][a-z]{1,19})+)[0-9]{0,4}|[0-9]+")
_LONGEST_WORDS = 200


def redacted(text: str, *, known: Iterable[str] = ()) -> str:
    """Return the text without what looks like a secret and without the known ones."""
    for secret in known:
        if len(secret) >= _LEAST_KNOWN:
            text = text.replace(secret, HIDDEN)
    text = _IN_ADDRESS.sub(rf"\1{HIDDEN}@", text)
    text = _IN_QUOTED_ADDRESS.sub(rf"\1{HIDDEN}%40", text)
    for named in (_QUOTED, _LONG, _PLAIN, _CODE):
        text = named.sub(rf"\1{HIDDEN}", text)
    text = _SCHEME.sub(rf"\1 {HIDDEN}", text)
    for shape in _SHAPES:
        text = shape.sub(HIDDEN, text)
    return _RUN.sub(_without_secret, text)


def _without_secret(found: re.Match[str]) -> str:
    run = found[0]
    if len(run) > _LONGEST_WORDS:
        return HIDDEN
    words = [word for word in re.split(r"[_-]+", run) if word]
    return run if _UUID.fullmatch(run) or all(map(_WORD.fullmatch, words)) else HIDDEN
