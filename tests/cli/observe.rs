//! What a run tells of itself, asked while it runs: metrics, health, readiness, logs, `tidemill status`, and the
//! positions that its consumer group shows.

use super::processes::two;
use super::{Done, Folder};
use ::kafka::{Group, trial};
use market::Offset;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

/// A run, killed when the test leaves it.
pub(super) struct Run {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Run {
    pub(super) fn start(folder: &Folder, config: &str, level: &str) -> Self {
        Run::of(folder, &["run", "--config", config], level)
    }

    fn of(folder: &Folder, args: &[&str], level: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidemill"))
            .args(args)
            .env("TIDEMILL_LOG", level)
            .current_dir(&folder.0)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        Run { child, said }
    }

    /// The next line of JSON with this message.
    pub(super) fn hear(&mut self, message: &str) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "it ended before {message}");
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            if event["message"].as_str().is_some_and(|text| text.contains(message)) {
                return event;
            }
        }
    }

    pub(super) fn address(&mut self) -> String {
        self.hear("metrics are served")["address"].as_str().unwrap().to_owned()
    }

    pub(super) fn interrupt(mut self) {
        let interrupt = format!("kill -INT {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &interrupt]).status().unwrap().success());
        std::io::copy(&mut self.said, &mut std::io::sink()).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(130));
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The code, the head and the body of an answer.
pub(super) fn ask(address: &str, question: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{question} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, head.to_ascii_lowercase(), body.to_owned())
}

pub(super) fn get(address: &str, path: &str) -> (u16, Value) {
    let (code, _, body) = ask(address, &format!("GET {path}"));
    (code, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
}

/// Asks again until it is so.
pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{what} did not come");
}

/// Every sample of an exposition: by its name, the values with their labels.
fn samples(text: &str) -> BTreeMap<&str, Vec<(&str, f64)>> {
    assert!(text.ends_with("# EOF\n"), "{text}");
    let mut all: BTreeMap<&str, Vec<(&str, f64)>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
        all.entry(name).or_default().push((labels.trim_end_matches('}'), value));
    }
    all
}

/// Names and kinds of the table in docs/metrics.md.
fn documented() -> BTreeMap<String, (String, Vec<String>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, tidemill::metrics_documentation()).unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap();
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let name = cells.next()?.trim_end_matches('`').to_owned();
        let (kind, _unit) = (cells.next()?.to_owned(), cells.next()?);
        let labels = cells.next()?.split('`').filter(|label| !label.trim().is_empty());
        Some((name, (kind, labels.map(str::to_owned).collect())))
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn the_documentation_of_metrics_is_not_stale() {
    documented();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let written = std::fs::read_to_string(path).unwrap();
    assert!(
        written == tidemill::metrics_documentation(),
        "docs/metrics.md is stale: run UPDATE_EXPECT=1 cargo test --test cli"
    );
}

/// Names and labels that are scraped are those that are documented, each way.
fn compare(text: &str) {
    let (documented, samples) = (documented(), samples(text));
    assert!(documented.len() > 20);
    let mut expected = BTreeSet::new();
    for (name, (kind, labels)) in &documented {
        let ends: &[&str] =
            if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        for end in ends {
            let name = format!("{name}{end}");
            let list = samples.get(&*name).unwrap_or_else(|| panic!("{name} is not scraped"));
            for (given, _) in list {
                let given = given.split(',').filter_map(|label| label.split_once('='));
                let given: Vec<&str> =
                    given.map(|(label, _)| label).filter(|l| *l != "le").collect();
                assert_eq!(&given, labels, "labels of {name}");
            }
            expected.insert(name);
        }
        let family = name.strip_suffix("_total").filter(|_| kind == "counter").unwrap_or(name);
        assert!(text.contains(&format!("# TYPE {family} {kind}\n")), "{family} is no {kind}");
    }
    let undocumented: Vec<_> = samples.keys().filter(|name| !expected.contains(**name)).collect();
    assert!(undocumented.is_empty(), "not in docs/metrics.md: {undocumented:?}");
}

pub(super) fn sum(text: &str, name: &str) -> f64 {
    samples(text).get(name).map_or(0.0, |list| list.iter().map(|(_, value)| value).sum())
}

/// A topic that a session comes into for some seconds, and a deployment that reads it and writes it back.
fn deployment(folder: &Folder, listen: &str) -> (String, String, Run) {
    let (name, topic, brokers) =
        (trial::fresh("observed"), trial::topic("ticks", 2), trial::brokers());
    let config = format!(
        "[deployment]\nname = \"{name}\"\n[cluster]\nworkers = 2\ncheckpoints = {{ every = \"100ms\" }}\n\
         [[source]]\nname = \"ticks\"\nkind = \"kafka\"\nbrokers = \"{brokers}\"\ntopics = [\"{topic}\"]\n\
         start = \"earliest\"\nidle_after = \"30s\"\ncontrol = \"{topic}-control\"\n\
         [[indicators]]\nlist = [\"sma(3)\"]\n\
         [[sink]]\nkind = \"kafka\"\nbrokers = \"{brokers}\"\ntopics_prefix = \"{name}-\"\n\
         [[sink]]\nkind = \"sqlite\"\n\
         [observe]\nlisten = \"{listen}\"\nlive = true\nlogs = \"json\"\nlevel = \"info\"\n"
    );
    folder.file("cluster.toml", &config);
    let ingest = ingest(folder, &topic, &["--duplicate", "0.02", "--rate", "500"]);
    (name, topic, ingest)
}

