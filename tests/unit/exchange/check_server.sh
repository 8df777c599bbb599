#!/bin/bash
# The running exchange over HTTP: each route, each refusal at the edge, an orderly end. Needs curl and jq.
#   check_server.sh BELL_EXCHANGE [FOLDER_WITH_BARS]
set -u
program=$1
bars=${2:-}
log=$(mktemp)
failed=0
args=(--port 0 --speed lockstep)
from=2025-03-03
[ -n "$bars" ] && from=2013-10-07 && args+=(--bars "$bars")
"$program" "${args[@]}" --from "$from" 2>"$log" &
pid=$!
trap 'kill $pid 2>/dev/null; rm -f "$log"' EXIT
for _ in $(seq 200); do
    port=$(sed -n 's/.*event=started port=\([0-9]*\).*/\1/p' "$log")
    [ -n "$port" ] && break
    sleep 0.05
done
[ -n "${port:-}" ] || { cat "$log"; echo "it did not start"; exit 1; }
base=http://127.0.0.1:$port

# check NAME STATUS JQ_FILTER METHOD PATH [BODY]: the filter must say true of the answer.
check() {
    local name=$1 status=$2 filter=$3 method=$4 path=$5 answer code
    answer=$(curl -s -m 20 -w '\n%{http_code}' -X "$method" -H "APCA-API-KEY-ID: ${key-demo}" \
        -H "APCA-API-SECRET-KEY: ${secret-demo}" ${6+--data-binary "$6"} "$base$path")
    code=${answer##*$'\n'}
    answer=${answer%$'\n'*}
    if [ "$code" != "$status" ] || ! jq -e "$filter" <<<"${answer:-null}" >/dev/null 2>&1; then
        echo "FAILED: $name: $method $path: $code (expected $status, $filter): ${answer:0:300}"
        failed=1
    fi
}

order() { echo "{\"symbol\":\"SPY\",\"qty\":\"$1\",\"side\":\"buy\",\"type\":\"limit\",\"limit_price\":\"10.00\",\"time_in_force\":\"day\",\"client_order_id\":\"$2\"}"; }

check "account" 200 '.cash == "100000.00" and .buying_power == "400000.00" and (.account_number | startswith("PA"))' GET /v2/account
secret=other check "another secret" 401 '. == {"message":"unauthorized."}' GET /v2/account
key= check "no key" 401 '. == {"message":"unauthorized."}' GET /v2/account
basic() { curl -s -o /dev/null -w '%{http_code}' -H "Authorization: $1" $base/v2/account; }
for row in "Bearer demo 200" "bearer demo 200" "Basic $(printf demo:demo | base64) 200" "Basic $(printf demo:other | base64) 401" "Basic demo 401" \
    "Basic  401" "Bearer  401" "Digest demo 401"; do
    [ "$(basic "${row% *}")" = "${row##* }" ] || { echo "FAILED: Authorization: $row: $(basic "${row% *}")"; failed=1; }
done
curl -s -D - -o /dev/null $base/v2/account | grep -qi '^WWW-Authenticate: Bearer, Basic realm="alpaca.markets"' || { echo "FAILED: WWW-Authenticate"; failed=1; }
config=/v2/account/configurations
check "configurations" 200 '. == {"trade_confirm_email":"all","suspend_trade":false,"no_shorting":false,"fractional_trading":true,
    "max_margin_multiplier":"4","max_options_trading_level":null,"ptp_no_exception_entry":false,"disable_overnight_trading":true}' GET $config
check "configurations, null leaves alone" 200 '.trade_confirm_email == "none" and .fractional_trading and .max_options_trading_level == null' \
    PATCH $config '{"trade_confirm_email":"none","fractional_trading":null,"dtbp_check":null,"max_options_trading_level":null}'
