"""A run of schemathesis over the OpenAPI file against the application, in this process."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import pytest
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from schemathesis import Case, HookContext, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.transport.wsgi import WSGITransport

from api.tests.fuzz.feeding import Feeder
from api.tests.fuzz.rules import REFUSING, is_no_fault
from api.tests.fuzz.world import Planted
from finbyte_site.wsgi import application

_FEW = {"generation": {"max-examples": 10}}
Environ = dict[str, Any]


@dataclass(slots=True)
class Run:
    """What came of it."""

    cases: int = 0
    seconds: float = 0
    statuses: Counter[int] = field(default_factory=Counter)
    # Operation -> statuses seen.
    seen: dict[str, Counter[int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def told(self) -> str:
        """Return how often each status was answered."""
        return ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items()))

    def unreached(self) -> list[str]:
        """Return the operations that never answered with a success."""
        return sorted(
            name for name, seen in self.seen.items() if 200 not in seen and name not in REFUSING
        )


def operations() -> dict[str, Any]:
    """Return the OpenAPI file."""
    made = SchemaGenerator().get_schema(request=None, public=True)
    file: dict[str, Any] = json.loads(json.dumps(made, default=str))
    return file


def examples_of(file: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the examples of bodies by operation."""
    found: dict[str, list[Any]] = {}
    for path, methods in file["paths"].items():
        for method, operation in methods.items():
            for content in operation.get("requestBody", {"content": {}})["content"].values():
                shown = [each["value"] for each in content.get("examples", {}).values()]
                found[f"{method.upper()} {path}"] = shown
    return found


def without_input(file: dict[str, Any]) -> list[str]:
    """Return the operations that take nothing but a token: there is little to draw for them."""
    return [
        f"{method.upper()} {path}"
        for path, methods in file["paths"].items()
        for method, operation in methods.items()
        if "requestBody" not in operation
        and all(each["in"] == "header" for each in operation.get("parameters", []))
    ]


def fuzz(file: dict[str, Any], planted: Planted, *, seed: int, examples: int, into: Run) -> None:
    """Try every operation of the file in all phases; `examples` is how often each is drawn for."""
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "continue-on-failure": True,
            "warnings": False,
            "auth": {"openapi": {"token": {"api_key": planted.header}}},
            "generation": {"max-examples": examples, "no-shrink": True, "database": "none"},
            # Its links come from Location headers and are guessed: the feeder knows the ids.
            "phases": {"stateful": {"enabled": False}},
            # Words of our code would make other cases of the same seed with every change of it.
            "analysis": {"constants": {"enabled": False}},
            "operations": [{"include-name": name, **_FEW} for name in without_input(file)],
        }
    )
    schema = schemathesis.openapi.from_dict(file, config=config)
    leaks: list[str] = []
    schema.app = _watched(planted.secrets, leaks)
    feeder = Feeder(planted.ids, examples_of(file))

    def filter_failure(
        context: HookContext, failure: Any, case: Case[Any], response: Response
    ) -> bool:
        return not is_no_fault(failure, case, response, is_spoilt=case.id in feeder.spoilt)

    schema.hook(filter_failure)
    started = perf_counter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WSGITransport, "send", _sender(feeder, planted))
        for event in from_schema(schema).execute():
            _note(event, into)
    into.faults += leaks
    into.seconds += perf_counter() - started


def _note(event: Any, run: Run) -> None:
    if isinstance(event, events.NonFatalError | events.FatalError):
        error = event.value if isinstance(event, events.NonFatalError) else event.exception
        run.faults.append(f"{getattr(event, 'label', '')}: the run itself failed: {error!r}")
    if not isinstance(event, events.ScenarioFinished):
        return
    seen = run.seen.setdefault(event.label or "", Counter())
    for exchange in event.recorder.interactions.values():
        run.cases += 1
        if exchange.response is not None:
            seen[exchange.response.status_code] += 1
            run.statuses[exchange.response.status_code] += 1
    for identity, checks in event.recorder.checks.items():
        answer = event.recorder.interactions.get(identity)
        for check in checks:
            if check.failure_info is not None:
                run.faults.append(_told(event.label, check, answer))


def _told(label: str | None, check: Any, exchange: Any) -> str:
    failure = check.failure_info
    answer = exchange.response if exchange is not None else None
    said = "" if answer is None else f"\n-> {answer.status_code} {answer.content[:300]!r}"
    text = f"{label} {check.name}: {str(failure.failure)[:300]}\n{failure.code_sample[:800]}{said}"
    return text


def _watched(secrets: list[str], leaks: list[str]) -> Callable[[Environ, Any], Iterable[bytes]]:
    """Return the application, its answers unpacked and looked through for secrets."""

    def call(environ: Environ, start_response: Any) -> Iterable[bytes]:
        environ.pop("HTTP_ACCEPT_ENCODING", None)
        answer = application(environ, start_response)
        try:
            body = b"".join(answer)
        finally:
            answer.close()
        if any(secret.encode() in body for secret in secrets):
            leaks.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} shows a secret")
        return [body]

    return call


def _sender(feeder: Feeder, planted: Planted) -> Callable[..., Response]:
    """Return what sends a case: the library's own way, fed, and without what it would trip over.

    Calls that checks make name options of sockets, which werkzeug refuses.
    """
    plain = WSGITransport.send

    def send(transport: WSGITransport, case: Case[Any], **options: Any) -> Response:
        for name in ("max_redirects", "verify", "cert", "proxies"):
            options.pop(name, None)
        planted.prices.refresh()
        feeder.feed(case)
        return plain(transport, case, **options)

    return send