fn ingest(folder: &Folder, topic: &str, more: &[&str]) -> Run {
    let brokers = trial::brokers();
    let args = ["ingest", "--simulate", "--brokers", &brokers, "--topic", topic];
    let session = ["--trades", "4000", "--symbols", "8", "--session", "30min", "--late", "0.2"];
    Run::of(folder, &[&args[..], &session, more].concat(), "off")
}

#[test]
fn a_run_is_scraped_and_every_documented_metric_is_there() {
    let folder = Folder::new();
    let (name, topic, _ingest) = deployment(&folder, "127.0.0.1:0");
    let mut run = Run::start(&folder, "cluster.toml", "info,kafka=error");
    let address = run.address();
    until("readiness", || (get(&address, "/ready").0 == 200).then_some(()));
    assert_eq!(get(&address, "/health"), (200, serde_json::json!({"ok": true, "conditions": []})));
    let text = until("a checkpoint and all records", || {
        let (code, head, text) = ask(&address, "GET /metrics");
        assert!(code == 200 && head.contains("application/openmetrics-text"), "{head}");
        let read = sum(&text, "tidemill_records_read_total");
        let whole = sum(&text, "tidemill_checkpoints_total") > 0.0
            && sum(&text, "tidemill_sink_rows_total") > 0.0
            && text.contains("tidemill_partition_behind{");
        (whole && read >= 4000.0).then_some(text)
    });
    compare(&text);
    let total = |name: &str| sum(&text, name);
    let refused = total("tidemill_records_refused_total");
    assert!(refused > 0.0, "duplicates were sent");
    assert_eq!(
        total("tidemill_records_read_total"),
        total("tidemill_records_used_total") + refused
    );
    assert!(total("tidemill_trades_late_total") > 0.0);
    assert!(total("tidemill_stage_seconds_count") > 0.0);
    assert_eq!(total("tidemill_symbol_in_many_partitions"), 0.0);
    // When all that came is complete, those are waited for that bring no more.
    until("who holds the frontier", || {
        let (_, _, text) = ask(&address, "GET /metrics");
        (sum(&text, "tidemill_partition_holds_frontier") > 0.0).then_some(())
    });
    let (code, _) = get(&address, "/nothing");
    assert_eq!((code, ask(&address, "POST /metrics").0), (404, 405));
    let event = run.hear("checkpoint written");
    assert_eq!((&event["deployment"], &event["process"]), (&name.clone().into(), &0.into()));
    assert_eq!(event["level"], "info");
    shows_positions(&folder, &name, &topic);
    run.interrupt();
}

/// The group says what the newest checkpoint holds, and `tidemill topics` shows the lag.
fn shows_positions(folder: &Folder, name: &str, topic: &str) {
    let group = Group::new(&trial::settings(), &format!("tidemill-{name}")).unwrap();
    let partitions = [(topic.to_owned(), 0), (topic.to_owned(), 1)];
    let newest = || -> Option<Vec<Option<u64>>> {
        let listed = folder.run(&["checkpoints", "list", "--json"]).exits(0).json();
        let last = listed["entries"].as_array()?.last()?["positions"].clone();
        let offset = |at: &Value| {
            // Behind the message that the last judged record stood in.
            Offset::from_raw(at[1].as_u64()?).message().map(|(offset, _)| offset + 1)
        };
        Some(last.as_array()?.iter().map(offset).collect())
    };
    until("the positions of a checkpoint", || {
        let wanted = newest()?;
        let committed = group.committed(&partitions).unwrap();
        (wanted.iter().all(Option::is_some) && committed == wanted).then_some(())
    });
    // What is shown is not of one moment as long as records come.
    until("the lag", || {
        let listed = folder.run(&["topics", "list", "--json"]).exits(0).json();
        let all = listed["topics"].as_array()?;
        let ticks = all.iter().find(|one| one["topic"] == topic)?;
        assert_eq!((&ticks["direction"], &ticks["partitions"]), (&"in".into(), &2.into()));
        assert!(all.iter().any(|one| one["direction"] == "out" && one["exists"] == true));
        let read: u64 = group.committed(&partitions).unwrap().iter().flatten().sum();
        (ticks["lag"].as_u64()? == ticks["records"].as_u64()? - read).then_some(())
    });
    let described = folder.run(&["topics", "describe"]).exits(0).out();
    assert!(
        described.contains(&format!("--operation Read --group tidemill-{name}")),
        "{described}"
    );
}

