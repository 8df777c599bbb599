"""The peer of bench_backtest: the same crossover on the same bars by backtesting.py. usage: peer_backtest.py FOLDER"""

import sys
import time
import warnings

import backtesting
import pandas

warnings.filterwarnings("ignore")


def average(closes, length):
    return pandas.Series(closes).rolling(length).mean()


class Crossover(backtesting.Strategy):
    def init(self):
        self.fast, self.slow = self.I(average, self.data.Close, 10), self.I(average, self.data.Close, 30)

    def next(self):
        above = self.fast[-1] > self.slow[-1]
        if above and not self.position:
            self.buy(size=100)
        elif not above and self.position:
            self.position.close()


bars = pandas.read_csv(f"{sys.argv[1]}/bars-1min.csv", index_col="timestamp", parse_dates=True).rename(columns=str.capitalize)
test = backtesting.Backtest(bars[["Open", "High", "Low", "Close", "Volume"]], Crossover, cash=1_000_000)
began = time.process_time()
trades = test.run()["# Trades"]
seconds = time.process_time() - began
print(f"backtesting.py {backtesting.__version__}, the same crossover on the same bars: {len(bars) / seconds / 1e6:.2f} M bars/s of CPU, {trades} trades")
