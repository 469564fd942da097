"""Programs that users copy from an app's page; the secret comes from the environment, never in them."""

from string import Template

SECRET_VARIABLE = "FINBYTE_API_SECRET"  # noqa: S105 - the name of a variable
_PYTHON = Template('''\
"""Log in to FinByte as your app and say whose account it is. Python 3.9 or newer, nothing else."""
import hashlib
import json
import os
from urllib.parse import urlencode
from urllib.request import Request, urlopen

ROOT = "$root"
API_KEY = "$api_key"
API_SECRET = os.environ["$variable"]


def call(method, path, fields=None, access_token=None):
    headers = {"X-Kite-Version": "3"}
    if access_token:
        headers["Authorization"] = f"token {API_KEY}:{access_token}"
    body = urlencode(fields).encode() if fields else None
    with urlopen(Request(ROOT + path, body, headers, method=method), timeout=7) as answer:
        return json.load(answer)["data"]


print("Open this page, allow the app, and copy request_token from the address you return to:")
print(f"{ROOT}/connect/login?v=3&api_key={API_KEY}")
request_token = input("request_token: ").strip()
checksum = hashlib.sha256((API_KEY + request_token + API_SECRET).encode()).hexdigest()
session = call(
    "POST",
    "/session/token",
    {"api_key": API_KEY, "request_token": request_token, "checksum": checksum},
)
profile = call("GET", "/user/profile", access_token=session["access_token"])
print("Logged in as", profile["user_id"], profile["user_name"])
''')
_CURL = Template("""\
# Log in to FinByte as your app and show whose account it is. Needs curl and openssl.
ROOT="$root"
API_KEY="$api_key"
echo "Open this page, allow the app, and copy request_token from the address you return to:"
echo "$$ROOT/connect/login?v=3&api_key=$$API_KEY"
printf "request_token: "; read -r REQUEST_TOKEN
CHECKSUM=$$(printf %s "$$API_KEY$$REQUEST_TOKEN$$$variable" | openssl dgst -sha256 -r | cut -d " " -f 1)
ACCESS_TOKEN=$$(curl -sS "$$ROOT/session/token" -H "X-Kite-Version: 3" \\
  --data-urlencode "api_key=$$API_KEY" --data-urlencode "request_token=$$REQUEST_TOKEN" \\
  --data-urlencode "checksum=$$CHECKSUM" | sed -n 's/.*"access_token": *"\\([^"]*\\)".*/\\1/p')
curl -sS "$$ROOT/user/profile" -H "X-Kite-Version: 3" \\
  -H "Authorization: token $$API_KEY:$$ACCESS_TOKEN"
""")


def python_snippet(*, root: str, api_key: str) -> str:
    """Return a program of the standard library that logs in and reads the profile."""
    return _PYTHON.substitute(root=root, api_key=api_key, variable=SECRET_VARIABLE)


def curl_snippet(*, root: str, api_key: str) -> str:
    """Return the same for a shell."""
    return _CURL.substitute(root=root, api_key=api_key, variable=SECRET_VARIABLE)
