"""Addresses that users name reach nothing inside (trust.md P18), over real TLS where they may."""

import asyncio
import socket

import pytest

from accounts.domain.public_addresses import is_public
from accounts.domain.redirect_urls import UrlRefused, normal_postback
from api.postback_client import PostbackClient, PublicAddresses
from api.tests.receiver import HOST, Canary, Here, receiving

BODY, HEADERS = b'{"order_id":"1"}', {"Content-Type": "application/json"}
URL = f"https://{HOST}/kite?a=1"

# Refused by what they say. {port} is where the canary listens.
BAD_URLS = [
    "http://127.0.0.1:{port}/",
    "https://127.0.0.1/",
    "https://127.0.0.1:{port}/",
    "https://127.1/",
    "https://127.0.1/",
    "https://0x7f.1/",
    "https://0x7f.0.0.1/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://00000177.1/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0/",
    "https://0.0.0.0/",
    "https://127.0.0.1.:{port}/",
    "https://[::1]:{port}/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[0:0:0:0:0:ffff:7f00:1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[fe80::1%25lo]/",
    "https://localhost/",
    "https://LOCALHOST:{port}/",
    "https://localhost./",
    "https://localhost.localdomain./",
    "https://hooks.example.com./",
    "https://169.254.169.254/latest/meta-data/",
    "https://[fd00:ec2::254]/latest/meta-data/",
    "https://10.0.0.5/",
    "https://192.168.1.1/",
    "https://metadata/",
    "https://hooks.example.com:{port}/",
    "https://hooks.example.com:80/",
    "https://hooks.example.com:0443/",
    "https://hooks.example.com:443@127.0.0.1/",
    "https://user:word@hooks.example.com/",
    "https://hooks.example.com@127.0.0.1:{port}/",
    "https://127.0.0.1\\@hooks.example.com/",
    "https://hooks.example.com#@127.0.0.1:{port}/",
    "https://127.0.0.1%2523@hooks.example.com/",
    "https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",
    "https://127\u30020\u30020\u30021/",
    "https://\uff11\uff12\uff17.0.0.1/",
    "https://hooks.example.com\t.evil.example/",
    "https://hooks.example.com\r\nHost: 127.0.0.1/",
    "https://" + "a" * 64 + ".example.com/",
    "https://" + "a." * 130 + "example.com/",
    "https://hooks..example.com/",
    "https:127.0.0.1/",
    "https:///127.0.0.1/",
    "//127.0.0.1:{port}/",
    "gopher://127.0.0.1:{port}/_POST",
    "file:///etc/passwd",
    "ftp://hooks.example.com/",
]
# A name as it should be, and what its owner lets it lead to.
BAD_ANSWERS = [
    ["127.0.0.1"],
    ["127.255.255.254"],
    ["0.0.0.0"],  # noqa: S104 - nobody listens there
    ["10.1.2.3"],
    ["100.64.0.1"],
    ["169.254.169.254"],
    ["172.16.0.1"],
    ["172.31.255.255"],
    ["192.168.0.1"],
    ["192.0.0.1"],
    ["192.88.99.1"],
    ["198.18.0.1"],
    ["203.0.113.9"],
    ["224.0.0.1"],
    ["239.255.255.255"],
    ["240.0.0.1"],
    ["255.255.255.255"],
    ["::1"],
    ["::"],
    ["::ffff:127.0.0.1"],
    ["::ffff:169.254.169.254"],
    ["::127.0.0.1"],
    ["64:ff9b::7f00:1"],
    ["64:ff9b:1::7f00:1"],
    ["2002:7f00:1::"],
    ["2001:0:7f00:1::"],
    ["2001:db8::1"],
    ["fe80::1"],
    ["fe80::1%lo"],
    ["fec0::1"],
    ["fc00::1"],
    ["fd00:ec2::254"],
    ["ff02::1"],
    ["93.184.216.34", "127.0.0.1"],
    ["2606:2800:220:1::1", "::1"],
    ["not an address"],
    [],
]


@pytest.fixture
def canary():
    made = Canary()
    yield made
    made.close()


@pytest.fixture
def connects(monkeypatch):
    """Note where anybody connects to, and let nobody."""
    tried = []

    def connect(_socket, address):
        tried.append(address)
        raise OSError("nobody is there")

    monkeypatch.setattr(socket.socket, "connect", connect)
    return tried


