//! A topic of ticks, deployments that read it, and what they committed.

use crate::folder::Folder;
use crate::life::{Chance, Life, kill, signal};
use kafka::trial::{brokers, fresh};
use kafka::{Producer, Record, Settings, Topics, read_committed};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// One topic of ticks, and the deployments that read it.
pub struct Lab {
    pub folder: Folder,
    pub ticks: String,
    name: String,
    pub partitions: u32,
    /// Which topics are read, and where they are.
    topics: String,
    pub source: String,
    /// Where the rows go.
    pub sink: String,
    /// More keys of the source and of the sink.
    pub source_keys: String,
    pub sink_keys: String,
    /// Where checkpoints lie, if not in the store.
    pub checkpoints: Option<String>,
    beats: Cell<i64>,
}

/// Seconds of the widest bars.
const HOUR: i64 = 3_600;

/// Waits for the log at most so often, a tenth of a second each.
const LOOKS_MAX: u32 = 1_800;

/// Waits for a checkpoint at most so often, and moves the log on whenever so many were in vain.
const CHECKPOINT_LOOKS_MAX: u32 = 600;
const BEAT_LOOKS: u32 = 30;

impl Lab {
    pub fn new(word: &str, partitions: u32) -> Self {
        let folder = Folder::new();
        let ticks = fresh("ticks");
        Lab {
            folder,
            topics: ticks.clone(),
            ticks,
            name: fresh(word),
            partitions,
            source: brokers(),
            sink: brokers(),
            source_keys: String::new(),
            sink_keys: String::new(),
            checkpoints: None,
            beats: Cell::new(0),
        }
    }

