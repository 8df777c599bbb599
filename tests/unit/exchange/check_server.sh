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
check "configurations" 200 '.no_shorting == false' GET /v2/account/configurations
check "clock" 200 '.is_open == false and .speed == 0 and has("ends")' GET /v2/clock
check "calendar" 200 'length == 2 and .[1].close == "13:00"' GET "/v2/calendar?start=2013-11-27&end=2013-11-29"
check "calendar, bad" 422 '.code == 40010001' GET "/v2/calendar?start=soon"
check "assets" 200 'length == 4 and all(.tradable)' GET "/v2/assets?status=active"
check "asset" 200 '.symbol == "IBM"' GET /v2/assets/IBM
check "asset, unknown" 404 '.message == "asset not found for NOPE"' GET /v2/assets/NOPE
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
for token in SPY@9223372036854775807 SPY@-9223372036854775807 SPY@ SPY; do
    check "bars, bad page" 400 '.message | test("page_token")' GET "/v2/stocks/bars?symbols=SPY&timeframe=1Min&page_token=$token"
done
check "bars, bad timeframe" 400 '.message | test("timeframe")' GET "/v2/stocks/bars?symbols=SPY&timeframe=1Fortnight"
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
