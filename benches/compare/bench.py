"""Measures every speed figure of BENCHMARKS.md, each as a ratio to a reference in the same run. Called by scripts/bench.

usage: scripts/bench [--quick] [--runs N] [PART...]      parts: see PARTS below; all of them unless some are named
"""

import argparse
import os
import shutil
import subprocess
import sys

import decode as decode_part
import figures
import kafka as kafka_part
import latency as latency_part
import measure
import recovery as recovery_part
from figures import Figure

TIDEMILL = "target/release/tidemill"
DATA = "target/bench-data"
SCRATCH = "target/bench"
STORE = f"{SCRATCH}/store"
PYTHON = sys.executable
REFERENCE = os.path.join(os.path.dirname(__file__), "reference.py")

SYMBOLS = 1000
TRADES = 10_000_000
LATE = "0.011"
SESSIONS = 10
SEED = 1
INDICATORS = "sma(20),ema(12),ema(26),rsi(14),macd(12,26,9),bb(20,2)"


def simulated(name, trades, seed=SEED, more=(), columns="required"):
    """A file made by the simulator, unless it is there already; the columns that all engines read, unless told."""
    stem, dot, suffix = name.partition(".")
    path = f"{DATA}/{stem}-{columns}{dot}{suffix}"
    if not os.path.exists(path):
        os.makedirs(DATA, exist_ok=True)
        print(f"bench: simulating {path}", file=sys.stderr)
        stem, dot, suffix = path.partition(".")
        half = f"{stem}-half{dot}{suffix}"
        flags = ["--symbols", str(SYMBOLS), "--trades", str(trades), "--seed", str(seed), "--late", LATE]
        flags += ["--columns", columns, *more]
        measure.run([TIDEMILL, "simulate", "--out", half, *flags])
        os.rename(half, path)
    return path


def replay(files, workers=2, sink="parquet", pinned=False, indicators=INDICATORS, more=()):
    """Returns a run of `tidemill replay` into an empty store."""

    def contestant():
        shutil.rmtree(STORE, ignore_errors=True)
        flags = ["--widths", "1min", "--lateness", "2s", "--sink", sink]
        flags += ["--indicators", indicators] if indicators else []
        command = [TIDEMILL, "replay", *files, "--data", STORE, "--workers", str(workers), *flags, "--json", *more]
        return measure.run(["taskset", "-c", "0", *command] if pinned else command)

    return contestant


def reference(engine, source):
    """Returns a run of the same bars, without indicators, by another engine."""
    target = f"{SCRATCH}/{engine}.parquet"
    return lambda: measure.run([PYTHON, REFERENCE, engine, source, target], inside=True)


def engines(options):
    """W1 into Parquet, bars and indicators, against DuckDB and Polars doing the bars alone."""
    found = []
    for kind in ("csv", "parquet"):
        source = simulated(f"w1-{options.trades}.{kind}", options.trades)
        contestants = {"tidemill": replay([source])}
        contestants |= {name: reference(name, source) for name in ("duckdb", "polars")}
        costs = measure.alternate(contestants, options.runs)
        ours = costs.pop("tidemill")
        for name, theirs in costs.items():
            for what, mine, other in (("CPU", ours.cpu, theirs.cpu), ("wall", ours.wall, theirs.wall)):
                detail = f"{mine:.2f} s, {other:.2f} s"
                title = f"W1 from {kind} into Parquet, {what}"
                found.append(Figure("engines", title, f"{name}, bars alone", mine / other, 1.0, False, detail))
        for name in costs:
            check_bars(f"{SCRATCH}/{name}.parquet")
        found.append(with_ids(kind, source, options))
    return found


def with_ids(kind, plain, options):
    """What trade ids and sides cost, which the reference engines would not read: duplicates are judged by them."""
    source = simulated(f"w1-{options.trades}.{kind}", options.trades, columns="all")
    costs = measure.alternate({"with ids": replay([source]), "without": replay([plain])}, options.runs)
    ours, bare = costs["with ids"].cpu, costs["without"].cpu
    title = f"W1 from {kind} into Parquet with trade ids, CPU"
    return Figure("engines", title, "without them", ours / bare, None, False, f"{ours:.2f} s, {bare:.2f} s")


def decode(options):
    """The readers against Polars, and bars from a file against only decoding it."""
    return decode_part.figures(DATA, options.trades, options.runs, replay)


def kafka(options):
    """From Kafka to Kafka against rdkafka by hand."""
    os.makedirs(SCRATCH, exist_ok=True)
    source = lambda count: simulated(f"w1-{count}.parquet", count)
    return kafka_part.figures(source, options.trades, options.runs, SCRATCH)


def recovery(options):
    """How long a killed deployment writes nothing."""
    return recovery_part.figures(options.runs, SCRATCH)


def latency_kafka(options):
    """From Kafka to the live view and to the topic of bars: milliseconds."""
    seconds = 3 if options.trades < TRADES else latency_part.SECONDS
    return latency_part.figures(options.runs, seconds, SCRATCH)


