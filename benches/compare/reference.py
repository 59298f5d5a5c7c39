"""One-minute bars by DuckDB or Polars, from CSV or Parquet into Parquet: what `tidemill replay` is measured against.

usage: reference.py duckdb|polars IN OUT
       reference.py polars-decode IN ROUNDS      only reads the columns of a trade, on one thread; the least of ROUNDS

Prints one JSON object: wall and CPU seconds of the query alone, without the start of Python or the import. Each engine
gets the fastest of the forms tried that gives right bars for trades out of order: the least and greatest by time, its
streaming engine, the schema given. Neither has to break ties of time by position, nor to compute a VWAP or an indicator.
"""

import json
import resource
import sys
import time

MINUTE_NS = 60_000_000_000
THREADS = 2
KINDS = {"ts_event": "integer", "price": "float", "size": "float"}


def header(path):
    """The columns of a CSV file."""
    with open(path, encoding="utf-8") as file:
        return file.readline().strip().split(",")


def duckdb_bars(source, target):
    """Returns the query to run, everything else done."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}")
    if source.endswith(".csv"):
        names = {"integer": "BIGINT", "float": "DOUBLE", None: "VARCHAR"}
        columns = {name: names[KINDS.get(name)] for name in header(source)}
        table = f"read_csv('{source}', header = true, auto_detect = false, columns = {columns})"
    else:
        table = f"read_parquet('{source}')"
    kind = connection.execute(f"DESCRIBE SELECT ts_event FROM {table}").fetchone()[1]
    time_ns = "ts_event" if kind == "BIGINT" else "epoch_ns(ts_event)"
    query = f"""
        COPY (
            SELECT symbol, {time_ns} // {MINUTE_NS} AS minute,
                   arg_min(price, ts_event) AS open, max(price) AS high, min(price) AS low,
                   arg_max(price, ts_event) AS close, sum(size) AS volume, count(*) AS trade_count
            FROM {table} GROUP BY ALL
        ) TO '{target}' (FORMAT parquet)"""
    return lambda: connection.execute(query)


def polars_bars(source, target):
    """Returns the query to run, everything else done."""
    import os

    os.environ["POLARS_MAX_THREADS"] = str(THREADS)
    import polars

    column = polars.col
    if source.endswith(".csv"):
        names = {"integer": polars.Int64, "float": polars.Float64, None: polars.String}
        trades = polars.scan_csv(source, schema={name: names[KINDS.get(name)] for name in header(source)})
    else:
        trades = polars.scan_parquet(source)
    bars = trades.group_by("symbol", (column("ts_event").to_physical() // MINUTE_NS).alias("minute")).agg(
        column("price").min_by("ts_event").alias("open"),
        column("price").max().alias("high"),
        column("price").min().alias("low"),
        column("price").max_by("ts_event").alias("close"),
        column("size").sum().alias("volume"),
        polars.len().alias("trade_count"),
    )
    return lambda: bars.sink_parquet(target, engine="streaming")


def cpu():
    """CPU seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def polars_decode(source, rounds):
    """Seconds of CPU and of wall time to read a file's four columns."""
    import os

    os.environ["POLARS_MAX_THREADS"] = "1"
    import polars

    schema = {"ts_event": polars.Int64, "symbol": polars.String, "price": polars.Float64, "size": polars.Float64}
    least = {"wall": float("inf"), "cpu": float("inf")}
    for _ in range(rounds):
        wall_before, cpu_before = time.perf_counter(), cpu()
        if source.endswith(".csv"):
            polars.scan_csv(source, schema=schema).collect()
        else:
            polars.read_parquet(source, columns=list(schema))
        least["cpu"] = min(least["cpu"], cpu() - cpu_before)
        least["wall"] = min(least["wall"], time.perf_counter() - wall_before)
    return least


def main():
    engine, source, target = sys.argv[1:]
    if engine == "polars-decode":
        print(json.dumps(polars_decode(source, int(target))))
        return
    run = {"duckdb": duckdb_bars, "polars": polars_bars}[engine](source, target)
    wall_before, cpu_before = time.perf_counter(), cpu()
    run()
    print(json.dumps({"wall": time.perf_counter() - wall_before, "cpu": cpu() - cpu_before}))


if __name__ == "__main__":
    main()
