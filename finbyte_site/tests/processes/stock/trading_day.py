"""A trading day with the stock Python client, as its users write it; runs in the client's own venv.

It knows the address and the app from one JSON line on stdin, and nothing else of FinByte. It asks
for two things on stdout: `LOGIN <address>` (answered on stdin by the request token) and `RESTART`
(the web server is killed). At the end it prints what it did.
"""

import json
import sys
import threading
import time
from datetime import datetime, timedelta

from kiteconnect import KiteConnect, KiteTicker
from kiteconnect import exceptions as ex

ONGC, NIFTY, BTC = "NSE:ONGC", "NSE:NIFTY 50", "BINANCE:BTCUSDT"
ONGC_TOKEN, NIFTY_TOKEN = 633601, 256265
PACE = 0.12
done: list[str] = []


def note(step):
    """Remember that a step is done."""
    done.append(step)
    print(f"done {step} {time.monotonic():.1f}", file=sys.stderr)


def ask(words):
    """Ask the test for something and return its answer."""
    print(words, flush=True)
    return sys.stdin.readline().strip()


class Paced:
    """A client that leaves its limits room, as a polite script does."""

    def __init__(self, kite):
        self._kite = kite

    def __getattr__(self, name):
        method = getattr(self._kite, name)
        if not callable(method):
            return method

        def paced(*args, **kwargs):
            time.sleep(0.36 if name == "historical_data" else PACE)
            return method(*args, **kwargs)

        return paced


def fails(error, act, *args, **kwargs):
    """Return the error that a call must raise."""
    try:
        act(*args, **kwargs)
    except error as found:
        assert type(found) is error, f"{type(found).__name__}: {found}"
        return found
    raise AssertionError(f"{error.__name__} was not raised")


def wait_status(kite, order_id, *wanted, seconds=15.0):
    """Return the order's last state once it is one of those wanted."""
    end = time.monotonic() + seconds
    while True:
        last = kite.order_history(order_id)[-1]
        if last["status"] in wanted:
            return last
        if time.monotonic() > end:
            raise AssertionError(f"{order_id} is {last['status']} {last['status_message']}")
        time.sleep(0.2)


def log_in(settings):
    """Log in as documented and return the client and its session."""
    kite = KiteConnect(api_key=settings["api_key"], root=settings["root"])
    kite._default_login_uri = settings["root"] + "/connect/login"
    token = ask("LOGIN " + kite.login_url())
    error = fails(ex.TokenException, kite.generate_session, token, api_secret="wrong")
    assert error.code == 403
    session = kite.generate_session(token, api_secret=settings["api_secret"])
    assert isinstance(session["login_time"], datetime), session
    fails(ex.TokenException, kite.generate_session, token, api_secret=settings["api_secret"])
    kite.set_access_token(session["access_token"])
    note("log in")
    return Paced(kite), session


def look_around(kite):
    """Read profile, money, instruments and prices."""
    profile = kite.profile()
    assert profile["user_type"] == "individual"
    assert {"NSE", "BINANCE"} <= set(profile["exchanges"])
    margins = kite.margins()
    assert margins["equity"]["net"] == kite.margins("equity")["net"] == 1_000_000
    assert kite.margins("commodity")["enabled"] is False
    note("profile and margins")

    everything, rows = kite.instruments(), kite.instruments("NSE")
    assert {row["exchange"] for row in rows} == {"NSE"}
    assert len(everything) > len(rows)
    ongc = next(row for row in rows if row["tradingsymbol"] == "ONGC")
    assert ongc["instrument_token"] == ONGC_TOKEN
    assert (ongc["lot_size"], ongc["instrument_type"], ongc["segment"]) == (1, "EQ", "NSE")
    assert isinstance(ongc["tick_size"], float)
    note("instruments")

    quotes = kite.quote([ONGC, BTC, NIFTY])
    assert set(quotes) == {ONGC, BTC, NIFTY}
    quote = quotes[ONGC]
    assert quote["instrument_token"] == ONGC_TOKEN
    assert isinstance(quote["timestamp"], datetime)
    assert len(quote["depth"]["buy"]) == len(quote["depth"]["sell"]) == 5
    assert kite.ltp(ONGC)[ONGC]["last_price"] > 0
    assert kite.ltp(ONGC_TOKEN)[str(ONGC_TOKEN)]["instrument_token"] == ONGC_TOKEN
    assert set(kite.ohlc(ONGC)[ONGC]["ohlc"]) == {"open", "high", "low", "close"}
    assert kite.quote("NSE:NOTHING") == {}
    fails(ex.InputException, kite.quote)
    ranges = kite.trigger_range(kite.TRANSACTION_TYPE_BUY, ONGC)
    assert ranges[ONGC]["lower"] < ranges[ONGC]["upper"]
    note("quotes")

    now = datetime.now()
    for interval, days in (("minute", 2), ("5minute", 2), ("60minute", 20), ("day", 60)):
        candles = kite.historical_data(ONGC_TOKEN, now - timedelta(days=days), now, interval)
        assert candles, interval
        assert candles[0]["date"].utcoffset() == timedelta(hours=5, minutes=30)
        assert {"open", "high", "low", "close", "volume"} < set(candles[0])
    today = f"{now:%Y-%m-%d}"
    assert "oi" in kite.historical_data(ONGC_TOKEN, today, today + " 23:59:59", "hour", oi=True)[0]
    error = fails(
        ex.InputException,
        *(kite.historical_data, ONGC_TOKEN, now - timedelta(days=500), now, "minute"),
    )
    assert error.code == 400
    note("candles")


