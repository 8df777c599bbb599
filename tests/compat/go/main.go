// The official Go SDK against an exchange whose clock its caller moves.
//
//	cases URL KEY
//
// Says "ok NAME" or "failed NAME: why" for each case; "clock HH:MM" asks for the market's clock to be moved, and waits for a line.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
	"github.com/alpacahq/alpaca-trade-api-go/v3/marketdata"
	"github.com/alpacahq/alpaca-trade-api-go/v3/marketdata/stream"
	"github.com/shopspring/decimal"
)

var (
	url, key = os.Args[1], os.Args[2]
	input    = bufio.NewScanner(os.Stdin)
	accounts int
)

const patience = time.Minute

type clients struct {
	id, secret string
	*alpaca.Client
	data *marketdata.Client
}

// A new account.
func account() clients {
	accounts++
	id := fmt.Sprintf("%s-%d", key, accounts)
	c := clients{id: id, secret: "secret-of-" + id}
	c.Client = alpaca.NewClient(alpaca.ClientOpts{APIKey: c.id, APISecret: c.secret, BaseURL: url})
	c.data = marketdata.NewClient(marketdata.ClientOpts{APIKey: c.id, APISecret: c.secret, BaseURL: url})
	return c
}

func moveClock(to string) {
	fmt.Println("clock", to)
	input.Scan()
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func same(what string, seen, expected any) {
	if fmt.Sprint(seen) != fmt.Sprint(expected) {
		panic(fmt.Errorf("%s is %v instead of %v", what, seen, expected))
	}
}

func dec(text string) *decimal.Decimal {
	d := decimal.RequireFromString(text)
	return &d
}

func refused(err error, status, code int, message string) {
	var refusal *alpaca.APIError
	if !errors.As(err, &refusal) {
		panic(fmt.Errorf("no refusal but %v", err))
	}
	same("status", refusal.StatusCode, status)
	same("code", refusal.Code, code)
	same("message", refusal.Message, message)
}

func limit() alpaca.PlaceOrderRequest {
	return alpaca.PlaceOrderRequest{Symbol: "AAPL", Qty: dec("10"), Side: alpaca.Buy, Type: alpaca.Limit, TimeInForce: alpaca.Day, LimitPrice: dec("90")}
}

func market(symbol, qty string, side alpaca.Side) alpaca.PlaceOrderRequest {
	return alpaca.PlaceOrderRequest{Symbol: symbol, Qty: dec(qty), Side: side, Type: alpaca.Market, TimeInForce: alpaca.Day}
}

// The order as it is now.
func placed(c clients, request alpaca.PlaceOrderRequest) *alpaca.Order {
	return must(c.GetOrder(must(c.PlaceOrder(request)).ID))
}

var open = time.Date(2024, 7, 2, 13, 30, 0, 0, time.UTC)

var cases = []struct {
	name string
	run  func(c clients)
}{
	{"the account", func(c clients) {
		a := must(c.GetAccount())
		same("status", a.Status, "ACTIVE")
		same("cash", a.Cash, "100000")
		same("buying power", a.BuyingPower, "400000")
	}},
	{"a wrong secret is 401", func(c clients) {
		must(c.GetAccount())
		_, err := alpaca.NewClient(alpaca.ClientOpts{APIKey: c.id, APISecret: "wrong", BaseURL: url}).GetAccount()
		refused(err, 401, 0, "unauthorized.")
	}},
	{"the clock", func(c clients) {
		clock := must(c.GetClock())
		same("open", clock.IsOpen, true)
		same("next close", clock.NextClose.UTC(), time.Date(2024, 7, 2, 20, 0, 0, 0, time.UTC))
	}},
	{"the calendar", func(c clients) {
		days := must(c.GetCalendar(alpaca.GetCalendarRequest{Start: open, End: open.AddDate(0, 0, 1)}))
		same("days", days, []alpaca.CalendarDay{{Date: "2024-07-02", Open: "09:30", Close: "16:00"}, {Date: "2024-07-03", Open: "09:30", Close: "13:00"}})
	}},
	{"assets", func(c clients) {
		same("assets", len(must(c.GetAssets(alpaca.GetAssetsRequest{Status: "active"}))), 8)
		same("symbol", must(c.GetAsset("BRK.B")).Symbol, "BRK.B")
	}},
	{"a market order fills", func(c clients) {
		order := placed(c, market("AAPL", "10", alpaca.Buy))
		same("status", order.Status, "filled")
		same("price", order.FilledAvgPrice, "100.01")
	}},
	{"a limit order is found by its client id", func(c clients) {
		request := limit()
		request.ClientOrderID = "mine"
		same("order", must(c.GetOrderByClientOrderID(placed(c, request).ClientOrderID)).Status, "new")
	}},
	{"orders are cancelled", func(c clients) {
		order := placed(c, limit())
		if err := c.CancelOrder(order.ID); err != nil {
			panic(err)
		}
		same("status", must(c.GetOrder(order.ID)).Status, "canceled")
		placed(c, limit())
		if err := c.CancelAllOrders(); err != nil {
			panic(err)
		}
		same("open", len(must(c.GetOrders(alpaca.GetOrdersRequest{Status: "open"}))), 0)
	}},
	{"refusals have a code", func(c clients) {
		request := limit()
		request.Qty = dec("100000")
		_, err := c.PlaceOrder(request)
		refused(err, 403, 40310000, "insufficient buying power")
		_, err = c.GetPosition("AAPL")
		refused(err, 404, 40410000, "position does not exist")
	}},
	{"positions are closed in part and whole", func(c clients) {
		placed(c, market("AAPL", "10", alpaca.Buy))
		placed(c, market("IBM", "10", alpaca.Sell))
		same("positions", len(must(c.GetPositions())), 2)
		must(c.ClosePosition("AAPL", alpaca.ClosePositionRequest{Qty: *dec("4")}))
		same("left", must(c.GetPosition("AAPL")).Qty, "6")
		same("closed", len(must(c.CloseAllPositions(alpaca.CloseAllPositionsRequest{CancelOrders: true}))), 2)
		same("positions left", len(must(c.GetPositions())), 0)
	}},
	{"executions are activities", func(c clients) {
		placed(c, market("AAPL", "10", alpaca.Buy))
		fills := must(c.GetAccountActivities(alpaca.GetAccountActivitiesRequest{ActivityTypes: []string{"FILL"}}))
		same("fills", len(fills), 1)
		same("fill", fmt.Sprint(fills[0].Symbol, fills[0].Price, fills[0].CumQty, fills[0].OrderStatus), "AAPL"+"100.01 10"+"filled")
	}},
	{"portfolio history", func(c clients) {
		history := must(c.GetPortfolioHistory(alpaca.GetPortfolioHistoryRequest{Period: "1D", TimeFrame: alpaca.Min15}))
		same("points", len(history.Equity), len(history.Timestamp))
		same("base", history.BaseValue, "100000")
	}},
	{"watchlists", func(c clients) {
		list := must(c.CreateWatchlist(alpaca.CreateWatchlistRequest{Name: "Tech", Symbols: []string{"AAPL"}}))
		must(c.AddSymbolToWatchlist(list.ID, alpaca.AddSymbolToWatchlistRequest{Symbol: "IBM"}))
		same("assets", len(must(c.GetWatchlist(list.ID)).Assets), 2)
		if err := c.DeleteWatchlist(list.ID); err != nil {
			panic(err)
		}
		same("lists", len(must(c.GetWatchlists())), 0)
	}},
	{"bars in pages", func(c clients) {
		bars := must(c.data.GetMultiBars([]string{"AAPL", "IBM"}, marketdata.GetBarsRequest{TimeFrame: marketdata.OneMin, Start: open, End: open.Add(4 * time.Minute), PageLimit: 3}))
		same("bars", fmt.Sprint(len(bars["AAPL"]), len(bars["IBM"]), bars["IBM"][4].Close), "5 5 150")
	}},
	{"quotes", func(c clients) {
		quotes := must(c.data.GetQuotes("AAPL", marketdata.GetQuotesRequest{Start: open.Add(time.Minute), End: open.Add(5 * time.Minute)}))
		same("ask", quotes[0].AskPrice, 100.01)
	}},
	{"latest and snapshots", func(c clients) {
		same("quote", must(c.data.GetLatestQuote("AAPL", marketdata.GetLatestQuoteRequest{})).BidPrice, 99.99)
		same("trade", must(c.data.GetLatestTrade("AAPL", marketdata.GetLatestTradeRequest{})).Price, 100)
		same("bar", must(c.data.GetLatestBar("AAPL", marketdata.GetLatestBarRequest{})).Close, 100)
		same("previous close", must(c.data.GetSnapshot("AAPL", marketdata.GetSnapshotRequest{})).PrevDailyBar.Close, 98)
	}},
	{"market data on the stream", func(c clients) {
		bars, quotes := make(chan stream.Bar, 100), make(chan stream.Quote, 100)
		s := stream.NewStocksClient(marketdata.IEX, stream.WithBaseURL(url+"/v2"), stream.WithCredentials(c.id, c.secret),
			stream.WithBars(func(b stream.Bar) { bars <- b }, "MSFT"), stream.WithQuotes(func(q stream.Quote) { quotes <- q }, "MSFT"))
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Connect(ctx); err != nil {
			panic(err)
		}
		moveClock("10:32")
		for _, expected := range []string{"MSFT 200 2024-07-02T14:29:00Z", "MSFT 200.1 2024-07-02T14:30:00Z"} {
			select {
			case b := <-bars:
				same("bar", fmt.Sprint(b.Symbol, " ", b.Close, " ", b.Timestamp.UTC().Format(time.RFC3339)), expected)
			case <-ctx.Done():
				panic(ctx.Err())
			}
		}
		select {
		case q := <-quotes:
			same("quote", fmt.Sprint(q.Symbol, " ", q.BidPrice, " ", q.AskSize), "MSFT 199.99 500")
		case <-ctx.Done():
			panic(ctx.Err())
		}
	}},
}

func try(run func(c clients)) (err error) {
	defer func() {
		if e := recover(); e != nil {
			err = fmt.Errorf("%v", e)
		}
	}()
	run(account())
	return nil
}

func main() {
	for _, c := range cases {
		if err := try(c.run); err != nil {
			fmt.Printf("failed %s: %s\n", c.name, strings.ReplaceAll(err.Error(), "\n", " | "))
		} else {
			fmt.Println("ok", c.name)
		}
	}
}