check "configurations, kept" 200 '.max_options_trading_level == 2 and .trade_confirm_email == "none"' PATCH $config '{"max_options_trading_level":2}'
check "configurations, kept" 200 '.max_options_trading_level == 2 and .trade_confirm_email == "all"' PATCH $config '{"trade_confirm_email":"all"}'
check "configurations, bad word" 422 '.code == 40010001 and (.message | test("trade_confirm_email"))' PATCH $config '{"trade_confirm_email":"some","no_shorting":true}'
check "configurations, bad multiplier" 422 '.message | test("max_margin_multiplier")' PATCH $config '{"max_margin_multiplier":"3"}'
check "configurations, bad type" 422 '.message | test("suspend_trade")' PATCH $config '{"suspend_trade":"yes"}'
check "configurations, a list" 400 '.code == 40010000' PATCH $config '[]'
check "configurations, unchanged by what was refused" 200 '.no_shorting == false' GET $config
check "clock" 200 '.is_open == false and .speed == 0 and has("ends")' GET /v2/clock
check "calendar" 200 'length == 2 and .[1].close == "13:00"' GET "/v2/calendar?start=2013-11-27&end=2013-11-29"
check "calendar, bad" 422 '.code == 40010001' GET "/v2/calendar?start=soon"
check "calendar, by settlement" 200 'length == 1 and .[0].date == "2024-07-03" and .[0].settlement_date == "2024-07-05"' \
    GET "/v2/calendar?start=2024-07-04&end=2024-07-07&date_type=SETTLEMENT"
check "calendar, two days to settle" 200 '.[0].settlement_date == "2019-07-09"' GET "/v2/calendar?start=2019-07-05&end=2019-07-05"
check "calendar, whole" 200 '.[0].date == "1990-01-02" and .[-1].date == "2029-12-31"' GET /v2/calendar
check "calendar, bad type" 422 '.message | test("date_type")' GET "/v2/calendar?date_type=LUNAR"
check "clock, v3" 200 '.clocks | length == 2 and .[0].market.mic == "XNAS" and all(.phase == "pre")' GET "/v3/clock?markets=NASDAQ,NYSE"
for row in "2013-11-29T08:59:59Z closed" "2013-11-29T09:00:00Z pre" "2013-11-29T14:30:00Z core" "2013-11-29T18:00:00Z post" "2013-11-29T22:00:00Z closed"; do
    check "clock, v3 at $row" 200 ".clocks[0].phase == \"${row#* }\"" GET "/v3/clock?time=${row% *}"