def trade(kite):
    """Place, change and cancel every kind of order."""
    base = {"exchange": "NSE", "tradingsymbol": "ONGC", "product": kite.PRODUCT_CNC}
    regular = {**base, "variety": kite.VARIETY_REGULAR}
    buy, sell = kite.TRANSACTION_TYPE_BUY, kite.TRANSACTION_TYPE_SELL
    market, limit = kite.ORDER_TYPE_MARKET, kite.ORDER_TYPE_LIMIT
    last = kite.ltp(ONGC)[ONGC]["last_price"]

    def at(factor):
        """Return a price of the tick grid."""
        return round(round(last * factor / 0.05) * 0.05, 2)

    bought = kite.place_order(
        **regular, transaction_type=buy, quantity=20, order_type=market, tag="morning1"
    )
    assert isinstance(bought, str)
    filled = wait_status(kite, bought, "COMPLETE")
    assert (filled["filled_quantity"], filled["pending_quantity"]) == (20, 0)
    assert (filled["tag"], filled["tags"], filled["meta"]) == ("morning1", ["morning1"], {})
    assert isinstance(filled["order_timestamp"], datetime)
    history = [row["status"] for row in kite.order_history(bought)]
    assert history[0] == "PUT ORDER REQ RECEIVED", history
    trades = kite.order_trades(bought)
    assert sum(row["quantity"] for row in trades) == 20
    assert isinstance(trades[0]["fill_timestamp"], datetime)
    assert {row["order_id"] for row in kite.trades()} == {bought}
    note("market order")

    resting = kite.place_order(
        **regular,
        transaction_type=buy,
        quantity=5,
        order_type=limit,
        price=at(0.97),
        validity="DAY",
    )
    wait_status(kite, resting, "OPEN")
    assert kite.order_trades(resting) == []
    changed = kite.modify_order(kite.VARIETY_REGULAR, resting, price=at(0.96), quantity=7)
    assert changed == resting
    end = time.monotonic() + 10
    while kite.order_history(resting)[-1]["price"] != at(0.96):
        assert time.monotonic() < end, "the change did not come"
    row = next(each for each in kite.orders() if each["order_id"] == resting)
    assert (row["price"], row["quantity"], row["status"]) == (at(0.96), 7, "OPEN")
    assert kite.cancel_order(kite.VARIETY_REGULAR, resting) == resting
    wait_status(kite, resting, "CANCELLED")
    error = fails(ex.OrderException, kite.cancel_order, kite.VARIETY_REGULAR, resting)
    assert error.code == 400
    note("limit order, changed and cancelled")

    to_market = kite.place_order(
        **regular, transaction_type=buy, quantity=1, order_type=limit, price=at(0.95)
    )
    wait_status(kite, to_market, "OPEN")
    kite.modify_order(kite.VARIETY_REGULAR, to_market, order_type=market)
    wait_status(kite, to_market, "COMPLETE")
    note("limit order changed to market")

    stops = [
        kite.place_order(
            **regular,
            transaction_type=sell,
            quantity=5,
            order_type=kite.ORDER_TYPE_SL,
            price=at(0.94),
            trigger_price=at(0.95),
        ),
        kite.place_order(
            **regular,
            transaction_type=sell,
            quantity=5,
            order_type=kite.ORDER_TYPE_SLM,
            trigger_price=at(0.95),
            market_protection=3,
        ),
    ]
    for each in stops:
        wait_status(kite, each, "TRIGGER PENDING")
    assert kite.order_history(stops[1])[-1]["market_protection"] == 3
    kite.modify_order(kite.VARIETY_REGULAR, stops[0], trigger_price=at(0.94), price=at(0.93))
    for each in stops:
        kite.cancel_order(kite.VARIETY_REGULAR, each)
        wait_status(kite, each, "CANCELLED")
    note("stops")

    ioc = kite.place_order(
        **regular,
        transaction_type=buy,
        quantity=2,
        order_type=limit,
        price=at(0.93),
        validity=kite.VALIDITY_IOC,
    )
    wait_status(kite, ioc, "CANCELLED")
    ttl = kite.place_order(
        **regular,
        transaction_type=buy,
        quantity=20,
        order_type=limit,
        price=at(0.93),
        validity=kite.VALIDITY_TTL,
        validity_ttl=1,
        disclosed_quantity=10,
    )
    row = wait_status(kite, ttl, "OPEN")
    assert (row["validity"], row["validity_ttl"], row["disclosed_quantity"]) == ("TTL", 1, 10)
    kite.cancel_order(kite.VARIETY_REGULAR, ttl)
    note("validities")

    amo = kite.place_order(
        **{**base, "variety": kite.VARIETY_AMO},
        transaction_type=buy,
        quantity=3,
        order_type=limit,
        price=at(0.95),
    )
    wait_status(kite, amo, "AMO REQ RECEIVED")
    kite.modify_order(kite.VARIETY_AMO, amo, price=at(0.94))
    assert kite.order_history(amo)[-1]["price"] == at(0.94)
    kite.cancel_order(kite.VARIETY_AMO, amo)
    wait_status(kite, amo, "CANCELLED")
    note("after-market order")

    iceberg = kite.place_order(
        **{**base, "variety": kite.VARIETY_ICEBERG},
        transaction_type=buy,
        quantity=10,
        order_type=limit,
        price=at(1.02),
        iceberg_legs=2,
        iceberg_quantity=5,
    )
    wait_status(kite, iceberg, "COMPLETE")
    end = time.monotonic() + 10
    while True:
        legs = [row for row in kite.orders() if row["variety"] == "iceberg"]
        if len(legs) == 2 and all(row["status"] == "COMPLETE" for row in legs):
            break
        assert time.monotonic() < end, legs
    assert sorted(row["meta"]["iceberg"]["leg"] for row in legs) == [1, 2]
    assert sum(row["filled_quantity"] for row in legs) == 10
    note("iceberg")

    cover = kite.place_order(
        **{**base, "variety": kite.VARIETY_CO},
        transaction_type=buy,
        quantity=4,
        order_type=market,
        trigger_price=at(0.97),
    )
    wait_status(kite, cover, "COMPLETE")
    end = time.monotonic() + 10
    while True:
        stop = [row for row in kite.orders() if row["parent_order_id"] == cover]
        if stop and stop[0]["status"] == "TRIGGER PENDING":
            break
        assert time.monotonic() < end, stop
    kite.exit_order(kite.VARIETY_CO, stop[0]["order_id"], parent_order_id=cover)
    wait_status(kite, stop[0]["order_id"], "COMPLETE")
    note("cover order")

    sliced = kite.place_autoslice_order(
        **regular, transaction_type=buy, quantity=2, order_type=market
    )
    assert isinstance(sliced["order_id"], str)
    assert isinstance(sliced["children"], list)
    note("autoslice")

    fails(
        ex.OrderException,
        kite.place_order,
        **{**base, "variety": kite.VARIETY_AUCTION},
        transaction_type=sell,
        quantity=1,
        order_type=limit,
        price=at(1),
        auction_number="20",
    )
    fails(
        ex.InputException,
        kite.place_order,
        **{**base, "tradingsymbol": "NOTHING", "variety": "regular"},
        transaction_type=buy,
        quantity=1,
        order_type=market,
    )
    # The client knows neither class; the code and the text tell.
    error = fails(
        ex.GeneralException,
        *(kite.place_order,),
        **regular,
        transaction_type=buy,
        quantity=900_000,
        order_type=limit,
        price=at(1),
    )
    assert error.code == 400
    assert fails(ex.GeneralException, kite.cancel_order, "regular", "999999999").code == 404
    note("refusals")
    return at


