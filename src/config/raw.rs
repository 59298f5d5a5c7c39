//! The raw form of `cluster.toml`: types only. [`super::check`] makes the checked form of it.

use super::schema::{Kind, section};
use std::collections::BTreeMap;

section! {
    /// The whole file.
    Root, later: ["edge", "history", "model", "scores", "factors", "risk", "ranks", "regimes", "backtest"]
    /// Shape of this file.
    version: i64, Kind::Integer, default "1", rule "1", flag "";
    /// Names and folders.
    deployment: Deployment, Kind::Table(Deployment::SECTION), default "", rule "", flag "";
    /// Processes, threads and the epoch.
    cluster: Cluster, Kind::Table(Cluster::SECTION), default "", rule "", flag "";
    /// Where ticks come from.
    source: Vec<Source>, Kind::Tables(Source::SECTION, false), default "", rule "", flag "";
    /// What is refused, and when a run fails because of it.
    admission: Admission, Kind::Table(Admission::SECTION), default "", rule "", flag "";
    /// Instruments, those with scales of their own, and what is done with others.
    universe: Universe, Kind::Table(Universe::SECTION), default "", rule "", flag "";
    /// Bars.
    bars: Vec<Bars>, Kind::Tables(Bars::SECTION, true), default "", rule "", flag "";
    /// Indicators on bars.
    indicators: Vec<Indicators>, Kind::Tables(Indicators::SECTION, false), default "", rule "", flag "";
    /// Where rows go.
    sink: Vec<Sink>, Kind::Tables(Sink::SECTION, true), default "", rule "", flag "";
    /// What a run tells of itself: metrics, whether it is ready, logs.
    observe: Observe, Kind::Table(Observe::SECTION), default "", rule "", flag "";
}

section! {
    /// What a run tells of itself: metrics, whether it is ready, logs.
    Observe, later: []
    /// Where each process serves `/metrics`, `/health`, `/ready` and `/status`; the second process of a machine at the next port, and so on; absent: nowhere.
    listen: Option<String>, Kind::Text, default "", rule "host:port; port 0 for a free one, which is logged", flag "";
    /// Whether each process also serves `/live`: the newest price and the forming bars of the symbols it reads, as they come.
    live: bool, Kind::Switch, default "false", rule "needs observe.listen", flag "";
    /// How a log line is written, on standard error.
    logs: String, Kind::Choice(&["text", "json"]), default "\"text\"", rule "text, json", flag "";
    /// What is logged; `TIDEMILL_LOG` in the environment wins.
    level: String, Kind::Text, default "\"warn\"", rule "off, error, warn, info, debug, trace, or by part, as \"info,kafka=debug\"", flag "";
    /// Collector of OpenTelemetry that each process also sends its logs to, by OTLP over HTTP; one that is away delays nothing; absent: none.
    otlp: Option<String>, Kind::Text, default "", rule "http://host:port or https://host:port, to which /v1/logs is added", flag "";
}

section! {
    /// Names and folders.
    Deployment, later: []
    /// Name of this deployment, for people and logs.
    name: String, Kind::Text, default "\"tidemill\"", rule "1 to 64 of a-z A-Z 0-9 . _ -", flag "";
    /// Store folder: the embedded tables, Parquet files, dead letters.
    data: String, Kind::Text, default "\"tidemill-data\"", rule "a folder, made when it is not there", flag "--data";
}

section! {
    /// Processes, threads and the epoch.
    Cluster, later: []
    /// `host:port` of every process, the same list in each; empty: one process. Plain TCP, so a private network.
    processes: Vec<String>, Kind::Texts, default "[]", rule "at most 64, each host:port, no two alike", flag "";
    /// Worker threads of a process; decoder threads are as many.
    workers: i64, Kind::Integer, default "1", rule "1 to 256", flag "--workers";
    /// Length of an epoch: how finely changes are told apart in time.
    epoch: String, Kind::Duration, default "\"1s\"", rule "at least 1ms, divides a day and every bar width", flag "";
    /// Checkpoints, from which a run that was stopped or killed goes on.
    checkpoints: Checkpoints, Kind::Table(Checkpoints::SECTION), default "", rule "", flag "";
}

section! {
    /// Checkpoints, from which a run that was stopped or killed goes on.
    Checkpoints, later: []
    /// Time between two; absent: 5s where a source is kafka, else none are kept and a run begins with its inputs.
    every: Option<String>, Kind::Duration, default "", rule "10ms to 1d", flag "";
    /// A folder that every process reaches, or `s3://bucket/prefix` (keys and endpoint from the environment, as the AWS tools name them); absent: `checkpoints` in the store folder.
    to: Option<String>, Kind::Text, default "", rule "a folder, or s3://bucket/prefix of a store that can create an object only where there is none", flag "";
    /// How many are kept.
    keep: i64, Kind::Integer, default "5", rule "1 to 1000", flag "";
}

