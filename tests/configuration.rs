//! The configuration file: every rule names its place in one line, noise never panics, and the
//! documentation is the one that the types give.

#[path = "configuration/places.rs"]
mod places;

use operators::indicator::Registry;
use proptest::prelude::*;
use std::path::Path;
use tidemill::config::{Config, Override, documentation, template};

fn parse(text: &str) -> Result<Config, String> {
    Config::parse("cluster.toml", text, &[], &Registry::standard()).map_err(|e| e.to_string())
}

fn refused(text: &str, wanted: &str) {
    let message = parse(text).map(|config| config.print()).unwrap_err();
    assert_eq!(message, wanted, "for {text}");
}

#[test]
fn a_collector_is_an_address_of_http() {
    refused(
        "[observe]\notlp = \"grpc://collector:4317\"",
        "cluster.toml: observe.otlp = \"grpc://collector:4317\": an address is http://host:port or https://host:port, \
         to which /v1/logs is added",
    );
    let given = parse("[observe]\notlp = \"http://collector:4318\"").unwrap();
    assert_eq!(given.observe().otlp.as_ref().unwrap().to_string(), "http://collector:4318");
    assert_eq!(given.fingerprint(), parse("").unwrap().fingerprint());
}

#[test]
fn checkpoints_are_configured_rightly_or_not_at_all() {
    refused(
        "[cluster]\ncheckpoints = { every = \"1ms\" }",
        "cluster.toml: cluster.checkpoints.every = \"1ms\": a duration from 10ms to 1d is wanted",
    );
    refused(
        "[cluster]\ncheckpoints = { every = \"5s\", to = \"\" }",
        "cluster.toml: cluster.checkpoints.to = \"\": a folder is wanted, or s3://bucket/prefix",
    );
    refused(
        "[cluster]\ncheckpoints = { every = \"5s\", to = \"s3:/b\" }",
        "cluster.toml: cluster.checkpoints.to = \"s3:/b\": a folder is wanted, or s3://bucket/prefix",
    );
}

#[test]
fn what_kafka_is_given_is_named_where_it_is_wrong() {
    let kafka = |more: &str, wanted: &str| {
        let text = format!("[[source]]\nkind = \"kafka\"\nbrokers = \"k:1\"\n{more}");
        refused(&text, &format!("cluster.toml: source.{wanted}"));
    };
    kafka("", "topics = []: at least one topic is wanted");
    kafka(
        "topics = [\"t\", \"a b\"]",
        "topics[1] = \"a b\": the name of a topic is wanted, 1 to 249 of a-z A-Z 0-9 . _ -",
    );
    kafka(
        "topics = [\"^a(\"]",
        "topics[0] = \"^a(\": a regular expression is wanted: unclosed group",
    );
    kafka(
        "topics = [\"c\"]\ncontrol = \"c\"",
        "topics[0] = \"c\": the control topic of this source holds decisions, another one is wanted",
    );
    kafka(
        "topics = [\"t\"]\nstart = \"now\"",
        "start = \"now\": earliest, latest or a time in RFC 3339, as 2024-01-02T14:30:00Z, is wanted",
    );
    kafka(
        "topics = [\"t\"]\nidle_after = \"1ms\"",
        "idle_after = \"1ms\": a duration from 100ms to 1d is wanted",
    );
    kafka(
        "topics = [\"t\"]\nkafka.sasl.password = \"x\"",
        "kafka.sasl: names and values in quotes are wanted, as \"linger.ms\" = \"5\"",
    );
    kafka(
        "topics = [\"t\"]\nkafka = { \"group.id\" = \"x\" }",
        "kafka: group.id: Tidemill sets it itself",
    );
    kafka(
        "topics = [\"t\"]\nkafka = { \"linger\" = \"5\" }",
        "kafka: kafka settings: No such configuration property: \"linger\"",
    );
    refused(
        "[[sink]]\nkind = \"kafka\"",
        "cluster.toml: sink.brokers: host:port,host:port is wanted",
    );
    refused(
        "[[sink]]\nkind = \"kafka\"\nbrokers = \"b\"\nkafka = { \"group.id\" = \"g\" }",
        "cluster.toml: sink.kafka: group.id: Tidemill sets it itself",
    );
    refused(
        "[[sink]]\nkind = \"kafka\"\nbrokers = \"b\"\nkafka = { \"sasl.password\" = 5 }",
        "cluster.toml: sink.kafka.sasl.password: names and values in quotes are wanted, as \"linger.ms\" = \"5\"",
    );
    let twice = "[[sink]]\nkind = \"kafka\"\nbrokers = \"b\"\n".repeat(2);
    refused(&twice, "cluster.toml: sink[1].name = \"kafka\": every kafka sink has its own name");
}