def hold(kite, at):
    """Look at positions and holdings, convert, trade within the day, and ask what it costs."""
    net = {row["product"]: row for row in kite.positions()["net"]}
    bought = net["CNC"]["quantity"]
    assert bought > 20
    assert kite.holdings() == []
    assert kite.get_auction_instruments() == []
    assert kite.convert_position("NSE", "ONGC", "BUY", "day", 5, "CNC", "MIS") is True
    net = {row["product"]: row for row in kite.positions()["net"]}
    assert (net["CNC"]["quantity"], net["MIS"]["quantity"]) == (bought - 5, 5)
    intraday = {"exchange": "NSE", "tradingsymbol": "ONGC", "product": "MIS", "variety": "regular"}
    short = kite.place_order(**intraday, transaction_type="SELL", quantity=15, order_type="MARKET")
    wait_status(kite, short, "COMPLETE")
    net = {row["product"]: row for row in kite.positions()["net"]}
    assert net["MIS"]["quantity"] == -10, net["MIS"]
    back = kite.place_order(**intraday, transaction_type="BUY", quantity=10, order_type="MARKET")
    wait_status(kite, back, "COMPLETE")
    net = {row["product"]: row for row in kite.positions()["net"]}
    assert net["MIS"]["quantity"] == 0
    note("positions and the intraday product")

    order = {
        "exchange": "NSE",
        "tradingsymbol": "ONGC",
        "transaction_type": "BUY",
        "variety": "regular",
        "product": "CNC",
        "order_type": "LIMIT",
        "quantity": 10,
        "price": at(1),
    }
    margin = kite.order_margins([order])[0]
    assert margin["total"] >= 10 * at(1)
    basket = kite.basket_order_margins([order, order], mode="compact")
    assert basket["initial"]["total"] >= margin["total"]
    note_of = kite.get_virtual_contract_note([{**order, "order_id": "1", "average_price": at(1)}])[
        0
    ]
    assert note_of["charges"]["total"] >= 0
    assert set(note_of["charges"]["gst"]) == {"igst", "cgst", "sgst", "total"}
    note("margins and charges")