done
check "clock, v3 of elsewhere" 422 '.message | test("markets")' GET "/v3/clock?markets=XLON"
check "calendar, v3" 200 '.calendar | length == 1 and .[0].core_end == "2013-11-29T13:00:00-05:00"' GET "/v3/calendar/NYSE?start=2013-11-28&end=2013-11-29"
check "calendar, v3 in UTC" 200 '.calendar[0].core_end == "2013-11-29T18:00:00Z"' GET "/v3/calendar/XNYS?start=2013-11-28&end=2013-11-29&timezone=UTC"
check "calendar, v3 of elsewhere" 422 '.message | test("market")' GET /v3/calendar/XLON
check "assets" 200 'length == 4 and all(.tradable)' GET "/v2/assets?status=active"
check "assets, inactive" 200 '. == []' GET "/v2/assets?status=inactive"
check "assets, of a class" 200 'length == 4' GET "/v2/assets?asset_class=us_equity&exchange=NYSE"
check "assets, of another" 200 '. == []' GET "/v2/assets?asset_class=crypto"
check "assets, by attribute" 200 '. == []' GET "/v2/assets?attributes=ipo,has_options"
check "asset" 200 '.symbol == "IBM"' GET /v2/assets/IBM
check "asset, unknown" 404 '.message == "asset not found for NOPE"' GET /v2/assets/NOPE
lists=/v2/watchlists
check "watchlists, none" 200 '. == []' GET $lists
check "watchlist" 200 '.name == "mine" and [.assets[].symbol] == ["SPY","IBM"] and has("account_id")' POST $lists '{"name":"mine","symbols":["SPY","IBM","SPY"]}'
check "watchlist, name taken" 422 '.code == 40010001' POST $lists '{"name":"mine"}'
check "watchlist, no name" 422 '.message | test("name")' POST $lists '{"symbols":["SPY"]}'
check "watchlist, long name" 422 '.message | test("name")' POST $lists "{\"name\":\"$(printf 'x%.0s' $(seq 65))\"}"
check "watchlist, unknown symbol" 404 '.message == "asset not found for NOPE"' POST $lists '{"name":"yours","symbols":["NOPE"]}'
check "watchlist, no list" 422 '.message | test("symbols")' POST $lists '{"name":"yours","symbols":"SPY"}'
check "watchlists, without assets" 200 'length == 1 and (.[0] | has("assets") | not)' GET $lists
id=$(curl -s -u demo:demo $base$lists | jq -r '.[0].id')
check "watchlist by id" 200 '.name == "mine"' GET $lists/$id
check "watchlist by name" 200 ".id == \"$id\"" GET "$lists:by_name?name=mine"
check "watchlist by no name" 422 '.message | test("name")' GET $lists:by_name
check "watchlist by unknown name" 404 '.code == 40410000' GET "$lists:by_name?name=other"
check "watchlist by unknown id" 404 '.code == 40410000' GET $lists/497f6eca-6276-4993-bfeb-53cbbbba6f08
key=second secret=second check "another's watchlist" 404 '.code == 40410000' GET $lists/$id
check "watchlist, one more" 200 '[.assets[].symbol] == ["SPY","IBM","BAC"]' POST $lists/$id '{"symbol":"BAC"}'
check "watchlist, there already" 422 '.message | test("BAC")' POST "$lists:by_name?name=mine" '{"symbol":"BAC"}'
check "watchlist, one less" 200 '[.assets[].symbol] == ["SPY","BAC"]' DELETE $lists/$id/IBM
check "watchlist, not in it" 404 '.message == "asset not found for IBM"' DELETE $lists/$id/IBM
check "watchlist, renamed" 200 '.name == "ours" and (.assets | length == 2)' PUT $lists/$id '{"name":"ours"}'
check "watchlist, replaced" 200 '[.assets[].symbol] == ["AIG"]' PUT "$lists:by_name?name=ours" '{"name":"ours","symbols":["AIG"]}'
check "watchlist, gone" 204 '. == null' DELETE "$lists:by_name?name=ours"
check "watchlist, gone already" 404 '.message == "watchlist not found"' DELETE $lists/$id
history=/v2/account/portfolio/history
check "portfolio" 200 '.timeframe == "1D" and .cashflow == {} and .base_value == 100000 and ([.timestamp, .equity, .profit_loss, .profit_loss_pct] | map(length) | unique | length == 1)' GET $history
for row in period=1X period=0D timeframe=2Min pnl_reset=never intraday_reporting=always "period=1D&start=2013-01-01&end=2013-01-02" "period=3M&timeframe=1H"; do
    check "portfolio, $row" 422 '.code == 40010001' GET "$history?$row"
done
check "order" 200 '.status == "accepted" and .qty == "100" and .limit_price == "10.00"' POST /v2/orders "$(order 100 a)"
check "order, id used" 422 '.message == "client_order_id must be unique"' POST /v2/orders "$(order 100 a)"
check "order, too dear" 403 '.message == "insufficient buying power" and has("cost_basis")' POST /v2/orders "$(order 40000 b)"
check "order, no JSON" 400 '.code == 40010000' POST /v2/orders '{"symbol":'
check "order, empty" 400 '.code == 40010000' POST /v2/orders ''
check "order, a list" 400 '.code == 40010000' POST /v2/orders '[]'
check "order, unknown symbol" 422 '.message == "asset \"NOPE\" not found"' POST /v2/orders \
    '{"symbol":"NOPE","qty":1,"side":"buy","type":"market","time_in_force":"day"}'
