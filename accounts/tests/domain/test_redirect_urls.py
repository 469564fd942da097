import pytest

from accounts.domain.redirect_urls import (
    UrlRefused,
    echoed,
    form_target,
    normal_postback,
    normal_redirect,
    origin_of,
    with_parameters,
)

# What an app's owner, or somebody in his place, may try to register. All are refused.
MALICIOUS = [
    "",
    "javascript:alert(1)",
    "JaVaScRiPt://bots.example.com/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "ftp://bots.example.com/",
    "//evil.example",
    "///evil.example",
    "/console/",
    "evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https://",
    "http://evil.example/",
    "http://127.0.0.1.evil.example/",
    "http://localhost.evil.example/",
    "http://127.0.0.2/",
    "http://2130706433/",
    "https://0x7f.1/",
    "https://127.1/",
    "https://bots.example.com\\@evil.example/",
    "https:\\\\evil.example/",
    "https://bots.example.com@evil.example/",
    "https://user:pass@bots.example.com/",
    "https://bots.example.com%40evil.example/",
    "https://bots.example.com/%0d%0aLocation:%20https://evil.example",
    "https://bots.example.com/\r\nSet-Cookie: a=b",
    "https://bots.example.com/\tx",
    " https://bots.example.com/",
    "https://bots.example.com/ ",
    "https://bots.example.com/\0",
    "https://bots\u3002example\u3002com/",
    "https://b\u00fccher.example/",
    "https://bots.example.com/\u202egpj.exe",
    "https://bots.example.com/cb#https://evil.example",
    "https://bots.example.com:99999/",
    "https://bots.example.com:0/",
    "https://bots.example.com:443:80/",
    "https://bots.example.com:evil/",
    "https://*.example.com/",
    "https://bots..example.com/",
    "https://-bots.example.com/",
    "https://bots.example.com./",
    "https://[::1",
    "https://[::1]evil.example/",
    "https://[fe80::1%25eth0]/",
    "https://bots.example.com/a/../b",
    "https://bots.example.com/%2e%2E/b",
    "https://bots.example.com//evil.example",
    "https://bots.example.com/%zz",
    "https://bots.example.com/?request_token=mine",
    "https://bots.example.com/?status=success",
    "https://bots.example.com/<script>",
    "https://bots.example.com/" + "a" * 500,
]


def test_there_are_at_least_forty():
    assert len(set(MALICIOUS)) == len(MALICIOUS) == 56


@pytest.mark.parametrize("url", MALICIOUS)
def test_malicious_values_are_refused(url):
    with pytest.raises(UrlRefused):
        normal_redirect(url, may_be_loopback=True)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://bots.example.com", "https://bots.example.com/"),
        ("HTTPS://Bots.Example.COM:443/Cb", "https://bots.example.com/Cb"),
        ("https://bots.example.com:8443/cb?tenant=5", "https://bots.example.com:8443/cb?tenant=5"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://203.0.113.7/cb", "https://203.0.113.7/cb"),
        ("https://[2001:DB8:0::7]/cb", "https://[2001:db8::7]/cb"),
        ("http://127.0.0.1:5000/cb", "http://127.0.0.1:5000/cb"),
        ("http://localhost/cb", "http://localhost/cb"),
        ("http://[::1]:80/", "http://[::1]/"),
        ("https://bots.example.com/?next=%2Fhome", "https://bots.example.com/?next=%2Fhome"),
    ],
)
def test_good_ones_have_one_spelling(written, kept):
    assert normal_redirect(written, may_be_loopback=True) == kept
    assert normal_redirect(kept, may_be_loopback=True) == kept


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://localhost:5000/", "http://[::1]/"])
def test_plain_http_is_for_paper_only(url):
    with pytest.raises(UrlRefused, match="live account"):
        normal_redirect(url, may_be_loopback=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://10.0.0.5/",
        "https://[2001:db8::7]/",
        "https://hooks/",
        "https://hooks.example.com:8443/",
        "https://user@hooks.example.com/",
    ],
)
def test_postbacks_go_to_public_names_only(url):
    with pytest.raises(UrlRefused):
        normal_postback(url)


def test_a_postback():
    assert normal_postback("https://Hooks.example.com/k?a=1") == "https://hooks.example.com/k?a=1"


def test_parameters_follow_those_of_the_address():
    assert (
        with_parameters("https://a.example/cb?tenant=5", [("status", "success"), ("x", "a b&c")])
        == "https://a.example/cb?tenant=5&status=success&x=a+b%26c"
    )
    assert with_parameters("https://a.example/", [("a", "\r\n")]) == "https://a.example/?a=%0D%0A"


def test_what_is_echoed_never_says_what_we_say():
    params = "a=1&request_token=x&action=x&status=x&type=x&tenant=6&b=&state=theirs"
    url = "https://a.example/cb?tenant=5"
    assert echoed(params, url=url) == [("a", "1"), ("b", ""), ("state", "theirs")]
    assert echoed(params, state="s", url=url) == [("a", "1"), ("b", ""), ("state", "s")]


@pytest.mark.parametrize("params", ["a" * 1001, "&".join(f"a{n}=1" for n in range(21))])
def test_too_much_to_echo(params):
    with pytest.raises(UrlRefused):
        echoed(params, url="https://a.example/")


def test_what_a_form_may_end_at():
    assert origin_of("https://a.example:8443/cb?x=1") == "https://a.example:8443"
    assert form_target("http://127.0.0.1:5000/cb") == "http://127.0.0.1:5000"
    assert form_target("http://[::1]:5000/cb") == "http:"