def leading_to(*answers, port=443):
    """Return a client whose resolver gives these answers in turn, the last one for ever."""
    left = list(answers)

    async def lookup(_host):
        return left.pop(0) if len(left) > 1 else left[0]

    return PostbackClient(addresses=PublicAddresses(lookup=lookup, port=port))


def post(client, url=URL):
    return asyncio.run(client.post(url, BODY, headers=HEADERS))


def test_there_are_more_than_sixty():
    assert len({*BAD_URLS}) + len({tuple(each) for each in BAD_ANSWERS}) == 91


@pytest.mark.parametrize("url", BAD_URLS)
def test_an_address_that_is_not_public_is_refused(url, canary, connects):
    url = url.replace("{port}", str(canary.port))
    with pytest.raises(UrlRefused):
        normal_postback(url)
    # And where it stands in the database all the same: the resolver would lead to the canary.
    answer = post(leading_to(["127.0.0.1"], port=canary.port), url)
    assert (answer.is_taken, answer.words) == (False, "not a public https address")
    assert connects == []
    assert canary.visits == 0


@pytest.mark.parametrize("addresses", BAD_ANSWERS, ids=",".join)
def test_a_name_that_leads_inside_is_refused(addresses, canary, connects):
    answer = post(leading_to(addresses, port=canary.port))
    assert (answer.is_taken, answer.words) == (False, "not a public https address")
    assert connects == []
    assert canary.visits == 0


def test_a_name_that_changes_is_asked_once(canary, connects):
    client = leading_to(["93.184.216.34"], ["127.0.0.1"])
    assert post(client).words == "no connection"
    assert connects == [("93.184.216.34", 443)]
    assert post(client).words == "not a public https address"
    assert connects == [("93.184.216.34", 443)]
    assert canary.visits == 0


def test_proxies_of_the_environment_are_not_used(canary, connects, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    post(leading_to(["93.184.216.34"]))
    assert connects == [("93.184.216.34", 443)]
    assert canary.visits == 0


def test_a_name_that_nobody_knows():
    def unknown(_host):
        raise socket.gaierror(-2, "Name or service not known")

    client = PostbackClient(addresses=PublicAddresses(lookup=unknown))
    assert post(client).words == "the name has no address"


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "100.63.0.1", "172.32.0.1", "2606:4700::1111"]
)
def test_public_addresses(address):
    assert is_public(address)


# ------------------------------------------------------------ over TLS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("receiver")


def test_a_notice_arrives_as_it_is(folder):
    with receiving(folder) as receiver:
        answer = post(receiver.client())
    assert (answer.is_taken, answer.is_away, answer.words) == (True, False, "answered 200")
    (received,) = receiver.received
    assert (received.path, received.body) == ("/kite?a=1", BODY)
    assert received.headers["Host"] == HOST
    assert received.headers["Content-Type"] == "application/json"
    assert "Cookie" not in received.headers
    assert "Authorization" not in received.headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(folder, canary, status):
    with receiving(folder) as receiver:
        receiver.statuses, receiver.location = [status], f"https://127.0.0.1:{canary.port}/"
        answer = post(receiver.client())
    assert (answer.is_taken, answer.words) == (False, f"answered {status}")
    assert len(receiver.received) == 1
    assert canary.visits == 0


def test_a_certificate_for_another_name_is_refused(folder):
    with receiving(folder, host="other.example.com") as receiver:
        answer = post(receiver.client())
    assert answer.words == "its certificate is not valid for this name"
    assert receiver.received == []


def test_a_certificate_of_an_unknown_authority_is_refused(folder):
    with receiving(folder) as receiver:
        client = PostbackClient(addresses=Here(receiver.port))
        assert post(client).words == "its certificate is not valid for this name"
    assert receiver.received == []


def test_a_slow_receiver_is_left(folder):
    with receiving(folder) as receiver:
        receiver.delay = 0.5
        answer = post(receiver.client(patience=0.2))
    assert (answer.is_taken, answer.is_away) == (False, True)
    assert answer.words == "no answer within 0.2 s"


def test_an_endless_answer_is_not_read(folder):
    with receiving(folder) as receiver:
        receiver.body = b"x" * 30_000_000
        assert post(receiver.client()).is_taken


def test_the_time_holds_for_everything_together(canary):
    # The listener takes the connection and never says a word: no TLS, no answer.
    client = PostbackClient(addresses=Here(canary.port), patience=0.2)
    assert post(client).words == "no answer within 0.2 s"