def good_till_triggered(kite, at):
    """Make, read, change and delete GTTs."""
    last = kite.ltp(ONGC)[ONGC]["last_price"]
    leg = {
        "exchange": "NSE",
        "tradingsymbol": "ONGC",
        "transaction_type": "SELL",
        "quantity": 2,
        "order_type": "LIMIT",
        "product": "CNC",
        "price": at(0.9),
    }
    single = kite.place_gtt(kite.GTT_TYPE_SINGLE, "ONGC", "NSE", [at(0.9)], last, [leg])
    assert isinstance(single["trigger_id"], int)
    both = kite.place_gtt(
        kite.GTT_TYPE_OCO, "ONGC", "NSE", [at(0.9), at(1.1)], last, [leg, {**leg, "price": at(1.1)}]
    )
    assert {row["id"] for row in kite.get_gtts()} == {single["trigger_id"], both["trigger_id"]}
    kite.modify_gtt(
        both["trigger_id"],
        *(kite.GTT_TYPE_OCO, "ONGC", "NSE", [at(0.89), at(1.12)], last),
        [leg, {**leg, "price": at(1.12)}],
    )
    found = kite.get_gtt(both["trigger_id"])
    assert found["condition"]["trigger_values"] == [at(0.89), at(1.12)]
    assert (found["status"], found["type"]) == ("active", "two-leg")
    for each in (single, both):
        assert kite.delete_gtt(each["trigger_id"])["trigger_id"] == each["trigger_id"]
    assert kite.get_gtt(single["trigger_id"])["status"] == "deleted"
    assert kite.mf_orders() == kite.mf_sips() == kite.mf_holdings() == kite.mf_instruments() == []
    note("gtt")


class Watch:
    """What the ticker said."""

    def __init__(self):
        self.ticks, self.updates, self.connects = [], [], 0
        self.lock = threading.Lock()

    def on_ticks(self, _socket, ticks):
        """Keep ticks with the time."""
        with self.lock:
            self.ticks += [(time.monotonic(), each) for each in ticks]

    def on_connect(self, socket, _response):
        """Count connections; subscribe the first time, the client does it again by itself."""
        self.connects += 1
        if self.connects == 1:
            socket.subscribe([ONGC_TOKEN, NIFTY_TOKEN])
            socket.set_mode(socket.MODE_FULL, [ONGC_TOKEN])

    def on_order_update(self, _socket, update):
        """Keep updates with the time."""
        self.updates.append((time.monotonic(), update))

    def since(self, moment, *, token=None, mode=None):
        """Return ticks after a moment."""
        with self.lock:
            return [
                tick
                for at, tick in self.ticks
                if at > moment
                and token in {None, tick["instrument_token"]}
                and mode in {None, tick["mode"]}
            ]