section! {
    /// Where ticks come from; one `[[source]]` a log or set of files.
    Source, later: ["preset"]
    /// Name of the source in messages.
    name: String, Kind::Text, default "\"trades\"", rule "1 to 64 of a-z A-Z 0-9 . _ -", flag "";
    /// What it is.
    kind: String, Kind::Choice(&["files", "simulator", "kafka"]), default "\"files\"", rule "files, simulator, kafka", flag "";
    /// What its records are.
    record: String, Kind::Choice(&["trades"]), default "\"trades\"", rule "trades", flag "";
    /// Files and globs, as CSV (plain, .gz, .zst) or Parquet.
    files: Vec<String>, Kind::Texts, default "[]", rule "at least one where kind is files", flag "FILES";
    /// Columns of the files or fields of the messages, where they are not named as the JSON trade's.
    columns: Option<String>, Kind::Text, default "", rule "field=column pairs, as \"ts_event=t:ms, price=px*0.01\"; of messages also @key, @topic, @timestamp", flag "--columns";
    /// Which rows are records.
    r#where as "where": Option<String>, Kind::Text, default "", rule "a condition, as \"type in (4,5)\"", flag "--where";
    /// Consolidated tape by whose rules sale conditions decide what of a bar a trade counts for (open and close, high and low, volume); none: they are not looked at, and every trade counts for all.
    conditions: String, Kind::Choice(&["none", "cta", "utp"]), default "\"none\"", rule "none, cta (tapes A and B), utp (tape C); files must then have a column of conditions", flag "--conditions";
    /// Whether the first line of a CSV file names its columns.
    header: bool, Kind::Switch, default "true", rule "", flag "--no-header";
    /// Character between the fields of a CSV line.
    delimiter: String, Kind::Text, default "\",\"", rule "one ASCII character", flag "--delimiter";
    /// Lines that begin with this character are skipped.
    comment: Option<String>, Kind::Text, default "", rule "one ASCII character", flag "--comment";
    /// Order of the records: by time but for stragglers, a recorded order of arrival, or none.
    order: String, Kind::Choice(&["time", "log", "any"]), default "\"time\"", rule "time, log, any", flag "--order";
    /// Whether each file is a log, or files whose times follow one another are one; absent: decided from the files.
    partition: Option<String>, Kind::Choice(&["file", "sequence"]), default "", rule "file, sequence", flag "--partition";
    /// Speed of the replay against event time.
    pace: String, Kind::Text, default "\"max\"", rule "max, or a factor as 1x, 10x, 0.5x", flag "--pace";
    /// How much later than the latest a record may come without being late; `known_at` counts the greatest of all sources.
    lateness: String, Kind::Duration, default "\"2s\"", rule "0s to 1d", flag "--lateness";
    /// How long a trade can still be corrected or come late.
    horizon: String, Kind::Duration, default "\"15min\"", rule "0s to 7d", flag "--horizon";
    /// Refused as `future` beyond this, past the message's own Kafka time, or in a file past the run's first start.
    max_ahead: String, Kind::Duration, default "\"60s\"", rule "0s to 366d", flag "";
    /// A jump beyond this waits for the next record to agree.
    max_jump: String, Kind::Duration, default "\"1h\"", rule "1s to 366d", flag "";
    /// Where Kafka's brokers are.
    brokers: String, Kind::Text, default "\"\"", rule "host:port,host:port where kind is kafka", flag "--brokers";
    /// Topics that are read.
    topics: Vec<String>, Kind::Texts, default "[]", rule "names, or patterns that begin with ^, as \"^trades\\..*\"", flag "--topic";
    /// How trades stand in messages.
    codec: String, Kind::Choice(&["json", "arrow"]), default "\"json\"", rule "json (an object or a list of them), arrow (an IPC stream)", flag "--codec";
    /// Whether symbols may stand in any partition, as in topics without keys: trades then meet by symbol before duplicates and outliers are looked for and bars are folded, at the cost that BENCHMARKS.md states.
    repartition: bool, Kind::Switch, default "false", rule "true only where kind is kafka; the same as long as checkpoints are gone on from", flag "";
    /// Where reading begins: at what is kept, behind what is there, or at a time of Kafka's.
    start: Option<String>, Kind::Text, default "", rule "earliest, latest, or a time in RFC 3339; absent: latest, and with history where that ends", flag "";
    /// What comes before the topics.
    history: History, Kind::Table(History::SECTION), default "", rule "only where kind is kafka", flag "";
    /// Further settings of the connection, as librdkafka names them: TLS and SASL among them.
    kafka: BTreeMap<String, String>, Kind::Map, default "{}", rule "\"name\" = \"value\" pairs, those that Tidemill sets itself left out", flag "";
    /// How long nothing comes at the end of a partition until it is moved on to the greatest watermark of the others; absent: never.
    idle_after: Option<String>, Kind::Duration, default "", rule "100ms to 1d; needs to write to the control topic", flag "";
    /// The topic where decisions are written down (of quiet partitions, of those that join, of gaps), of this deployment alone; made where it is missing.
    control: String, Kind::Text, default "\"tidemill_control\"", rule "the name of a topic", flag "";
    /// The session of a simulator.
    simulator: Simulator, Kind::Table(Simulator::SECTION), default "", rule "only where kind is simulator", flag "";
}