check "orders" 200 'length == 1 and .[0].client_order_id == "a"' GET /v2/orders
check "orders, closed" 200 'length == 0' GET "/v2/orders?status=closed"
check "orders, of a symbol" 200 'length == 0' GET "/v2/orders?symbols=IBM,BAC"
check "orders, of both" 200 'length == 1' GET "/v2/orders?symbols=IBM%2CSPY&direction=asc&nested=True&limit=500"
check "orders, bad status" 422 '.code == 40010001' GET "/v2/orders?status=ajar"
check "orders, bad limit" 422 '.message | test("1 to 500")' GET "/v2/orders?limit=501"
check "order by client id" 200 '.client_order_id == "a"' GET "/v2/orders:by_client_order_id?client_order_id=a"
check "order by client id, unknown" 404 '.code == 40410000' GET "/v2/orders:by_client_order_id?client_order_id=b"
check "order by id, no uuid" 422 '.message == "order_id is missing"' GET /v2/orders/17
check "order by id, unknown" 404 '.code == 40410000' GET /v2/orders/497f6eca-6276-4993-bfeb-53cbbbba6f08
id=$(curl -s -H "APCA-API-KEY-ID: demo" -H "APCA-API-SECRET-KEY: demo" $base/v2/orders | jq -r '.[0].id')
check "order by id" 200 ".id == \"$id\"" GET "/v2/orders/$id"
key=second secret=second check "another's order" 404 '.code == 40410000' GET "/v2/orders/$id"
check "cancel" 204 '. == null' DELETE "/v2/orders/$id"
check "cancel again" 204 '. == null' DELETE "/v2/orders/$id"
check "canceled" 200 '.status == "canceled" and .canceled_at != null' GET "/v2/orders/$id"
check "cancel all, none" 207 '. == []' DELETE /v2/orders
check "order" 200 'true' POST /v2/orders "$(order 1 c)"
check "cancel all" 207 'length == 1 and .[0].status == 200' DELETE /v2/orders
check "positions" 200 '. == []' GET /v2/positions
check "position, none" 404 '.message == "position does not exist"' GET /v2/positions/SPY
check "position, unknown" 404 '.message == "symbol not found: NOPE"' GET /v2/positions/NOPE
check "close, none" 404 '.message == "position does not exist"' DELETE /v2/positions/SPY
check "close all" 207 '. == []' DELETE "/v2/positions?cancel_orders=True"
check "close all, bad" 422 '.code == 40010001' DELETE "/v2/positions?cancel_orders=perhaps"
check "activities" 200 '. == []' GET "/v2/account/activities?activity_types=FILL&page_size=5&direction=asc"
check "activities of a type" 200 '. == []' GET /v2/account/activities/DIV
check "activities, bad page" 422 '.code == 40010001' GET "/v2/account/activities?page_token=17"
start=$([ -n "$bars" ] && echo 2013-10-03 || echo 2025-02-27)
check "bars" 200 '.bars | keys == ["IBM","SPY"]' GET "/v2/stocks/bars?symbols=SPY,IBM,NOPE&timeframe=1Day&start=$start"
check "bars, a page" 200 '(.bars.IBM | length) == 1 and (.next_page_token | length) > 0' GET "/v2/stocks/bars?symbols=SPY,IBM&timeframe=1Min&start=$start&limit=1"
check "bars of one" 200 '.symbol == "SPY" and (.bars | length) == 2' GET "/v2/stocks/SPY/bars?timeframe=5Min&start=$start&limit=2"
check "bars that have not ended" 200 '.bars == {}' GET "/v2/stocks/bars?symbols=SPY&timeframe=1Min&start=${from}T08:00:00Z&end=${from}T23:00:00Z"
for token in $(for t in 'SPY|9223372036854775807|0' 'SPY|-1|0' 'SPY|1381152600000000000|-1' 'SPY|' SPY '|1|0'; do printf "$t" | base64; done) SPY !; do
    check "bars, bad page" 400 '.message | test("page_token")' GET "/v2/stocks/bars?symbols=SPY&timeframe=1Min&page_token=$token"
done
check "bars, bad timeframe" 400 '.message | test("timeframe")' GET "/v2/stocks/bars?symbols=SPY&timeframe=1Fortnight"
for row in 0Min 60Min 24Hour 2Day 2Week 5Month 13Month Min 1min; do
    check "bars, bad timeframe $row" 400 '.message | test("timeframe")' GET "/v2/stocks/bars?symbols=SPY&timeframe=$row"
done
for row in feed=nyse adjustment=none adjustment=raw,none asof=soon currency=EUR sort=up limit=0 limit=10001 "start=2013-10-04&end=2013-10-03"; do
    check "bars, bad $row" 400 '.code == 40010001' GET "/v2/stocks/bars?symbols=SPY&timeframe=1Min&$row"