    /// The document that a command prints.
    pub fn told(&self, args: &[&str]) -> serde_json::Value {
        let done = self.tidemill(args).stdout(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// Reads all topics whose names begin as that of the lab, and more keys of the source.
    #[must_use]
    pub fn reading(self, more: &str) -> Self {
        let topics = format!("^{}", self.ticks);
        let source_keys = format!("control = \"{}\"\n{more}", self.control());
        Lab { topics, source_keys, ..self }
    }

    /// The name of the topic, and what others that it reads begin with.
    pub fn ticks(&self) -> &str {
        &self.ticks
    }

    /// The control topic of a lab that reads several topics.
    pub fn control(&self) -> String {
        format!("{}-control", self.name)
    }

    pub fn chance(&self) -> Chance {
        let seed = number("TIDEMILL_SEED", u64::from(std::process::id()));
        println!("seed {seed}");
        Chance::of(seed)
    }

    pub fn tidemill(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command.args(args).current_dir(self.folder.path()).stdout(Stdio::null());
        command
    }

    /// Streams a simulated session into the topic.
    pub fn ingest(&self, trades: u64, rate: f64) -> Child {
        self.ingest_into(&self.ticks, self.partitions, trades, rate, &[])
    }

    /// Streams a simulated session into a topic of so many partitions.
    pub fn ingest_into(
        &self,
        topic: &str,
        partitions: u32,
        trades: u64,
        rate: f64,
        more: &[&str],
    ) -> Child {
        let trades = trades.to_string();
        let mut args = vec!["--simulate", "--trades", &trades, "--symbols", "30"];
        args.extend(["--late", "0.02", "--duplicate", "0.002", "--bad", "0.001"]);
        args.extend(more);
        self.stream(topic, partitions, rate, &args)
    }

    /// Streams into a topic of so many partitions, which is there when it returns.
    pub fn stream(&self, topic: &str, partitions: u32, rate: f64, what: &[&str]) -> Child {
        let (rate, partitions) = (rate.to_string(), partitions.to_string());
        let mut args = vec!["ingest", "--brokers", &self.source, "--topic", topic];
        let data = format!("ingest-{topic}");
        args.extend(["--partitions", &partitions, "--rate", &rate, "--data", &data]);
        args.extend(what);
        let child = self.tidemill(&args).stderr(self.log("ingest")).spawn().unwrap();
        // The topic is there once it has partitions.
        self.wait_for("the topic", || {
            let topics = Topics::open(&at(&self.source)).and_then(|topics| topics.list());
            topics.is_ok_and(|topics| topics.contains_key(topic))
        });
        child
    }

    pub fn ended(&self, mut ingest: Child) {
        let code = ingest.wait().unwrap().code();
        assert!(matches!(code, Some(0 | 3)), "ingest ended with {code:?}: {}", self.said("ingest"));
        // A mark goes with rows: the last are those of the hour that the last trade is in.
        let ns = (self.last_epoch() + HOUR + 60) * 1_000_000_000;
        self.tell(&format!("{{\"heartbeat\":{ns}}}"));
    }

    /// Moves the log on by a second. The space keeps this from being taken for what trades told.
    fn beat(&self) {
        self.beats.set(self.beats.get() + 1);
        let ns = self.told_ns().max().unwrap() + self.beats.get() * 1_000_000_000;
        self.tell(&format!("{{\"heartbeat\": {ns}}}"));
    }

    /// Writes into every partition.
    fn tell(&self, value: &str) {
        let mut producer = Producer::open(&at(&self.source), 0).unwrap();
        for partition in 0..self.partitions {
            let (topic, partition) = (self.ticks.as_str(), Some(partition.cast_signed()));
            let value = Some(value.as_bytes());
            let (key, headers, timestamp_ms) = (None, None, None);
            producer.send(&Record { topic, partition, key, value, headers, timestamp_ms }).unwrap();
        }
        assert!(producer.flush(Duration::from_secs(60)).unwrap());
    }

    fn log(&self, name: &str) -> Stdio {
        let path = self.folder.path().join(format!("{name}.log"));
        std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap().into()
    }

    pub fn said(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.folder.path().join(format!("{name}.log")));
        let text = text.unwrap_or_default();
        text.lines().rev().take(20).collect::<Vec<_>>().join("\n")
    }

    #[track_caller]
    pub fn wait_for(&self, what: &str, mut is_there: impl FnMut() -> bool) {
        for _ in 0..LOOKS_MAX {
            if is_there() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{what} did not come");
    }

    /// The name of a deployment, and what its topics begin with.
    pub fn deployment(&self, word: &str) -> String {
        format!("{}-{word}", self.name)
    }

    pub fn config(&self, word: &str, processes: usize) -> PathBuf {
        let ports: Vec<_> =
            (0..processes).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<String> = match processes {
            1 => Vec::new(),
            _ => ports.iter().map(|port| format!("\"{}\"", port.local_addr().unwrap())).collect(),
        };
        let (name, topics) = (self.deployment(word), &self.topics);
        let to = self.checkpoints.as_ref().map(|to| format!(", to = \"{to}\""));
        let to = to.unwrap_or_default();
        let Lab { source, sink, source_keys, sink_keys, .. } = self;
        let text = format!(
            "[deployment]\nname = \"{name}\"\ndata = \"{word}\"\n\
             [cluster]\nprocesses = [{}]\ncheckpoints = {{ every = \"100ms\"{to} }}\n\
             [[source]]\nkind = \"kafka\"\nbrokers = \"{source}\"\ntopics = [\"{topics}\"]\n\
             start = \"earliest\"\n{source_keys}\n\
             [[bars]]\nwidths = [\"1min\", \"5min\", \"1h\"]\n\
             [[indicators]]\nlist = [\"sma(20)\", \"rsi(14)\", \"macd(12,26,9)\"]\n\
             [[sink]]\nkind = \"kafka\"\nbrokers = \"{sink}\"\npartitions = 2\n\
             topics_prefix = \"{name}-\"\n{sink_keys}\n",
            addresses.join(", ")
        );
        let path = self.folder.path().join(format!("{word}-{processes}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn start(&self, word: &str, life: &Life) -> Vec<Child> {
        self.start_in(word, word, life)
    }

    /// Starts the processes of a deployment with a store of that name.
    pub fn start_in(&self, word: &str, data: &str, life: &Life) -> Vec<Child> {
        let config = self.config(word, life.processes).display().to_string();
        let workers = life.workers.to_string();
        let start = |process: usize| {
            let process = process.to_string();
            let args = ["run", "--config", &config, "--process", &process, "--workers", &workers];
            let args = [&args[..], &["--data", data]].concat();
            self.tidemill(&args).stderr(self.log(data)).spawn().unwrap()
        };
        (0..life.processes).map(start).collect()
    }

    /// Starts a deployment under a supervisor.
    pub fn supervise(&self, word: &str) -> Child {
        let config = self.config(word, 1).display().to_string();
        self.tidemill(&["up", "--config", &config]).stderr(self.log(word)).spawn().unwrap()
    }

    /// The process that the supervisor of a deployment started last.
    pub fn started(&self, word: &str) -> u32 {
        let text = std::fs::read_to_string(self.folder.path().join(format!("{word}.log"))).unwrap();
        let line = text.lines().rev().find_map(|line| line.split_once("started, pid "));
        line.unwrap().1.parse().unwrap()
    }

    /// A life of the deployment `kills`, which ends by SIGKILL.
    pub fn live(&self, life: &Life, chance: &mut Chance) {
        self.live_as("kills", life, chance);
    }

    /// A life of a deployment, which ends by SIGKILL.
    pub fn live_as(&self, word: &str, life: &Life, chance: &mut Chance) {
        let before = self.generations(word).max();
        let children = self.start(word, life);
        for look in 1..=CHECKPOINT_LOOKS_MAX {
            if !life.is_kept || self.kept_in(word).max() > before {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
            // On a log that stands still none is cut.
            if look % BEAT_LOOKS == 0 {
                self.beat();
            }
        }
        std::thread::sleep(Duration::from_millis(life.ms));
        kill(children, chance);
    }

    /// The store of the checkpoints of a deployment.
    pub fn kept(&self, word: &str) -> PathBuf {
        let folder = self.folder.path();
        let to = self.checkpoints.as_ref().map(|to| folder.join(to));
        to.unwrap_or_else(|| folder.join(word).join("checkpoints")).join(self.deployment(word))
    }

    /// Whether a deployment has settled which partitions it begins with.
    pub fn has_begun(&self, word: &str) -> bool {
        self.entries(word).any(|entry| entry["manifest"].is_object())
    }

    /// What stands in the sequence of a deployment's checkpoints and is whole.
    fn entries(&self, word: &str) -> impl Iterator<Item = serde_json::Value> {
        let entries = std::fs::read_dir(self.kept(word).join("seq")).into_iter().flatten();
        let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
        texts.filter_map(|text| serde_json::from_str(text.split_once(' ')?.1).ok())
    }

    /// The generations of claims.
    fn generations(&self, word: &str) -> impl Iterator<Item = u64> {
        self.entries(word).filter_map(|entry| entry["claim"]["generation"].as_u64())
    }

    /// The generations of checkpoints that hold something.
    fn kept_in(&self, word: &str) -> impl Iterator<Item = u64> {
        let held = self.entries(word).filter(|entry| entry["manifest"]["epoch"].is_i64());
        held.filter_map(|entry| entry["manifest"]["generation"].as_u64())
    }

    /// The last of the lives that came to a checkpoint that held something.
    pub fn gone_on(&self, word: &str) -> u64 {
        self.kept_in(word).max().unwrap_or(0)
    }

    /// The log ends; what a deployment that was killed commits in the end is what a run commits that nothing
    /// stopped.
    pub fn ends_like_a_clean_one(&self, ingest: Child) {
        self.ended(ingest);
        self.finish("kills");
        self.finish("clean");
        self.compare("clean", "kills");
    }

    /// Runs a deployment until it committed all that the topic holds, and ends it.
    pub fn finish(&self, word: &str) {
        self.finish_as(word, &Life::of(1, 2), self.last_epoch());
    }

    /// Runs a deployment until it committed all before an epoch, and ends it.
    pub fn finish_as(&self, word: &str, life: &Life, last: i64) {
        self.finish_when(word, life, || Some(last));
    }

    /// Runs a deployment until it committed all before an epoch, which may be known later only, and ends it.
    pub fn finish_when(&self, word: &str, life: &Life, last: impl Fn() -> Option<i64>) {
        let mut children = self.start(word, life);
        self.wait_for("the last commit", || {
            if let Some(code) = children[0].try_wait().unwrap() {
                panic!("the run ended with {code}: {}", self.said(word));
            }
            last().is_some_and(|last| self.mark(word) >= Some(last))
        });
        signal("INT", children[0].id());
        children[0].wait().unwrap();
        for child in &mut children[1..] {
            // One may have ended by itself when the first was gone.
            let _gone = child.kill();
            child.wait().unwrap();
        }
    }

    /// Replays the topics, as far as they go now, with the sinks of a deployment of their own.
    pub fn replay(&self, word: &str, workers: u64) {
        let config = self.config(word, 1).display().to_string();
        let (workers, topics) = (workers.to_string(), format!("^{}", self.ticks));
        let args = ["replay", "--topic", &topics, "--config", &config, "--workers", &workers];
        let status = self.tidemill(&args).stderr(self.log("run")).status().unwrap();
        assert!(matches!(status.code(), Some(0 | 3)), "{status}: {}", self.said("run"));
    }

    /// The epoch of the latest time that stands in partitions of topics, but for what lies a day ahead of the rest.
    pub fn latest_epoch(&self, topics: &[(&str, u32)]) -> i64 {
        let (mut latest, day_ns) = (0, 86_400_000_000_000);
        for (topic, partitions) in topics {
            for partition in 0..*partitions {
                read_committed(&at(&self.source), topic, partition, |_, value| {
                    let value = serde_json::from_slice(value.unwrap_or_default());
                    let value: serde_json::Value = value.unwrap_or_default();
                    let ns = value["ts_event"].as_i64().unwrap_or(0);
                    if latest == 0 || ns < latest + day_ns {
                        latest = latest.max(ns);
                    }
                })
                .unwrap();
            }
        }
        latest / 1_000_000_000
    }

    /// The epoch that begins with the last full hour that every partition has told.
    pub fn last_epoch(&self) -> i64 {
        self.told_ns().min().unwrap() / 1_000_000_000 / HOUR * HOUR
    }

    /// The times that partitions told last.
    fn told_ns(&self) -> impl Iterator<Item = i64> {
        (0..self.partitions).map(|partition| {
            let mut last = 0;
            read_committed(&at(&self.source), &self.ticks, partition, |_, value| {
                let text = String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
                if let Some(ns) = text.strip_prefix("{\"heartbeat\":") {
                    last = ns.trim_end_matches('}').parse().unwrap_or(last);
                }
            })
            .unwrap();
            last
        })
    }
}

/// Settings for these brokers.
pub fn at(brokers: &str) -> Settings {
    Settings::new(brokers, BTreeMap::new()).unwrap()
}

/// A number that the environment may give, for runs that last longer.
pub fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}