section! {
    /// What comes before the topics of a kafka source: files that are read first, or bars that are stored already.
    History, later: []
    /// Files and globs, all of them one log, which the topics go on behind without gap or double.
    files: Vec<String>, Kind::Texts, default "[]", rule "files whose times follow one another, or any with order = \"any\"; empty: no history", flag "";
    /// Order of the records: by time but for stragglers, a recorded order of arrival, or none.
    order: String, Kind::Choice(&["time", "log", "any"]), default "\"time\"", rule "time, log, any", flag "";
    /// Columns of the files, where they are not named as the JSON trade's.
    columns: Option<String>, Kind::Text, default "", rule "field=column pairs", flag "";
    /// Which rows are records.
    r#where as "where": Option<String>, Kind::Text, default "", rule "a condition", flag "";
    /// Whether the first line of a CSV file names its columns.
    header: bool, Kind::Switch, default "true", rule "", flag "";
    /// Character between the fields of a CSV line.
    delimiter: String, Kind::Text, default "\",\"", rule "one ASCII character", flag "";
    /// Lines that begin with this character are skipped.
    comment: Option<String>, Kind::Text, default "", rule "one ASCII character", flag "";
    /// Store folder of another deployment whose bars, as far as they are older than the topics' first records, warm up the indicators of one that begins; its rows are not written again.
    store: Option<String>, Kind::Text, default "", rule "a store folder with bars in SQLite or Parquet; of one source", flag "";
}

section! {
    /// The session of a simulator: seeded, the same on every machine.
    Simulator, later: []
    /// Symbols, the 12 demo instruments first.
    symbols: i64, Kind::Integer, default "12", rule "1 to 100000", flag "--symbols";
    /// Trades of the session.
    trades: i64, Kind::Integer, default "400000", rule "1 to 10000000000", flag "--trades";
    /// Seed.
    seed: i64, Kind::Integer, default "1", rule "not negative", flag "--seed";
    /// Start of the session.
    start: String, Kind::Text, default "\"2024-01-02T14:30:00Z\"", rule "a time in RFC 3339", flag "--start";
    /// Length of the session.
    session: String, Kind::Duration, default "\"390min\"", rule "1min to 7d", flag "--session";
    /// Share of trades that come late.
    late: f64, Kind::Number, default "0.0", rule "0 to 1", flag "--late";
    /// Share of trades that come twice.
    duplicate: f64, Kind::Number, default "0.0", rule "0 to 1", flag "--duplicate";
    /// Share of records that are bad.
    bad: f64, Kind::Number, default "0.0", rule "0 to 1", flag "--bad";
    /// Share of trades that are cancelled, 1 to 60 s later but for some odd ones.
    cancel: f64, Kind::Number, default "0.0", rule "0 to 1, with replace at most 1", flag "--cancel";
    /// Share of trades that are replaced, likewise.
    replace: f64, Kind::Number, default "0.0", rule "0 to 1", flag "--replace";
    /// Logs the symbols are spread over.
    partitions: i64, Kind::Integer, default "1", rule "1 to 1024", flag "";
}

section! {
    /// What is refused, and when a run fails because of it.
    Admission, later: []
    /// Trades far from their symbol's running level.
    outliers: Outliers, Kind::Table(Outliers::SECTION), default "", rule "", flag "";
    /// Outliers in a row after which their level is the new one.
    outlier_patience: i64, Kind::Integer, default "5", rule "1 to 1000", flag "";
    /// File of trades that are taken out of every log from its beginning on, as `tidemill exclude --exclusions FILE` writes it; absent, or a file that is not there yet: none.
    exclusions: Option<String>, Kind::Text, default "", rule "a file of records, a line each; the same as long as checkpoints are gone on from", flag "--exclusions";
    /// Share of refused records beyond which a run ends with code 3 (where there are more than 100).
    max_refused: f64, Kind::Number, default "0.01", rule "0 to 1", flag "--strict (any)";
}