done
check "bars, everything asked for" 200 '.currency == "USD" and (.bars.SPY | length == 2)' \
    GET "/v2/stocks/bars?symbols=SPY&timeframe=1T&start=$start&limit=2&feed=iex&adjustment=split,dividend&asof=-&currency=USD"
check "bars of a feed there is not" 200 '.bars == {}' GET "/v2/stocks/bars?symbols=SPY&timeframe=1Min&start=$start&feed=boats"
check "bars of a week" 200 '.bars.SPY | length >= 1 and all(.t | test("T0[45]:00:00Z"))' GET "/v2/stocks/bars?symbols=SPY&timeframe=1Week&start=${start%-*-*}-01-01"
check "bars of a month" 200 '.bars.SPY | map(.t[8:10]) | unique == ["01"]' GET "/v2/stocks/bars?symbols=SPY&timeframe=1Month&start=${start%-*-*}-01-01"
# A list is the same by pages, either way.
for what in "bars timeframe=1Min" "quotes " "auctions "; do
    list=${what% *} query="symbols=SPY,IBM&start=$start&${what#* }"
    whole=$(curl -s -u demo:demo "$base/v2/stocks/$list?$query&limit=10000" | jq -c ".$list | map_values(.[:9])")
    for sort in asc desc; do
        pages='{}' token=
        for _ in 1 2 3 4 5; do
            page=$(curl -s -u demo:demo "$base/v2/stocks/$list?$query&limit=4&sort=$sort&page_token=$token")
            pages=$(jq -c --argjson page "$(jq -c ".$list" <<<"$page")" '. as $all | $page | to_entries | reduce .[] as $e ($all; .[$e.key] += $e.value)' <<<"$pages")
            token=$(jq -r '.next_page_token // empty' <<<"$page" | jq -sRr 'rtrimstr("\n") | @uri')
            [ -n "$token" ] || break
        done
        got=$(jq -c '.IBM[:9]' <<<"$pages")
        expect=$(curl -s -u demo:demo "$base/v2/stocks/IBM/$list?${query#*&}&limit=10000&sort=$sort" | jq -c ".$list[:9]")
        [ -n "$got" ] && [ "$got" = "$expect" ] || { echo "FAILED: $list by pages, $sort: $got, expected $expect"; failed=1; }
    done
    [ "$(jq -c .IBM <<<"$whole")" != null ] || { echo "FAILED: $list are none"; failed=1; }
done
check "trades: minute bars have none" 200 '. == {"trades":{},"next_page_token":null}' GET "/v2/stocks/trades?symbols=SPY&start=$start"
check "latest trade: the last print" 200 '.trade.p > 0 and .trade.s == 0' GET /v2/stocks/SPY/trades/latest
check "latest quote" 200 '.quotes.SPY | .bp <= .ap' GET "/v2/stocks/quotes/latest?symbols=SPY,NOPE"
check "latest of nothing" 404 '.message == "symbol not found: NOPE"' GET /v2/stocks/NOPE/quotes/latest
check "snapshots" 200 'keys == ["IBM","SPY"] and (.SPY | keys == ["dailyBar","latestQuote","latestTrade","minuteBar","prevDailyBar"])' GET "/v2/stocks/snapshots?symbols=SPY,IBM,NOPE"
check "snapshot" 200 '.symbol == "SPY" and .latestTrade.p == .minuteBar.c' GET /v2/stocks/SPY/snapshot
check "snapshots of a feed there is not" 200 '. == {}' GET "/v2/stocks/snapshots?symbols=SPY&feed=overnight"
check "latest, bad feed" 400 '.message | test("feed")' GET "/v2/stocks/snapshots?symbols=SPY&feed=nyse"
check "exchanges" 200 '.V == "IEX" and .N == "New York Stock Exchange"' GET /v2/stocks/meta/exchanges
check "conditions" 200 '.["@"] == "Regular Sale"' GET "/v2/stocks/meta/conditions/trade?tape=A"
check "conditions, no tape" 400 '.message | test("tape")' GET /v2/stocks/meta/conditions/quote
check "conditions of what" 400 '.message | test("ticktype")' GET "/v2/stocks/meta/conditions/bar?tape=A"
check "bars, no symbol" 400 '.message | test("symbols")' GET "/v2/stocks/bars?timeframe=1Min"
check "latest bar" 200 '.bars.SPY.c > 0' GET "/v2/stocks/bars/latest?symbols=SPY"
check "a name that is no UTF-8" 404 '.message == "asset not found for ??x"' GET /v2/assets/%ff%fex
check "a name that is cut off within a character" 422 '.message | startswith("asset ")' POST /v2/orders \
    '{"symbol":"xéééééééééééééééééééééééé","qty":1,"side":"buy","type":"market","time_in_force":"day"}'
