"""The programs that users copy from an app's page, run as they are against a served copy."""

import os
import subprocess
import sys
from threading import Thread

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.utils import timezone

from accounts.domain.snippets import curl_snippet, python_snippet
from accounts.models import ApiSession
from accounts.tests.api_apps import agree, make_app


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        """Write nothing."""


@pytest.fixture
def root(real_db, redis_client):
    """Serve the site from the test's own database."""
    server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
    server.set_app(WSGIHandler())
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("command", "snippet"),
    [([sys.executable, "-I", "-c"], python_snippet), (["bash", "-c"], curl_snippet)],
)
def test_the_program_logs_in(root, alice, bob, command, snippet):
    now = timezone.now()
    made = make_app(alice, now=now)
    program = snippet(root=root, api_key=made.app.api_key)
    assert made.secret not in program
    ran = subprocess.run(
        [*command, program],
        input=agree(made, bob, now=now) + "\n",
        env={**os.environ, "FINBYTE_API_SECRET": made.secret, "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert f"{root}/connect/login?v=3&api_key={made.app.api_key}" in ran.stdout
    assert bob.public_id in ran.stdout
    assert ApiSession.objects.get().user == bob