#[test]
fn errors_are_one_line_with_place_value_and_rule() {
    refused(
        "[[bars]]\nwidths = [\"1min\", \"5min\", \"7min\"]",
        "cluster.toml: bars.widths[2] = \"7min\": a width must divide a day evenly",
    );
    refused(
        "[[bars]]\nwidths = [\"1min\"]\n[[bars]]\nwidths = [\"60s\"]",
        "cluster.toml: bars[1].widths[0] = \"60s\": the width 1min is there already",
    );
    refused(
        "[cluster]\nepoch = \"7s\"",
        "cluster.toml: cluster.epoch = \"7s\": an epoch is at least 1ms and divides a day",
    );
    refused(
        "[cluster]\nepoch = \"2min\"",
        "cluster.toml: bars.widths[0] = \"1min\": the epoch of 2min must divide every width",
    );
    refused(
        "[cluster]\nworker = 2",
        "cluster.toml: cluster.worker: unknown key, the nearest is \"workers\"",
    );
    refused("[edge]\nlisten = \"x\"", "cluster.toml: edge: not built yet");
    refused(
        "[[source]]\nkind = \"simulator\"\npreset = 1",
        "cluster.toml: source[0].preset: not built yet",
    );
    refused(
        "[[source]]\nkind = \"tcp\"",
        "cluster.toml: source.kind = \"tcp\": one of files, simulator, kafka is wanted",
    );
    refused(
        "[[source]]\nkind = \"simulator\"\nrepartition = true",
        "cluster.toml: source.repartition = true: only topics are read so: a file is one log, and a simulator's \
         symbols keep theirs",
    );
    refused(
        "[[source]]\nfiles = [\"a\"]\nconditions = \"nyse\"",
        "cluster.toml: source.conditions = \"nyse\": one of none, cta, utp is wanted",
    );
    refused(
        "[[source]]\nkind = \"simulator\"\nconditions = \"cta\"",
        "cluster.toml: source.conditions = \"cta\": only files and topics have conditions: none is wanted for a \
         simulator",
    );
    refused(
        "[[source]]\nkind = \"simulator\"\nsimulator = { cancel = 0.5, replace = 0.6 }",
        "cluster.toml: source.simulator.cancel = 0.5: with replace, a share of at most 1 is wanted",
    );
    refused("version = 2", "cluster.toml: version = 2: this program reads version 1");
    refused(
        "[cluster]\nworkers = \"4\"",
        "cluster.toml: cluster.workers = \"4\": a whole number is wanted",
    );
    refused("x = [\n", "cluster.toml: line 1: unclosed array, expected `]`");
    refused(
        "[[indicators]]\nwidths = [\"5min\"]\nlist = [\"obv\"]",
        "cluster.toml: indicators.widths[0] = \"5min\": not a width of bars, which are 1min",
    );
    refused(
        "[[source]]\nkind = \"simulator\"\nlateness = \"-2s\"",
        "cluster.toml: source.lateness = \"-2s\": a duration is a whole number and a unit \
         (ns us ms s min h d), as 2s",
    );
}

#[test]
fn flags_win_and_are_named() {
    let flag = |flag, path, value: &str| {
        let value = toml::Value::Array(vec![value.into()]);
        let over = Override { flag, path, value };
        Config::parse("cluster.toml", "[[bars]]\nempty = \"carry\"", &[over], &Registry::standard())
    };
    let config = flag("--widths", &["bars", "widths"], "5min").unwrap();
    assert_eq!(config.widths().iter().map(ToString::to_string).collect::<Vec<_>>(), ["5min"]);
    assert!(config.carry());
    assert_eq!(
        flag("--widths", &["bars", "widths"], "7min").unwrap_err().to_string(),
        "--widths = \"7min\": a width must divide a day evenly"
    );
}