section! {
    /// Trades far from their symbol's running level.
    Outliers, later: []
    /// Whether they are looked for, and what is done.
    mode: String, Kind::Choice(&["off", "flag", "refuse"]), default "\"flag\"", rule "off, flag, refuse", flag "";
    /// How many running scales away an outlier is.
    scale: f64, Kind::Number, default "12.0", rule "1 to 1000", flag "";
}

section! {
    /// Instruments, those with scales of their own, and what is done with others.
    Universe, later: []
    /// CSV with the columns symbol, price_scale, size_scale (digits behind the point; empty: the default's).
    file: Option<String>, Kind::Text, default "", rule "a CSV file", flag "";
    /// For symbols the file does not name.
    defaults: UniverseDefaults, Kind::Table(UniverseDefaults::SECTION), default "", rule "", flag "";
}

section! {
    /// For symbols that the universe's file does not name.
    UniverseDefaults, later: []
    /// Trading calendar.
    calendar: String, Kind::Choice(&["24x7"]), default "\"24x7\"", rule "24x7", flag "";
    /// Part of the day that is traded.
    session: String, Kind::Choice(&["all"]), default "\"all\"", rule "all", flag "";
    /// What is done with their records: refused ones are dead letters of reason `unknown_symbol`.
    unknown_symbols: String, Kind::Choice(&["admit", "refuse"]), default "\"admit\"", rule "admit; refuse, which wants a universe.file", flag "";
    /// Digits behind the point of a price, for symbols whose cell in the file is empty.
    price_scale: i64, Kind::Integer, default "9", rule "0 to 18", flag "";
    /// Digits behind the point of a size, likewise.
    size_scale: i64, Kind::Integer, default "9", rule "0 to 18", flag "";
}

section! {
    /// Bars; several `[[bars]]` add up.
    Bars, later: []
    /// Widths.
    widths: Vec<String>, Kind::Texts, default "[\"1min\"]", rule "1s to 60min, 1h and more that divide a day, 1d, session", flag "--widths";
    /// Whether a bar without trades is left out, or carries the last close on.
    empty: String, Kind::Choice(&["skip", "carry"]), default "\"skip\"", rule "skip, carry; the same for all", flag "--empty";
}

section! {
    /// Indicators on bars; several `[[indicators]]` add up.
    Indicators, later: ["signals"]
    /// Widths of the bars they run on; empty: every width of `[[bars]]`.
    widths: Vec<String>, Kind::Texts, default "[]", rule "among the widths of bars", flag "";
    /// Indicators with their parameters.
    list: Vec<String>, Kind::Texts, default "[]", rule "as sma(20), ema(20, of=volume), bb(20,2)", flag "--indicators";
}

section! {
    /// Where rows go; one `[[sink]]` each.
    Sink, later: ["url", "to", "keep"]
    /// What it is.
    kind: String, Kind::Choice(&["sqlite", "parquet", "jsonl", "kafka", "none"]), default "\"sqlite\"", rule "sqlite, parquet, jsonl, kafka, none", flag "--sink";
    /// Tables it gets; empty: all.
    tables: Vec<String>, Kind::Texts, default "[]", rule "aggregated_data, technical_indicators", flag "";
    /// How long a sqlite sink keeps values that were revised or removed, in `<table>_revisions`, counted back from the newest row; absent: for ever.
    keep_revisions: Option<String>, Kind::Duration, default "", rule "0s to 36500d; only where kind is sqlite", flag "";
    /// Name of a kafka sink: part of its transactional id, so that two of a deployment have two.
    name: String, Kind::Text, default "\"kafka\"", rule "1 to 64 of a-z A-Z 0-9 . _ -", flag "";
    /// Brokers of a kafka sink.
    brokers: Option<String>, Kind::Text, default "", rule "host:port,host:port where kind is kafka", flag "";
    /// Settings of a kafka sink's producer, TLS and SASL among them, as librdkafka names them.
    kafka: BTreeMap<String, String>, Kind::Map, default "{}", rule "as { \"security.protocol\" = \"SASL_SSL\" }", flag "";
    /// Partitions of topics that a kafka sink makes; those that are there stay as they are.
    partitions: i64, Kind::Integer, default "8", rule "1 to 1024", flag "";
    /// Copies of each partition of such topics; absent: as many as the brokers are configured to.
    replication: Option<i64>, Kind::Integer, default "", rule "1 to 15", flag "";
    /// How long such topics keep rows.
    retention: String, Kind::Duration, default "\"30d\"", rule "1h to 36500d", flag "";
    /// Before the name of every topic of rows: two deployments on the same brokers have two.
    topics_prefix: String, Kind::Text, default "\"\"", rule "at most 64 of a-z A-Z 0-9 . _ -", flag "";
}
