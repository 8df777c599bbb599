// The official Node SDK against an exchange whose clock its caller moves.
//
//     NODE_PATH=.../node_modules node cases.js URL KEY
//
// Says "ok NAME" or "failed NAME: why" for each case; "clock HH:MM" asks for the market's clock to be moved, and waits for a line.
"use strict";
const assert = require("node:assert/strict");
const lines = require("node:readline").createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { Alpaca } = require("@alpacahq/alpaca-trade-api");

const [url, key] = process.argv.slice(2);
let accounts = 0;

// A new account; every host is the exchange's.
function client() {
    const keyId = `${key}-${++accounts}`;
    return new Alpaca({
        keyId, secret: "secret-of-" + keyId, rateLimit: false, retry: false,
        fetchApi: (address, init) => fetch(address.replace(/^https:\/\/[^/]+/, url), init),
    });
}

async function moveClock(time) {
    console.log(`clock ${time}`);
    await lines.next();
}

// A promise kept by the first event that fits.
function first(listen, fits = () => true) {
    return new Promise((resolve) => listen((event) => fits(event) && resolve(event)));
}

const limit = { symbol: "AAPL", side: "buy", qty: 10, limitPrice: 90 };
const again = (a, order) => a.trading.orders.getOrderByOrderID({ orderId: order.id, nested: true });
const number = (value) => Number(value);

async function rejected(promise, status, code, message) {
    await assert.rejects(promise, (error) => {
        assert.equal(error.status, status);
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
    });
}