#[test]
fn what_is_substituted_is_never_shown() {
    let folder = std::env::temp_dir().join(format!("tidemill-secret-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("secret");
    std::fs::write(&file, "hunter2\n").unwrap();
    let text = |key: &str| format!("{key} = \"${{file:{}}}\"", file.display());
    let config = parse(&format!("[deployment]\n{}", text("data"))).unwrap();
    assert_eq!(config.data(), Path::new("hunter2"));
    assert!(!config.print().contains("hunter2"));
    // Nor what stands there as it is, where it is a secret by its name or place.
    let bare = "[observe]\notlp = \"http://user:hunter2@collector:4318\"\n[[source]]\nkind = \"kafka\"\n\
                brokers = \"k:9092\"\ntopics = [\"t\"]\nkafka = { \"sasl.password\" = \"hunter2\" }";
    let shown = parse(bare).unwrap().print();
    assert!(shown.contains("@collector:4318") && !shown.contains("hunter2"), "{shown}");
    let source = "[[source]]\nfiles = [\"a\"]";
    for (section, key) in [("[cluster]", "epoch"), (source, "order"), ("[[source]]", "kind")] {
        let error = parse(&format!("{section}\n{}", text(key))).unwrap_err();
        assert!(!error.contains("hunter2") && error.contains(key), "{error}");
    }
    let list = format!("[[indicators]]\nlist = [\"${{file:{}}}\"]", file.display());
    let error = parse(&list).unwrap_err();
    assert!(!error.contains("hunter2") && error.contains("list[0]"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_fingerprint_follows_results_and_nothing_else() {
    let print = |text: &str| parse(text).unwrap().fingerprint();
    let plain = print("");
    for same in
        ["[cluster]\nworkers = 4", "[deployment]\ndata = \"x\"", "[[sink]]\nkind = \"parquet\""]
    {
        assert_eq!(print(same), plain, "{same}");
    }
    for other in [
        "[cluster]\nepoch = \"500ms\"",
        "[[bars]]\nwidths = [\"5min\"]",
        "[[bars]]\nempty = \"carry\"",
        "[[indicators]]\nlist = [\"obv\"]",
        "[admission]\noutliers = { mode = \"off\" }",
        "[[source]]\nkind = \"simulator\"",
    ] {
        assert_ne!(print(other), plain, "{other}");
    }
    let topics = "[[source]]\nkind = \"kafka\"\nbrokers = \"k:1\"\ntopics = [\"t\"]\n";
    let pooled = |word: &str| print(&format!("{topics}repartition = {word}"));
    assert_eq!(pooled("false"), print(topics));
    assert_ne!(pooled("true"), print(topics));
    assert_ne!(print(&topics.replace("\"t\"", "\"t\", \"u\"")), print(topics));
    let seeds = ["1", "2"].map(|seed| {
        print(&format!("[[source]]\nkind = \"simulator\"\nsimulator = {{ seed = {seed} }}"))
    });
    assert_ne!(seeds[0], seeds[1]);
    // Conditions change what trades count for, whatever they are read from; where nobody looks they change nothing.
    let files = "[[source]]\nfiles = [\"a\"]\n";
    for source in [files, topics, &format!("{files}{files}")] {
        let by = |tape: &str| print(&format!("{source}conditions = \"{tape}\""));
        assert_eq!(by("none"), print(source));
        assert!(by("cta") != print(source) && by("utp") != print(source) && by("cta") != by("utp"));
    }
    // A session without corrections has the facts that it had before there were any.
    let session = |keys: &str| {
        let text = format!("[[source]]\nkind = \"simulator\"\nsimulator = {{ {keys} }}");
        let facts = parse(&text).unwrap().facts();
        facts.into_iter().find(|(name, _)| name == "simulator").map(|(_, said)| said).unwrap()
    };
    let plain = "SimulatorConfig { symbols: 12, trades: 400000, seed: 1, start: Time(1704205800000000000), \
                 session_ns: 23400000000000, late: 0.0, duplicate: 0.0, bad: 0.0, partitions: 1 }";
    assert_eq!(session(""), plain);
    assert!(session("cancel = 0.5").contains("cancel: 0.5, replace: 0.0"));
}

#[test]
fn unknown_symbols_are_refused_where_a_universe_names_the_known_ones() {
    refused(
        "[universe]\ndefaults = { unknown_symbols = \"refuse\" }",
        "cluster.toml: universe.defaults.unknown_symbols = \"refuse\": a universe.file is wanted that \
         names the known ones",
    );
    refused(
        "[universe]\ndefaults = { unknown_symbols = \"drop\" }",
        "cluster.toml: universe.defaults.unknown_symbols = \"drop\": one of admit, refuse is wanted",
    );
    let file = std::env::temp_dir().join(format!("tidemill-universe-{}.csv", std::process::id()));
    std::fs::write(&file, "symbol\nNVDA\n").unwrap();
    let with = |word: &str| {
        let defaults = format!("defaults = {{ unknown_symbols = \"{word}\" }}");
        parse(&format!("[universe]\nfile = \"{}\"\n{defaults}", file.display())).unwrap()
    };
    let (admit, refuse) = (with("admit"), with("refuse"));
    assert_eq!((admit.listed_only(), refuse.listed_only()), (false, true));
    assert_ne!(admit.fingerprint(), refuse.fingerprint());
    std::fs::remove_file(file).unwrap();
}

#[test]
fn every_source_has_a_timing_of_its_own() {
    let text = |keys: &str| {
        let source = "[[source]]\nkind = \"simulator\"\nlateness = \"5s\"\n";
        format!("{source}{source}{keys}\n").replacen("[[source]]", "[[source]]\nname = \"a\"", 1)
    };
    let same = parse(&text("")).unwrap();
    let keys = ["horizon = \"1min\"", "max_ahead = \"5s\"", "max_jump = \"5s\""];
    for keys in keys {
        let other = parse(&text(keys)).unwrap();
        assert_eq!(other.sources()[0].timing, same.sources()[0].timing);
        assert_ne!(other.sources()[1].timing, same.sources()[1].timing);
        assert_ne!(other.fingerprint(), same.fingerprint(), "{keys}");
    }
    refused(
        &text("horizon = \"8d\""),
        "cluster.toml: source[1].horizon = \"8d\": a duration from 0s to 7d is wanted",
    );
}

#[test]
fn the_written_file_is_read_back() {
    let config = parse(&template()).unwrap();
    assert_eq!(config.sources().len(), 1);
    // Every key in it is a key: the commented ones too.
    let open: String = template()
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .filter(|line| !line.ends_with("= \"\""))
        .fold(String::new(), |text, line| text + line + "\n");
    let config = parse(&open.replace("\nfiles = []", "")).unwrap();
    let again = parse(&config.print()).unwrap();
    assert_eq!(again.print(), config.print());
    assert_eq!(again.fingerprint(), config.fingerprint());
}

#[test]
fn the_documentation_is_not_stale() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, documentation()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == documentation(),
        "docs/configuration.md is stale: run UPDATE_EXPECT=1 cargo test --test configuration"
    );
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "version",
        "deployment",
        "cluster",
        "source",
        "admission",
        "universe",
        "bars",
        "indicators",
        "sink",
        "widths",
        "list",
        "kind",
        "workers",
        "epoch",
        "outliers",
        "mode",
        "simulator",
        "x",
    ])
    .prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|v| v.to_string()),
        any::<f64>()
            .prop_filter("TOML has them apart", |v| v.is_finite())
            .prop_map(|v| format!("{v:e}")),
        "[a-z0-9${}:(),]{0,12}".prop_map(|v| format!("\"{v}\"")),
        any::<bool>().prop_map(|v| v.to_string()),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(", "))),
            prop::collection::vec((key(), inner), 0..3).prop_map(|pairs| {
                let pairs: Vec<_> = pairs.iter().map(|(k, v)| format!("{k} = {v}")).collect();
                format!("{{ {} }}", pairs.join(", "))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn noise_never_panics(text in "\\PC{0,200}") {
        if let Err(message) = parse(&text) {
            prop_assert_eq!(message.lines().count(), 1);
        }
    }

    #[test]
    fn shaped_noise_never_panics(pairs in prop::collection::vec((key(), value()), 0..5)) {
        let text: String = pairs.iter().map(|(k, v)| format!("{k} = {v}\n")).collect();
        if let Err(message) = parse(&text) {
            prop_assert_eq!(message.lines().count(), 1, "{}", message);
        }
    }
}
