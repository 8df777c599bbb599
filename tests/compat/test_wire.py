"""What every reply has in common, and what a client does when it is told to wait."""


import market
import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from conftest import PATIENCE

PATHS = ["/v2/account", "/v2/orders", "/v2/positions", "/v2/clock", "/v2/assets", "/v2/stocks/quotes/latest?symbols=AAPL"]


@pytest.fixture
def limited(starting):
    """Five requests a minute."""
    return starting(market.TODAY, "10:00", "--rate-limit", "5")


@pytest.mark.parametrize("path", PATHS)
def test_headers(me, path):
    reply = me.http("GET", path)
    assert reply.status_code == 200 and reply.headers["Content-Type"].lower() == "application/json; charset=utf-8"
    assert reply.headers["X-Request-ID"] and int(reply.headers["Content-Length"]) == len(reply.content)


def test_the_limit_counts_down_in_the_headers(limited):
    replies = [limited.http("GET", "/v2/account") for _ in range(3)]
    assert [(r.headers["X-RateLimit-Limit"], r.headers["X-RateLimit-Remaining"]) for r in replies] == [("5", "4"), ("5", "3"), ("5", "2")]
    assert all(int(r.headers["X-RateLimit-Reset"]) > 0 for r in replies)


def test_beyond_the_limit_is_429(limited):
    replies = [limited.http("GET", "/v2/account") for _ in range(6)]
    assert [r.status_code for r in replies] == [200] * 5 + [429]
    assert replies[-1].json() == {"code": 42910000, "message": "rate limit exceeded"}


def test_beyond_the_limit_of_market_data_is_429(limited):
    replies = [limited.http("GET", "/v2/stocks/quotes/latest?symbols=AAPL") for _ in range(6)]
    assert replies[-1].status_code == 429 and replies[-1].json()["message"] == "too many requests."


def test_the_sdk_tries_three_times_more_and_then_says_429(limited):
    client = TradingClient(*limited.keys, paper=True, url_override=limited.exchange.url)
    client._retry_wait = 0  # three seconds each otherwise
    for _ in range(5):
        client.get_account()
    asked = []
    send = client._session.request
    client._session.request = lambda *a, **more: asked.append(a) or send(*a, **more)
    with pytest.raises(APIError) as caught:
        client.get_account()
    assert (caught.value.status_code, caught.value.code, len(asked)) == (429, 42910000, 4)


def test_each_account_has_a_limit_of_its_own(limited, traders):
    for _ in range(6):
        limited.http("GET", "/v2/account")
    assert traders(limited.exchange).http("GET", "/v2/account").status_code == 200


def test_a_refused_order_beyond_the_limit_is_not_placed(limited):
    for _ in range(5):
        limited.http("GET", "/v2/account")
    body = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "limit", "time_in_force": "day", "limit_price": "90", "client_order_id": "never"}
    assert limited.http("POST", "/v2/orders", json=body).status_code == 429


METHODS = [
    ("PUT of an order", "PUT", "/v2/orders"),
    ("POST of the account", "POST", "/v2/account"),
    ("DELETE of the clock", "DELETE", "/v2/clock"),
]


@pytest.mark.parametrize("method, path", [row[1:] for row in METHODS], ids=[row[0] for row in METHODS])
def test_a_method_a_path_does_not_know(me, method, path):
    reply = me.http(method, path)
    assert reply.status_code in (404, 405) and reply.json()["message"]


def test_many_requests_on_one_connection(me):
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(50):
            reply = session.get(me.exchange.url + "/v2/account", headers={"APCA-API-KEY-ID": me.keys[0], "APCA-API-SECRET-KEY": me.keys[1]}, timeout=PATIENCE)
            assert reply.status_code == 200


def test_percent_encoded_lists_and_times(me):
    url = "/v2/stocks/bars?symbols=AAPL%2CBRK.B&timeframe=1Min&start=2024-07-02T09%3A30%3A00-04%3A00&end=2024-07-02T15%3A30%3A00%2B02%3A00"
    assert {s: len(b) for s, b in me.http("GET", url).json()["bars"].items()} == {"AAPL": 1, "BRK.B": 1}


def test_a_raw_plus_is_tolerated_or_refused_but_never_misread(me):
    reply = me.http("GET", "/v2/stocks/bars?symbols=AAPL&timeframe=1Min&start=2024-07-02T15:30:00+02:00&end=2024-07-02T13:30:00Z")
    assert reply.status_code in (400, 422) or len(reply.json()["bars"]["AAPL"]) == 1
