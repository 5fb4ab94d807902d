"""Lines of curl 7.88, Go's net package, glibc, Node.js, Java and busybox httpd."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sensors.kit.app_log import LogError, LogTrouble, hosts_in, last_line, log_errors, read_line

T = LogTrouble


@pytest.mark.parametrize(
    ("line", "trouble", "code", "door"),
    [
        (
            'level=error err="curl: (6) Could not resolve host: mailer.messaging',
            T.RESOLVE,
            6,
            ("mailer.messaging", None),
        ),
        ("curl: (28) Resolving timed out after 3000 milliseconds", T.RESOLVE, 28, ("", None)),
        ("curl: (28) Connection timed out after 3001 milliseconds", T.TIMEOUT, 28, ("", None)),
        ("curl: (7) Failed to connect to catalog port 80 after 1 ms: Couldn't connect", T.CONNECT, 7, ("catalog", 80)),
        ("curl: (22) The requested URL returned error: 500", T.HTTP, 500, ("", None)),
        ("curl: (52) Empty reply from server", T.RESET, 52, ("", None)),
        ("curl: (99) something new", T.OTHER, 99, ("", None)),
        ("dial tcp: lookup db.shop on 10.96.0.10:53: no such host", T.RESOLVE, None, ("db.shop", None)),
        (
            "Get https://api.shop/x: dial tcp 10.0.0.7:443: connect: connection refused",
            T.REFUSED,
            None,
            ("api.shop", 443),
        ),
        ("dial tcp 10.0.0.7:5432: i/o timeout", T.TIMEOUT, None, ("10.0.0.7", 5432)),
        ("Error: connect ECONNREFUSED 127.0.0.1:5432", T.REFUSED, None, ("127.0.0.1", 5432)),
        (
            'connection to server at "db" (10.0.0.5), port 5432 failed: Connection refused',
            T.REFUSED,
            None,
            ("db", 5432),
        ),
        ("Error 111 connecting to localhost:6379. Connection refused.", T.REFUSED, None, ("localhost", 6379)),
        ("ERROR 2003: Can't connect to MySQL server on 'db:3306' (timed out)", T.TIMEOUT, None, ("db", 3306)),
        (
            'could not connect to server: Connection refused. Is the server running on host "db" (10.0.0.5)?',
            T.REFUSED,
            None,
            ("db", None),
        ),
        ("Error: getaddrinfo EAI_AGAIN db", T.RESOLVE, None, ("", None)),
        ("java.net.NoRouteToHostException: No route to host", T.UNREACHABLE, None, ("", None)),
        (
            "dial tcp 10.0.0.7:443: connect: cannot assign requested address",
            T.NO_PORT,
            None,
            ("10.0.0.7", 443),
        ),
        ("java.net.NoRouteToHostException: Cannot assign requested address", T.NO_PORT, None, ("", None)),
        ("OSError: [Errno 99] Cannot assign requested address", T.NO_PORT, None, ("", None)),
        ("ERROR listen tcp 10.1.2.3:80: bind: cannot assign requested address", T.OTHER, None, ("", None)),
        ("read: connection reset by peer", T.RESET, None, ("", None)),
        ("x509: certificate has expired or is not yet valid", T.TLS, None, ("", None)),
        ('level=info msg="GET http://api/" status="503 0.01s"', T.HTTP, 503, ("api", 80)),
        ("[::ffff:10.244.1.76]:52788: response:404", T.HTTP, 404, ("", None)),
        ('10.0.0.1 - "GET / HTTP/1.1" 502 12', T.HTTP, 502, ("", None)),
        ('{"level":"error","msg":"boom"}', T.OTHER, None, ("", None)),
    ],
)
def test_a_failure_is_recognised_with_what_it_names(
    line: str, trouble: LogTrouble, code: int | None, door: tuple[str, int | None]
) -> None:
    error = read_line("app", line)

    assert error is not None
    assert (error.trouble, error.code, (error.host, error.port)) == (trouble, code, door)


@pytest.mark.parametrize(
    "line",
    [
        "",
        'level=info msg="GET http://api/" status="200 0.002s"',
        'level=info msg="retry after timed out connections is on" timeout=30s',
        "DEBUG connection refused is handled by the pool",
        "000 3.000800s",
        "listening on :8080",
        "served 500 items",
    ],
)
def test_calm_lines_tell_of_no_failure(line: str) -> None:
    assert read_line("app", line) is None


def test_equal_lines_are_folded_and_the_newest_is_kept() -> None:
    log = "\n".join(
        f'2026-11-23T21:00:0{n}Z level=error msg="GET http://api/ failed" err="curl: (28) timed out after 300{n} ms'
        for n in range(3)
    )

    assert log_errors("app", log) == (
        LogError(
            "app",
            T.TIMEOUT,
            '2026-11-23T21:00:02Z level=error msg="GET http://api/ failed" err="curl: (28) timed out after 3002 ms',
            3,
            28,
            "api",
            80,
            datetime(2026, 11, 23, 21, 0, 2, tzinfo=UTC),
        ),
    )


def test_no_more_than_eight_kinds_the_most_frequent_first() -> None:
    log = "\n".join([f"dial tcp 10.0.0.{n}:80: i/o timeout" for n in range(1, 20)] + ["connection refused"] * 2)

    found = log_errors("app", log)

    assert len(found) == 8
    assert (found[0].trouble, found[0].count) == (T.REFUSED, 2)


def test_hosts_are_named_newest_first_also_from_calm_lines() -> None:
    log = "GET http://a/ ok\nGET https://b:8443/ ok\nGET http://[2001:db8::1]:80/ ok\nGET http://a/ ok"

    assert hosts_in(log) == ("a", "2001:db8::1", "b")


def test_the_last_line_is_the_last_one_with_a_time() -> None:
    assert last_line('2026-11-23T21:00:01Z level=error err="curl: (6)\n000 0.1s"\n\n') == (
        '2026-11-23T21:00:01Z level=error err="curl: (6)'
    )
    assert last_line("one\ntwo\n") == "two"
    assert last_line("") == ""


def test_a_huge_line_is_looked_at_in_part_only() -> None:
    found = log_errors("app", "connection refused " + "a" * 3_000_000)

    assert [each.trouble for each in found] == [T.REFUSED]
    assert len(found[0].text) <= 300