check "unknown route" 404 '.code == 40410000' GET /v2/nothing
check "unknown route, no version" 404 '.code == 40410000' GET /
check "wrong method" 405 '.message | test("PATCH")' PATCH /v2/account
big=$(mktemp)
head -c 1100000 /dev/zero | tr '\0' ' ' >"$big"
check "a body over 1 MiB" 413 'has("message")' POST /v2/orders "@$big"
rm -f "$big"
curl -s -D - -o /dev/null -H "APCA-API-KEY-ID: demo" -H "APCA-API-SECRET-KEY: demo" $base/v2/clock | grep -qi '^X-Request-ID: ' || { echo "FAILED: X-Request-ID"; failed=1; }

second=$("$program" --port "$port" 2>&1)
[ $? = 1 ] && [[ $second == *"port $port"* ]] || { echo "FAILED: a port in use: $second"; failed=1; }
# Three requests a minute (and once more when the minute ends in between): then 429, by the limit's headers.
"$program" "${args[@]}" --from "$from" --rate-limit 3 2>"$log.limited" &
limited=$!
trap 'kill $pid $limited 2>/dev/null; rm -f "$log" "$log.limited"' EXIT
for _ in $(seq 200); do
    port=$(sed -n 's/.*event=started port=\([0-9]*\).*/\1/p' "$log.limited")
    [ -n "$port" ] && break
    sleep 0.05
done
for _ in 1 2 3 4 5 6 7; do status=$(curl -s -o /dev/null -w '%{http_code}' -u demo:demo http://127.0.0.1:$port/v2/clock); done
[ "$status" = 429 ] || { echo "FAILED: rate limit: $status"; failed=1; }
base=http://127.0.0.1:$port
check "limited" 429 '. == {"code":42910000,"message":"rate limit exceeded"}' GET /v2/clock
check "limited, data" 429 '.message == "too many requests."' GET /v2/stocks/meta/exchanges
key=other secret=other check "another is not" 200 'true' GET /v2/clock
head=$(curl -s -D - -o /dev/null -u demo:demo $base/v2/clock | tr -d '\r')
for row in 'X-RateLimit-Limit: 3' 'X-RateLimit-Remaining: 0' 'X-RateLimit-Reset: [0-9]*' 'Retry-After: [0-9]*'; do
    grep -qx "$row" <<<"$head" || { echo "FAILED: $row in $head"; failed=1; }
done
kill -TERM $limited
wait $limited

empty=$(mktemp -d)
none=$("$program" --port 0 --bars "$empty" 2>&1)
[ $? = 1 ] && [[ $none == *bars-1min.csv* ]] || { echo "FAILED: a folder without bars: $none"; failed=1; }
printf 'symbol,timestamp,open,high,low,close,volume\nA,2013-10-07T13:30:00Z,10,9,11,10,1\nA,never,1,1,1,1,1\n' >"$empty/bars-1min.csv"
none=$("$program" --port 0 --bars "$empty" 2>&1)
[ $? = 1 ] && [[ $none == *"bars-1min.csv:2: high 9.00 is below low 11.00"* && $none == *"bars-1min.csv:3: timestamp"* ]] || { echo "FAILED: broken bars: $none"; failed=1; }
rm -rf "$empty"

kill -TERM $pid
wait $pid
[ $? = 0 ] || { echo "FAILED: SIGTERM: exit status"; failed=1; }
grep -E "level=(error|warn)|Sanitizer|runtime error" "$log" && failed=1
[ $failed = 0 ] && echo "all is well"
exit $failed
