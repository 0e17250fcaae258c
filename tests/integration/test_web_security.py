"""Who may see and change what: the login, forged requests, foreign names, proxies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import news
from support.pages_server import Visitor, serving

from ruie.db import migrate
from ruie.db.engine import open_engine
from ruie.errors import UnavailableError, UsageError
from ruie.settings import Settings, load
from ruie.worker.client import Client
from ruie.worker.web.server import WebServer, checked_prefix, is_loopback
from ruie.worker.web.sessions import LIFE_S, TRIES, Attempts, Sessions

TOKEN = "a long enough token"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("web")
    url = f"sqlite:///{folder / 'ruie.db'}"
    engine = open_engine(url)
    migrate.upgrade(engine)
    news.build(engine, folder)
    engine.dispose()
    return load(database_url=url)


@pytest.fixture
def open_site(config: Settings) -> Iterator[Visitor]:
    with serving(config) as url:
        yield Visitor(url)


@pytest.fixture
def closed_site(config: Settings) -> Iterator[Visitor]:
    with serving(config, TOKEN) as url:
        yield Visitor(url)


def _log_in(visitor: Visitor, token: str = TOKEN, prefix: str = "") -> int:
    page = visitor.get(f"{prefix}/login")
    return visitor.post(f"{prefix}/login", {"token": token}, page).status


def test_every_answer_forbids_what_no_page_needs(open_site: Visitor) -> None:
    for path in ("/jobs", "/static/web.css", "/nothing", "/documents/types/none.css"):
        told = open_site.get(path).headers
        policy = told["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert told["x-content-type-options"] == "nosniff"
        assert told["referrer-policy"] == "same-origin"


def test_no_page_has_a_script_or_a_style_in_it(config: Settings, open_site: Visitor) -> None:
    job = Client(config).jobs()[0].id
    for path in ("/jobs", f"/jobs/{job}", "/documents", "/documents/1", "/fleet", "/sql"):
        text = open_site.get(path).text
        assert "<style" not in text
        assert " style=" not in text
        assert "<script>" not in text
        assert " onclick=" not in text
        assert "http://" not in text.replace("http://127.0.0.1", "").replace(
            "http://www.w3.org/2000/svg", ""
        )


def test_a_foreign_name_for_this_machine_is_not_answered(open_site: Visitor) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""):
        refused = open_site.get("/jobs", Host=host)
        assert refused.status == 403
        assert "oil" not in refused.text
    for host in ("localhost", "127.0.0.1:1", "[::1]:80"):
        assert open_site.get("/jobs", Host=host).status == 200


def test_behind_a_proxy_a_token_is_needed(open_site: Visitor) -> None:
    refused = open_site.get("/jobs", X_Forwarded_For="203.0.113.7")
    assert refused.status == 403
    assert "RUIE_WEB_TOKEN" in refused.text


def test_another_address_needs_a_token(config: Settings) -> None:
    with pytest.raises(UsageError, match=r"0\.0\.0\.0"):
        WebServer(config, "0.0.0.0", 0)
    with pytest.raises(UsageError, match="5 characters"):
        WebServer(config, "0.0.0.0", 0, "short")


def test_what_is_of_this_machine_alone() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.1", "example.org", "")))


def test_without_a_login_nothing_is_shown(closed_site: Visitor) -> None:
    for path in ("/", "/jobs", "/documents/1", "/sql", "/fleet"):
        page = closed_site.get(path)
        assert (page.status, page.headers["location"]) == (303, "/login")
    assert closed_site.get("/login").status == 200
    assert closed_site.get("/static/web.css").status == 200
    fragment = closed_site.get("/jobs", HX_Request="true")
    assert (fragment.status, fragment.headers["hx-redirect"]) == (401, "/login")
    login = closed_site.get("/login")
    assert closed_site.post("/sql", {"sql": "SELECT 1"}, login).status == 401


def test_logging_in_and_out(closed_site: Visitor) -> None:
    assert _log_in(closed_site) == 200
    page = closed_site.get("/jobs")
    assert "oil large" in page.words
    assert "Log out" in page.words
    sent = closed_site.send("POST", "/logout", {"csrf_token": page.csrf})
    assert sent.headers["location"] == "/login"
    assert closed_site.get("/jobs").status == 303


def test_the_cookie_is_kept_from_scripts_and_other_sites(closed_site: Visitor) -> None:
    page = closed_site.get("/login")
    fields = {"csrf_token": page.csrf, "token": TOKEN}
    done = closed_site.send("POST", "/login", fields, {"X-Forwarded-Proto": "https"})
    cookie = done.headers["set-cookie"]
    for attribute in ("HttpOnly", "SameSite=Strict", "Secure", "Path=/", f"Max-Age={LIFE_S}"):
        assert attribute in cookie
    assert TOKEN not in cookie


def test_a_wrong_token_is_refused_and_too_many_wait(closed_site: Visitor) -> None:
    for _ in range(TRIES):
        assert _log_in(closed_site, "a wrong token of some length") == 403
    page = closed_site.get("/login")
    refused = closed_site.post("/login", {"token": TOKEN}, page)
    assert refused.status == 429
    assert 0 < int(refused.headers["retry-after"]) <= 61
    assert closed_site.get("/jobs").status == 303


def test_attempts_are_counted_by_address_and_forgotten() -> None:
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    for _ in range(TRIES):
        assert attempts.wait_s("a") == 0
        attempts.failed("a")
    assert attempts.wait_s("a") == 61
    assert attempts.wait_s("b") == 0
    for number in range(10 * TRIES):
        attempts.failed(f"other {number}")
    assert attempts.wait_s("b") > 0
    now[0] = 61
    assert attempts.wait_s("a") == attempts.wait_s("b") == 0


def test_a_form_of_another_site_is_refused(open_site: Visitor, config: Settings) -> None:
    page = open_site.get("/jobs")
    job = Client(config).jobs()[-1].id
    path, fields = f"/jobs/{job}/retry", {"csrf_token": page.csrf}
    host = open_site.host
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": f"http://{host}"},
    ):
        assert open_site.send("POST", path, fields, headers).status == 403
    for wrong in ({}, {"csrf_token": ""}, {"csrf_token": "0" * 64}):
        assert open_site.send("POST", path, wrong).status == 403
    other = Visitor(f"http://{host}")
    other.get("/jobs")
    assert other.send("POST", path, fields).status == 403  # the token of another session
    assert Client(config).quarantined(job)
    origin = {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert open_site.send("POST", path, fields, origin).status == 303
    assert not Client(config).quarantined(job)


def test_a_script_sends_the_token_as_a_header(open_site: Visitor) -> None:
    page = open_site.get("/sql")
    headers = {"X-CSRF-Token": page.csrf}
    assert open_site.send("POST", "/sql", {"sql": "SELECT 7 AS seven"}, headers).status == 303


def test_a_request_that_is_too_large_is_refused(open_site: Visitor) -> None:
    page = open_site.get("/sql")
    assert open_site.post("/sql", {"sql": "x" * 5_000_000}, page).status == 413


def test_cookies_that_were_not_issued_here_are_worth_nothing(closed_site: Visitor) -> None:
    _log_in(closed_site)
    good = dict(closed_site.cookies)
    (name,) = (key for key in good if not key.endswith("_visit"))
    id_, ends, known, signature = good[name].split(".")
    forged = (
        f"{id_}.{int(ends) + 1}.{known}.{signature}",
        f"{id_}x.{ends}.{known}.{signature}",
        Sessions("another token, as long").cookie(Sessions("another token, as long").new(True)),
        "",
        "....",
        "\u00e9",
    )
    for value in forged:
        closed_site.cookies = {name: value.encode("utf-8").decode("latin-1")}
        assert closed_site.get("/jobs").status == 303
    visit = next(value for key, value in good.items() if key.endswith("_visit"))
    closed_site.cookies = {name: visit}
    assert closed_site.get("/jobs").status == 303


def test_a_session_ends_and_a_new_token_ends_all() -> None:
    sessions = Sessions(TOKEN)
    known = sessions.new(known=True)
    assert Sessions(TOKEN).read(sessions.cookie(known)) == known  # also after a restart
    assert Sessions(TOKEN + "!").read(sessions.cookie(known)) is None


def test_a_remark_in_an_address_is_not_believed(open_site: Visitor) -> None:
    page = open_site.get("/jobs?said=Your+token+has+leaked&proof=123")
    assert "leaked" not in page.text


def test_behind_a_proxy_with_a_prefix(config: Settings) -> None:
    with serving(config, TOKEN, "tools/ruie/") as url:
        assert url.endswith("/tools/ruie")
        visitor = Visitor(url)
        for prefix in ("/tools/ruie", ""):  # a proxy that leaves it, and one that takes it off
            page = visitor.get(f"{prefix}/jobs")
            assert page.headers["location"] == "/tools/ruie/login"
        assert _log_in(visitor, prefix="/tools/ruie") == 200
        page = visitor.get("/jobs")
        assert 'href="/tools/ruie/static/web.css' in page.text
        job = page.link("/tools/ruie/jobs/job_")
        assert visitor.get(job).status == 200
        assert visitor.get(job.removeprefix("/tools/ruie")).status == 200
        form = {"csrf_token": page.csrf, "sql": "SELECT 1"}
        through = {"Origin": "https://apps.example", "X-Forwarded-Host": "apps.example"}
        assert visitor.send("POST", "/tools/ruie/sql", form, through).status == 303


def test_prefixes() -> None:
    assert checked_prefix("ruie/") == checked_prefix("/ruie") == "/ruie"
    assert checked_prefix("") == checked_prefix("/") == ""
    for wrong in ("/a b", "/<script>", "/a//b", "/ä", "https://apps.example/ruie"):
        with pytest.raises(UsageError, match="no path"):
            checked_prefix(wrong)


def test_a_port_that_is_in_use_is_said(config: Settings, open_site: Visitor) -> None:
    port = int(open_site.host.rpartition(":")[2])
    with pytest.raises(UnavailableError, match=str(port)) as error:
        WebServer(config, "127.0.0.1", port)
    assert "--port" in error.value.hint
    beside = WebServer(config, "127.0.0.1", port, others=20)
    taken = int(beside.url.rstrip("/").rpartition(":")[2])
    assert port < taken <= port + 20
    beside.stop()
    beside.run()