#[test]
fn status_says_how_a_run_is_and_what_to_read() {
    let folder = Folder::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (name, topic, _ingest) = deployment(&folder, &port.to_string());
    let status = || folder.run(&["status", "--json"]);
    let away = status().exits(1).json();
    assert_eq!(away["conditions"][0]["runbook"], "docs/runbooks/process-away.md");
    assert!(away["conditions"][0]["what"].as_str().unwrap().contains("does not answer"));
    let run = Run::start(&folder, "cluster.toml", "off");
    let document = until("a checkpoint", || {
        let document = status().json();
        let is_whole = document["checkpoints"]["written"].as_u64() > Some(0)
            && document["refused"].as_u64() > Some(0);
        (is_whole && document["conditions"] == serde_json::json!([])).then_some(document)
    });
    assert_eq!(document["deployment"], *name);
    assert_eq!(document["partitions"].as_array().unwrap().len(), 2);
    let sinks: BTreeSet<&str> =
        document["sinks"].as_array().unwrap().iter().filter_map(|s| s["sink"].as_str()).collect();
    assert!(sinks.contains("kafka") && sinks.contains("sqlite"), "{sinks:?}");
    let screen = folder.run(&["status"]).exits(0).out();
    for word in ["frontier", "held by", "checkpoints", "refused (duplicate", &topic, "sqlite"] {
        assert!(screen.contains(word), "{word} is missing:\n{screen}");
    }
    // Refusals beyond what may be are named, with what to read.
    let _again = ingest(&folder, &topic, &["--data", "again"]);
    until("a condition", || {
        let screen = folder.run(&["status"]).out();
        screen.contains("docs/runbooks/too-many-refused.md").then_some(())
    });
    status().exits(1);
    run.interrupt();
    // The store knows what the process that wrote it cannot tell any more.
    assert!(status().exits(1).json()["checkpoints"]["number"].as_u64() > Some(0));
    folder.file("deaf.toml", "[[source]]\nkind = \"simulator\"\n");
    folder.run(&["status", "--config", "deaf.toml"]).exits(2).says("observe.listen is not set");
}

/// The other process never comes: this one is well, and not ready.
#[test]
fn a_process_that_waits_for_others_is_not_ready() {
    let folder = Folder::new();
    let source =
        "[[source]]\nkind = \"simulator\"\n[observe]\nlisten = \"127.0.0.1:0\"\nlogs = \"json\"\n";
    folder.file("cluster.toml", &format!("{}{source}", two()));
    let mut run = Run::start(&folder, "cluster.toml", "info");
    let address = run.address();
    assert_eq!(get(&address, "/health").0, 200);
    let (code, told) = get(&address, "/ready");
    assert_eq!((code, &told["ok"]), (503, &false.into()));
    assert_eq!(told["conditions"][0]["condition"], "not-started");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let observe = format!("[[source]]\nkind = \"simulator\"\n[observe]\nlisten = \"{address}\"\n");
    folder.file("cluster.toml", &observe);
    let run = ["run"];
    let done: Done = folder.run(&run).exits(1);
    done.says(&format!("observe.listen = \"{address}\": "));
    for (wrong, rule) in [("listen = \"9100\"", "host:port"), ("level = \"loud\"", "error, warn")] {
        let text = format!("[[source]]\nkind = \"simulator\"\n[observe]\n{wrong}\n");
        folder.file("cluster.toml", &text);
        folder.run(&run).exits(2).says(rule);
    }
}

#[test]
fn the_size_of_a_checkpoint_is_that_of_all_parts() {
    let folder = Folder::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "{}checkpoints = {{ every = \"100ms\", to = \"kept\", keep = 1000 }}\n[[source]]\nkind = \"simulator\"\npace = \"200x\"\n\
         simulator = {{ trades = 200000, partitions = 2 }}\n\
         [observe]\nlisten = \"127.0.0.1:{port}\"\nlogs = \"json\"\nlevel = \"info\"\n",
        two()
    );
    folder.file("cluster.toml", &config);
    let process = |number| Run::of(&folder, &["run", "--process", number], "info");
    let (mut first, second) = (process("0"), process("1"));
    let address = first.address();
    let (cut_at, bytes) = until("a checkpoint", || {
        let checkpoints = get(&address, "/status").1["checkpoints"].clone();
        Some((checkpoints["cut_at"].as_str()?.to_owned(), checkpoints["bytes"].as_u64()?))
    });
    first.interrupt();
    drop(second);
    let verified = folder.run(&["checkpoints", "verify", "--json"]).json();
    let list = verified["manifests"].as_array().unwrap();
    let found = list.iter().find(|one| one["time"] == cut_at);
    // What was written once, and is named again, was not written by this one.
    assert_eq!(found.unwrap()["new_bytes"], bytes, "{verified}");
}
