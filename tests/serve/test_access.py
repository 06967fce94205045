"""Who gets in: this machine's own browser pages without a key, everybody else with one, no other site ever."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from samples import SUM, a_desk, request, serving, work

from truenorth.base import UserError
from truenorth.serve.access import Access, access_for, is_loopback
from truenorth.serve.running import run

KEY = "a-key-of-a-good-length"
SKIP = {"annotator": "ann", "ask": "rank", "task": work().tasks[0].id, "kind": "skip", "value": None}


@pytest.fixture
def port(tmp_path: Path):
    with serving(a_desk(tmp_path / "labels.sqlite")) as number:
        yield number


def test_a_name_that_somebody_points_at_this_machine_is_refused(port: int):
    """DNS rebinding: the browser believes that evil.example is 127.0.0.1 and sends its name as the Host."""
    for path, body in (("/", None), ("/api/task?annotator=ann&ask=rank", None), ("/api/label", SKIP)):
        reply = request(port, path, body, Host=f"evil.example:{port}")
        assert reply.status == 403
        assert SUM not in reply.text
    assert request(port, "/api/task?annotator=ann&ask=rank", Host=f"localhost:{port}").status == 200
    assert request(port, "/", Host=f"[::1]:{port}").status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({}, 200),
    ],
)
def test_another_sites_page_cannot_label(port: int, headers: dict[str, str], status: int):
    assert request(port, "/api/label", SKIP, **headers).status == status
    done = request(port, "/api/task?annotator=ann&ask=rank").json["state"]["done"]
    assert done == (status == 200)


def test_our_own_page_can_label(port: int):
    headers = {"Origin": f"http://127.0.0.1:{port}", "Sec_Fetch_Site": "same-origin"}
    assert request(port, "/api/label", SKIP, **headers).status == 200


def test_the_page_may_load_nothing_from_anywhere_and_stand_in_no_frame(port: int):
    reply = request(port, "/")
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Cache-Control"] == "no-store"
    assert "http" not in reply.text.replace("http-equiv", "")


def test_elsewhere_a_key_is_asked_for_and_leaves_the_address_bar(tmp_path: Path):
    with serving(a_desk(tmp_path / "labels.sqlite"), access=Access("127.0.0.1", KEY)) as port:
        for path, body in (("/", None), ("/api/task?annotator=ann&ask=rank", None), ("/api/label", SKIP)):
            assert request(port, path, body).status == 401
            assert (
                request(port, path, body, Authorization="Bearer wrong", Cookie="truenorth_key=x").status
                == 401
            )
        assert request(port, "/?key=wrong").status == 401
        entered = request(port, f"/?key={KEY}")
        assert (entered.status, entered.headers["Location"]) == (303, "/")
        cookie = entered.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert request(port, "/", Cookie=cookie.split(";")[0]).status == 200
        assert (
            request(port, "/api/label", SKIP, Authorization=f"Bearer {KEY}", Host="studio.example").status
            == 200
        )


def test_only_loopback_goes_without_a_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TRUENORTH_KEY", raising=False)
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "127.8.8.8", "::1"))
    assert not any(
        is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.4", "studio.example", "localhost.evil")
    )
    assert access_for("localhost").key is None
    first, second = access_for("0.0.0.0").key, access_for("0.0.0.0").key
    assert first
    assert len(first) >= 32
    assert first != second
    monkeypatch.setenv("TRUENORTH_KEY", KEY)
    assert access_for("0.0.0.0") == Access("0.0.0.0", KEY)
    assert KEY not in repr(access_for("0.0.0.0"))
    monkeypatch.setenv("TRUENORTH_KEY", "short")
    with pytest.raises(UserError, match="16 characters or more"):
        access_for("0.0.0.0")


def test_a_port_in_use_and_an_address_of_another_machine_are_said_in_one_line(tmp_path: Path):
    from truenorth.serve.annotate import annotation_app

    desk = a_desk(tmp_path / "labels.sqlite")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        access = access_for("127.0.0.1")
        with pytest.raises(
            UserError, match=f"127.0.0.1:{port}: the port is in use; --port 0 takes a free one"
        ):
            run(annotation_app(desk, access), access, port, say=print)
    access = Access("192.0.2.1", KEY)  # RFC 5737: nobody's
    with pytest.raises(UserError, match=r"192\.0\.2\.1:0: cannot listen"):
        run(annotation_app(desk, access), access, 0, say=print)
    desk.store.close()