const cases = {
    async "the connection is valid"(a) {
        const check = await a.trading.validateConnection();
        assert.equal(check.ok, true, check.message);
        assert.equal(check.account.status, "ACTIVE");
        assert.equal(number(check.account.cash), 100000);
    },
    async "a wrong secret is 401"(a) {
        await a.trading.account.getAccount();
        const keyId = `${key}-${accounts}`;
        const other = new Alpaca({ keyId, secret: "wrong", retry: false, fetchApi: (u, i) => fetch(u.replace(/^https:\/\/[^/]+/, url), i) });
        const check = await other.trading.validateConnection();
        assert.equal(check.ok, false);
        assert.equal(check.status, 401);
    },
    async "configurations are changed"(a) {
        const c = await a.trading.accountConfigurations.patchAccountConfig({ accountConfigurations: { noShorting: true } });
        assert.equal(c.noShorting, true);
        assert.equal((await a.trading.accountConfigurations.getAccountConfig()).noShorting, true);
    },
    async "the clock of version 2"(a) {
        const clock = await a.trading.clock.legacyClock();
        assert.equal(clock.isOpen, true);
        assert.equal(clock.nextClose.toISOString(), "2024-07-02T20:00:00.000Z");
    },
    async "the clock of version 3"(a) {
        const { clocks } = await a.trading.clock.clock({ markets: "NYSE" });
        assert.equal(clocks.length, 1);
        assert.equal(clocks[0].isMarketDay, true);
        assert.equal(clocks[0].phase, "core");
    },
    async "the calendar of version 3"(a) {
        const { calendar } = await a.trading.calendar.calendar({ market: "NYSE", start: new Date("2024-07-02"), end: new Date("2024-07-05") });
        assert.equal(calendar.length, 3);
    },
    async "assets"(a) {
        const assets = await a.trading.assets.getV2Assets({ status: "active" });
        assert.ok(assets.some((asset) => asset.symbol === "BRK.B"));
        assert.equal((await a.trading.assets.getV2AssetsSymbolOrAssetId({ symbolOrAssetId: "BRK.B" })).symbol, "BRK.B");
    },
    async "a market order fills"(a) {
        const order = await again(a, await a.trading.orders.market({ symbol: "AAPL", qty: 10, side: "buy" }));
        assert.equal(order.status, "filled");
        assert.equal(number(order.filledAvgPrice), 100.01);
    },
    async "a limit order rests and is found by its client id"(a) {
        const order = await a.trading.orders.limit({ ...limit, clientOrderId: "mine" });
        const found = await a.trading.orders.getOrderByClientOrderId({ clientOrderId: "mine" });
        assert.equal(found.id, order.id);
        assert.equal(found.status, "new");
    },
    async "orders are cancelled"(a) {
        const orders = [await a.trading.orders.limit(limit), await a.trading.orders.limit(limit), await a.trading.orders.limit(limit)];
        await a.trading.orders.deleteOrderByOrderID({ orderId: orders[0].id });
        assert.equal((await again(a, orders[0])).status, "canceled");
        const rest = await a.trading.orders.deleteAllOrders();
        assert.deepEqual(rest.map((answer) => answer.status), [200, 200]);
        assert.deepEqual(await a.trading.orders.getAllOrders(), []);
    },
    async "orders are listed"(a) {
        for (const clientOrderId of ["one", "two", "three"]) await a.trading.orders.limit({ ...limit, clientOrderId });
        const orders = await a.trading.orders.getAllOrders({ status: "all", direction: "asc", limit: 2 });
        assert.deepEqual(orders.map((order) => order.clientOrderId), ["one", "two"]);
    },
    async "refusals have a code"(a) {
        await rejected(a.trading.orders.limit({ ...limit, qty: 100000 }), 403, 40310000, /insufficient buying power/);
        await rejected(a.trading.orders.limit({ ...limit, symbol: "NOSUCH" }), 422, 42210000, /asset "NOSUCH" not found/);
        await rejected(a.trading.positions.getOpenPosition({ symbolOrAssetId: "AAPL" }), 404, 40410000, /position does not exist/);
    },
    async "positions are closed in part and whole"(a) {
        await a.trading.orders.market({ symbol: "AAPL", qty: 10, side: "buy" });
        await a.trading.orders.market({ symbol: "IBM", qty: 10, side: "sell" });
        assert.deepEqual((await a.trading.positions.getAllOpenPositions()).map((p) => [p.symbol, number(p.qty)]).sort(), [["AAPL", 10], ["IBM", -10]]);
        await a.trading.positions.deleteOpenPosition({ symbolOrAssetId: "AAPL", percentage: 50 });
        assert.equal(number((await a.trading.positions.getOpenPosition({ symbolOrAssetId: "AAPL" })).qty), 5);
        assert.deepEqual((await a.trading.closeAllPositions({ cancelOrders: true })).map((answer) => number(answer.status)), [200, 200]);
        assert.deepEqual(await a.trading.positions.getAllOpenPositions(), []);
    },
    async "executions are activities"(a) {
        await a.trading.orders.market({ symbol: "AAPL", qty: 10, side: "buy" });
        const [fill] = await a.trading.accountActivities.getAccountActivitiesByActivityType({ activityType: "FILL" });
        assert.deepEqual([fill.symbol, fill.activityType, number(fill.qty)], ["AAPL", "FILL", 10]); // it reads no more of a fill
        assert.match(fill.id, /^20240702\d{9}::/);
    },
    async "portfolio history"(a) {
        const history = await a.trading.portfolioHistory.getAccountPortfolioHistory({ period: "1D", timeframe: "15Min" });
        assert.equal(history.timestamp.length, history.equity.length);
        assert.equal(history.baseValue, 100000);
    },
    async "watchlists"(a) {
        const list = await a.trading.watchlists.postWatchlist({ createWatchlistRequest: { name: "Tech", symbols: ["AAPL"] } });
        const more = await a.trading.watchlists.addAssetToWatchlist({ watchlistId: list.id, addAssetToWatchlistRequest: { symbol: "IBM" } });
        assert.deepEqual(more.assets.map((asset) => asset.symbol), ["AAPL", "IBM"]);
        await a.trading.watchlists.deleteWatchlistById({ watchlistId: list.id });
        assert.deepEqual(await a.trading.watchlists.getWatchlists(), []);
    },
    async "bars of two symbols"(a) {
        const { bars } = await a.marketData.stocks.stockBars({ symbols: "AAPL,IBM", timeframe: "1Min", start: new Date("2024-07-02T13:30:00Z"), end: new Date("2024-07-02T13:34:00Z") });
        assert.deepEqual(Object.entries(bars).map(([symbol, list]) => [symbol, list.length, list[0].c]), [["AAPL", 5, 100], ["IBM", 5, 150]]);
    },
    async "pages of bars"(a) {
        const query = { symbols: ["AAPL", "IBM"], timeframe: "1Min", start: new Date("2024-07-02T13:30:00Z"), end: new Date("2024-07-02T13:34:00Z"), limit: 3 };
        const bars = await a.marketData.getStockBars(query);
        assert.ok(bars.AAPL.length >= 3);
    },
    async "latest and snapshots"(a) {
        const { quotes } = await a.marketData.stocks.stockLatestQuotes({ symbols: "AAPL" });
        assert.equal(quotes.AAPL.ap, 100.01);
        const { trades } = await a.marketData.stocks.stockLatestTrades({ symbols: "AAPL" });
        assert.equal(trades.AAPL.p, 100);
        const shots = await a.marketData.stocks.stockSnapshots({ symbols: "AAPL" });
        assert.equal((shots.AAPL ?? shots.snapshots.AAPL).prevDailyBar.c, 98);
    },
    async "trade updates come once though it listens twice"(a) {
        const stream = a.trading.stream({ url: url.replace("http", "ws") + "/stream" });
        const events = [];
        stream.onTradeUpdate((update) => events.push([update.event, update.order.symbol]));
        stream.onConnect(() => stream.subscribeTradeUpdates());
        let acknowledged = 0;
        const listening = first((fn) => stream.on("subscription", fn), () => ++acknowledged === 2);
        const filled = first((fn) => stream.onTradeUpdate(fn), (update) => update.event === "fill");
        stream.connect();
        await listening;
        await a.trading.orders.market({ symbol: "AAPL", qty: 10, side: "buy" });
        const update = await filled;
        stream.disconnect();
        assert.deepEqual(events, [["pending_new", "AAPL"], ["new", "AAPL"], ["fill", "AAPL"]]);
        assert.deepEqual([number(update.price), number(update.qty), number(update.positionQty)], [100.01, 10, 10]);
    },
    async "an order is awaited on the stream"(a) {
        const stream = a.trading.stream({ url: url.replace("http", "ws") + "/stream" });
        const waiting = a.trading.submitAndWait({ type: "market", symbol: "AAPL", qty: 10, side: "buy" }, { stream });
        stream.connect();
        const order = await waiting;
        stream.disconnect();
        assert.equal(order.status, "filled");
    },
    async "market data on the stream"(a) {
        const stream = a.marketData.stockStream({ url: url.replace("http", "ws") + "/v2/iex" });
        const bars = [];
        const quoted = first((fn) => stream.onQuote(fn));
        const done = first((fn) => stream.onBar(fn), (bar) => bars.push(bar) === 2);
        const subscribed = first((fn) => stream.on("subscription", fn), (s) => s.quotes?.length);
        stream.onConnect(() => {
            stream.subscribeForBars(["MSFT"]);
            stream.subscribeForQuotes(["MSFT"]);
        });
        stream.connect();
        await subscribed;
        await moveClock("10:32");
        const quote = await quoted;
        await done;
        stream.disconnect();
        assert.deepEqual(bars.map((bar) => [bar.symbol, bar.close]).slice(0, 2), [["MSFT", 200], ["MSFT", 200.1]]);
        assert.equal(quote.symbol, "MSFT");
    },
};

(async () => {
    for (const [name, run] of Object.entries(cases)) {
        try {
            await run(client());
            console.log(`ok ${name}`);
        } catch (error) {
            console.log(`failed ${name}: ${String(error.stack ?? error).replaceAll("\n", " | ")}`);
        }
    }
    process.exit(0);
})();
