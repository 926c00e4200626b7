"""What a URL becomes on the wire: the request line, the header Host, and where the connection goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.price_alerts.dispatcher.targets import Origin, target_of


@pytest.mark.parametrize(
    ("url", "line", "host", "origin"),
    [
        # Each as aiohttp sent it.
        ("https://a.example", "/", "a.example", (True, "a.example", 443)),
        ("https://a.example:443/x", "/x", "a.example", (True, "a.example", 443)),
        ("https://a.example:80/x", "/x", "a.example:80", (True, "a.example", 80)),
        ("http://a.example:80/x", "/x", "a.example", (False, "a.example", 80)),
        ("HTTP://A.Example:8000/X", "/X", "a.example:8000", (False, "a.example", 8000)),
        ("http://a.example./", "/", "a.example", (False, "a.example.", 80)),
        ("http://[::1]:8000/", "/", "[::1]:8000", (False, "::1", 8000)),
        ("http://[2001:DB8:0::1]/", "/", "[2001:db8::1]", (False, "2001:db8::1", 80)),
        ("https://bücher.example/ä?ö=ü", "/%C3%A4?%C3%B6=%C3%BC", "xn--bcher-kva.example", None),
        ("https://a.example/a%2Fb%7e%zz?q=a+b%2B&r#fragment", "/a%2Fb~%25zz?q=a+b%2B&r", "a.example", None),
        ("https://a.example/a/../b/./c//d", "/b/c//d", "a.example", None),
        ('https://a.example/{x}|"<>^`', "/%7Bx%7D%7C%22%3C%3E%5E%60", "a.example", None),
        ("https://a.example?x", "/?x", "a.example", None),
    ],
)
def test_a_url(url: str, line: str, host: str, origin: tuple[bool, str, int] | None) -> None:
    target = target_of(url)
    assert target is not None
    first, second, *_ = target.head.split("\r\n")
    assert (first, second) == (f"POST {line} HTTP/1.1", f"Host: {host}")
    if origin is not None:
        assert target.origin == Origin(*origin)


@pytest.mark.parametrize(
    "url",
    [
        "", "/x", "a.example", "ftp://a.example/", "ws://a.example/", "http://", "http:///x", "http://[::1", "http://a:b/",
        "http://a:99999/", "http://2130706433/", "http://127.1/", "http://0177.0.0.1/", "http://user@a.example/",
        "http://user:password@a.example/", "http://a b/", "http://a\0b/",
    ],
)  # fmt: skip
def test_what_is_no_target(url: str) -> None:
    assert target_of(url) is None


@given(st.text(st.characters() | st.sampled_from("\r\n\0 :@/?#[]%.\\"), max_size=40))
def test_no_url_writes_a_line_of_its_own(rest: str) -> None:
    for url in (rest, "http://" + rest, "https://a.example/" + rest, "https://a.example?" + rest):
        target = target_of(url)
        if target is not None:
            lines = target.head.split("\r\n")
            assert [each.partition(" ")[0] for each in lines] == [
                "POST", "Host:", "Accept:", "User-Agent:", "Content-Type:", ""
            ]  # fmt: skip
            assert target.head.isascii()
            assert not set("\r\n\0\t") & set("".join(lines))
            assert lines[0].count(" ") == 2
            assert lines[1].count(" ") == 1


def test_the_whole_request() -> None:
    target = target_of("https://a.example/x")
    assert target is not None
    head, body = target.request({"A": "1", "B": "ä"}, b"\r\n\xff").split(b"\r\n\r\n")
    assert head.decode().split("\r\n")[2:] == [
        "Accept: */*",
        "User-Agent: flinkops-price-alerts",
        "Content-Type: application/json",
        "Content-Length: 3",
        "A: 1",
        "B: ä",
    ]
    assert body == b"\r\n\xff"


@pytest.mark.parametrize("end", ["\r", "\n", "\0", "\r\nX: y"])
def test_no_header_ends_its_line(end: str) -> None:
    target = target_of("https://a.example/x")
    assert target is not None
    with pytest.raises(ValueError, match="A holds"):
        target.request({"A": f"1{end}"}, b"")