def until(is_so, what, *, seconds=10.0):
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def watch(kite, settings, session):
    """Stream prices in all modes and order updates, through a restart of the server."""
    seen = Watch()
    ticker = KiteTicker(settings["api_key"], session["access_token"], root=settings["ws_root"])
    ticker.on_ticks, ticker.on_connect = seen.on_ticks, seen.on_connect
    ticker.on_order_update = seen.on_order_update
    start = time.monotonic()
    ticker.connect(threaded=True)
    until(lambda: seen.since(start, token=ONGC_TOKEN, mode="full"), "full ticks")
    full = seen.since(start, token=ONGC_TOKEN, mode="full")[-1]
    assert full["tradable"] is True
    assert len(full["depth"]["buy"]) == 5
    assert isinstance(full["exchange_timestamp"], datetime)
    until(lambda: seen.since(start, token=NIFTY_TOKEN), "index ticks")
    assert seen.since(start, token=NIFTY_TOKEN)[-1]["tradable"] is False
    for mode, fields in (
        (ticker.MODE_LTP, {"last_price"}),
        (ticker.MODE_QUOTE, {"ohlc", "change"}),
    ):
        moment = time.monotonic()
        ticker.set_mode(mode, [ONGC_TOKEN])
        until(lambda m=mode, t=moment: seen.since(t, token=ONGC_TOKEN, mode=m), f"{mode} ticks")
        assert fields <= set(seen.since(moment, token=ONGC_TOKEN, mode=mode)[-1])
    note("ticker modes")

    moment = time.monotonic()
    order_id = kite.place_order(
        variety="regular", exchange="NSE", tradingsymbol="ONGC", transaction_type="BUY",
        quantity=1, product="CNC", order_type="MARKET",
    )  # fmt: skip
    placed = time.monotonic()
    mine = lambda: [u for at, u in seen.updates if at > moment and u["order_id"] == order_id]  # noqa: E731
    until(mine, "an order update")
    first = min(at for at, update in seen.updates if update["order_id"] == order_id)
    until(lambda: mine()[-1]["status"] == "COMPLETE", "the order's end")
    complete = mine()[-1]
    assert (complete["filled_quantity"], complete["unfilled_quantity"]) == (1, 0)
    assert complete["checksum"] == ""
    note("order updates")

    ticker.set_mode(ticker.MODE_FULL, [ONGC_TOKEN])
    ask("RESTART")
    back = time.monotonic()
    until(lambda: seen.connects > 1, "a new connection", seconds=60)
    moment = time.monotonic()
    until(lambda: seen.since(moment, token=ONGC_TOKEN, mode="full"), "full ticks again", seconds=20)
    until(lambda: seen.since(moment, token=NIFTY_TOKEN), "index ticks again", seconds=20)
    note("ticker after a restart")
    ticker.close()
    return {"update_seconds": max(first - placed, 0.0), "back_seconds": moment - back}


def log_out(kite, session):
    """Renew, log out, and see the session end."""
    ended = []
    kite.set_session_expiry_hook(lambda: ended.append(True))
    renewed = kite.renew_access_token(session["refresh_token"], api_secret=settings["api_secret"])
    fails(ex.TokenException, Paced(old_client(session)).profile)
    kite.set_access_token(renewed["access_token"])
    kite.profile()
    assert kite.invalidate_access_token() is True
    try:
        kite.profile()
    except ex.TokenException:
        pass
    assert ended
    note("log out")


def old_client(session):
    """Return a client with the token from before."""
    return KiteConnect(
        api_key=settings["api_key"], access_token=session["access_token"], root=settings["root"]
    )


def run_into_limits(kite):
    """Ask faster than allowed: the surplus is refused as a NetworkException with 429."""
    refused = 0
    for _ in range(25):
        try:
            kite.ltp(ONGC)
        except ex.NetworkException as error:
            assert error.code == 429, error.code
            refused += 1
    assert refused, "25 calls at once were all let through"
    time.sleep(1.1)
    kite.ltp(ONGC)
    note("limits")


settings = json.loads(sys.stdin.readline())
kite, session = log_in(settings)
look_around(kite)
at = trade(kite)
hold(kite, at)
good_till_triggered(kite, at)
run_into_limits(old_client(session))
figures = watch(kite, settings, session)
log_out(kite, session)
print(json.dumps({"done": done, **figures}), flush=True)