def check_bars(theirs):
    """Both engines must have made the same bars (but for ties of time at an end), or the comparison is void."""
    import duckdb

    ours = f"{STORE}/parquet/aggregated_data/*/*.parquet"
    pairs = f"""FROM '{theirs}' theirs FULL JOIN (
        SELECT *, epoch_ns(ts_open) // 60000000000 AS minute FROM read_parquet('{ours}', hive_partitioning = false)
    ) ours USING (symbol, minute)"""
    same = "ours.high = theirs.high AND ours.low = theirs.low AND ours.trade_count = theirs.trade_count"
    ends = f"{same} AND ours.open = theirs.open AND ours.close = theirs.close"
    bars, alike, to_the_ends = (
        duckdb.connect()
        .execute(f"SELECT count(*), count(*) FILTER ({same}), count(*) FILTER ({ends}) {pairs}")
        .fetchone()
    )
    print(f"  of {bars} bars {alike} are the same, {to_the_ends} with open and close", file=sys.stderr)
    if alike != bars or to_the_ends < 0.999 * bars:
        raise measure.Failed(f"the bars differ: of {bars}, {alike} are the same, {to_the_ends} with open and close")


def cores(options):
    """Two workers on two cores against one on one; eight on two cores against two."""
    found = []
    half = options.trades // 2
    halves = [simulated(f"half-{half}-{seed}.csv", half, seed) for seed in (1, 2)]
    whole = [simulated(f"w1-{options.trades}.csv", options.trades)]
    whole_parquet = [simulated(f"w1-{options.trades}.parquet", options.trades)]
    for name, files in (("two CSV files", halves), ("one CSV file", whole), ("one Parquet file", whole_parquet)):
        contestants = {
            "1 worker, 1 core": replay(files, workers=1, pinned=True),
            "2 workers": replay(files, workers=2),
            "8 workers": replay(files, workers=8),
        }
        costs = measure.alternate(contestants, options.runs)
        one, two, eight = (costs[contestant].wall for contestant in contestants)
        found.append(
            Figure(
                "cores",
                f"2 workers faster, {name}",
                "1 worker, 1 core",
                one / two,
                1.6,
                True,
                f"{one:.2f} s, {two:.2f} s",
            )
        )
        found.append(
            Figure(
                "cores",
                f"8 workers on 2 cores, {name}",
                "2 workers",
                eight / two,
                1.2,
                False,
                f"{eight:.2f} s, {two:.2f} s",
            )
        )
    return found


def sessions(options):
    """Peak memory of ten sessions that follow one another against that of one."""
    files = []
    for day in range(SESSIONS):
        start = ["--start", f"2024-01-{day + 2:02}T14:30:00Z"]
        files.append(simulated(f"day-{day}-{options.trades}.parquet", options.trades, day + 1, start))
    one = replay(files[:1], more=["--partition", "sequence"])()
    ten = replay(files, more=["--partition", "sequence"])()
    detail = f"{ten.memory / 2**20:.0f} MiB, {one.memory / 2**20:.0f} MiB"
    return [
        Figure(
            "sessions", f"peak memory of {SESSIONS} sessions", "1 session", ten.memory / one.memory, 1.2, False, detail
        )
    ]


def rust_bench(package, bench):
    """Returns a part that runs a bench of ours and takes in its lines `figure<TAB>name<TAB>reference<TAB>ratio<TAB>bound<TAB>detail`."""

    def part(options):
        command = ["cargo", "bench", "--quiet", "--package", package, "--bench", bench]
        os.environ["BENCH_TRADES"] = str(options.trades)
        out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        print(out.stdout, file=sys.stderr)
        found = []
        for line in out.stdout.splitlines():
            if line.startswith("figure\t"):
                _, name, against, ratio, bound, detail = line.split("\t")
                limit = float(bound) if bound else None
                found.append(Figure(bench, name, against, float(ratio), limit, False, detail))
        if not found:
            raise measure.Failed(f"{' '.join(command)} printed no figure, exit code {out.returncode}")
        return found

    return part


PARTS = {
    "memory": rust_bench("tidemill", "w1"),
    "corrections": rust_bench("tidemill", "corrections"),
    "decode": decode,
    "kernels": rust_bench("tidemill-operators", "kernels"),
    "latency": rust_bench("tidemill", "latency"),
    "live": rust_bench("tidemill", "live"),
    "latency-kafka": latency_kafka,
    "sqlite": rust_bench("tidemill-sinks", "sqlite"),
    "checkpoints": rust_bench("tidemill", "checkpoints"),
    "kafka": kafka,
    "recovery": recovery,
    "engines": engines,
    "cores": cores,
    "sessions": sessions,
}


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures every figure of BENCHMARKS.md.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {' '.join(PARTS)}; all unless named")
    parser.add_argument("--quick", action="store_true", help="a tenth of the trades, one run: does it work?")
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each contestant (5)")
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]!r}; there are {' '.join(PARTS)}")
    options.trades = TRADES // 10 if options.quick else TRADES
    options.runs = 1 if options.quick else options.runs
    os.makedirs(SCRATCH, exist_ok=True)
    found, failures = [], {}
    for part in options.parts or PARTS:
        print(f"bench: {part}", file=sys.stderr)
        try:
            found += PARTS[part](options)
        except measure.Failed as failure:
            failures[part] = str(failure)
    note = f"{options.trades:,} trades, {options.runs} timed runs each, medians."
    print(figures.write(found, failures, SCRATCH, note))
    sys.exit(1 if failures or any(figure.verdict() == "NO" for figure in found) else 0)


if __name__ == "__main__":
    main()
