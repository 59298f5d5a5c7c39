//! A topic of ticks, deployments that read it, and what they committed.

use kafka::trial::{brokers, fresh, settings};
use kafka::{Topics, read_committed};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A generator of chance whose seed is printed.
pub struct Chance(u64);

impl Chance {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// How long a run lives, and with what.
#[derive(Clone, Debug)]
pub struct Life {
    pub processes: usize,
    pub workers: u64,
    pub ms: u64,
}

impl Life {
    pub fn of_chance(chance: &mut Chance) -> Self {
        let (processes, workers) = (1 + chance.below(2) as usize, 1 + chance.below(4));
        Life { processes, workers, ms: 50 + chance.below(1_800) }
    }
}

/// One topic of ticks.
pub struct Lab {
    folder: tempfile::TempDir,
    ticks: String,
    name: String,
    partitions: u32,
    /// More lines of the source.
    source: String,
}

/// Waits for the log at most so often, a tenth of a second each.
const LOOKS_MAX: u32 = 1_800;

/// The records of every output topic, partition by partition.
type Committed = BTreeMap<(String, u32), Vec<(String, String)>>;

impl Lab {
    pub fn new(word: &str, partitions: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = "start = \"earliest\"\n".to_owned();
        Lab { folder, ticks: fresh("ticks"), name: fresh(word), partitions, source }
    }

    /// A lab of which the earlier part of a session of `trades` is history, and the later part, which overlaps
    /// it, is to be streamed.
    pub fn with_history(word: &str, partitions: u32, trades: usize) -> Self {
        let mut lab = Lab::new(word, partitions);
        lab.source = "history = { files = \"early.csv\", order = \"log\" }\n".to_owned();
        let count = trades.to_string();
        let args = ["simulate", "--out", "all.csv", "--symbols", "30", "--trades", &count];
        let flaws = ["--late", "0.02", "--duplicate", "0.002"];
        assert!(lab.tidemill(&[&args[..], &flaws].concat()).status().unwrap().success());
        let text = std::fs::read_to_string(lab.folder.path().join("all.csv")).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let (first, last) = (trades / 20 * 18, trades / 20 * 19);
        let part = |name: &str, lines: &[&str]| {
            let text = format!("{}\n{}\n", text.lines().next().unwrap(), lines.join("\n"));
            std::fs::write(lab.folder.path().join(name), text).unwrap();
        };
        part("early.csv", &lines[1..last]);
        part("late.csv", &lines[first..]);
        lab
    }

    pub fn chance(&self) -> Chance {
        let seed = u64::from(std::process::id());
        println!("seed {seed}");
        Chance(seed)
    }

    fn tidemill(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command.args(args).current_dir(&self.folder).stdout(Stdio::null());
        command
    }

    /// Streams a simulated session into the topic.
    pub fn ingest(&self, trades: u64, rate: f64) -> Child {
        let trades = trades.to_string();
        let mut args = vec!["--simulate", "--trades", &trades, "--symbols", "30"];
        args.extend(["--late", "0.02", "--duplicate", "0.002", "--bad", "0.001"]);
        self.stream(&args, rate)
    }

    /// Streams the later part of a session into the topic.
    pub fn ingest_late(&self, rate: f64) -> Child {
        self.stream(&["late.csv", "--order", "log"], rate)
    }

    fn stream(&self, what: &[&str], rate: f64) -> Child {
        let (rate, partitions, brokers) =
            (rate.to_string(), self.partitions.to_string(), brokers());
        let mut args = vec!["ingest", "--brokers", &brokers, "--topic", &self.ticks];
        args.extend(["--partitions", &partitions, "--rate", &rate]);
        args.extend(what);
        let child = self.tidemill(&args).stderr(self.log("ingest")).spawn().unwrap();
        // The topic is there once it has partitions.
        self.wait_for("the topic", || {
            let topics = Topics::open(&settings()).and_then(|topics| topics.list());
            topics.is_ok_and(|topics| topics.contains_key(&self.ticks))
        });
        child
    }

    pub fn ended(&self, mut ingest: Child) {
        let code = ingest.wait().unwrap().code();
        assert!(matches!(code, Some(0 | 3)), "ingest ended with {code:?}: {}", self.said("ingest"));
    }

    fn log(&self, name: &str) -> Stdio {
        let path = self.folder.path().join(format!("{name}.log"));
        std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap().into()
    }

    fn said(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.folder.path().join(format!("{name}.log")));
        let text = text.unwrap_or_default();
        text.lines().rev().take(20).collect::<Vec<_>>().join("\n")
    }

    fn wait_for(&self, what: &str, mut is_there: impl FnMut() -> bool) {
        for _ in 0..LOOKS_MAX {
            if is_there() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{what} did not come: {}", self.said("run"));
    }

    /// The name of a deployment, and what its topics begin with.
    fn deployment(&self, word: &str) -> String {
        format!("{}-{word}", self.name)
    }

    fn config(&self, word: &str, processes: usize) -> PathBuf {
        let ports: Vec<_> =
            (0..processes).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<String> = match processes {
            1 => Vec::new(),
            _ => ports.iter().map(|port| format!("\"{}\"", port.local_addr().unwrap())).collect(),
        };
        let (brokers, name, ticks) = (brokers(), self.deployment(word), &self.ticks);
        let text = format!(
            "[deployment]\nname = \"{name}\"\ndata = \"{word}\"\n\
             [cluster]\nprocesses = [{}]\ncheckpoints = {{ every = \"100ms\" }}\n\
             [[source]]\nkind = \"kafka\"\nbrokers = \"{brokers}\"\ntopics = [\"{ticks}\"]\n\
             {}\
             [[bars]]\nwidths = [\"1min\", \"5min\", \"1h\"]\n\
             [[indicators]]\nlist = [\"sma(20)\", \"rsi(14)\", \"macd(12,26,9)\"]\n\
             [[sink]]\nkind = \"kafka\"\nbrokers = \"{brokers}\"\npartitions = 2\n\
             topics_prefix = \"{name}-\"\n",
            addresses.join(", "),
            self.source
        );
        let path = self.folder.path().join(format!("{word}-{processes}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    fn start(&self, word: &str, life: &Life) -> Vec<Child> {
        let config = self.config(word, life.processes).display().to_string();
        let workers = life.workers.to_string();
        let start = |process: usize| {
            let process = process.to_string();
            let args = ["run", "--config", &config, "--process", &process, "--workers", &workers];
            self.tidemill(&args).stderr(self.log("run")).spawn().unwrap()
        };
        (0..life.processes).map(start).collect()
    }

    /// A life of the deployment `kills`, which ends by SIGKILL.
    pub fn live(&self, life: &Life, chance: &mut Chance) {
        let mut children = self.start("kills", life);
        std::thread::sleep(Duration::from_millis(life.ms));
        let first = chance.below(children.len() as u64) as usize;
        children[first].kill().unwrap();
        std::thread::sleep(Duration::from_millis(chance.below(30)));
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// How many lives went on from a checkpoint that held something.
    pub fn gone_on(&self, word: &str) -> usize {
        let folder = self.folder.path().join(word).join("checkpoints").join(self.deployment(word));
        let entries = std::fs::read_dir(folder.join("seq")).unwrap();
        let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
        texts.filter_map(|text| generation_of(&text)).max().unwrap_or(0)
    }

    /// Runs a deployment until it committed all that the topic holds, and ends it.
    pub fn finish(&self, word: &str) {
        let last = self.last_epoch();
        let life = Life { processes: 1, workers: 2, ms: 0 };
        let mut children = self.start(word, &life);
        self.wait_for("the last commit", || {
            if let Some(code) = children[0].try_wait().unwrap() {
                panic!("the run ended with {code}: {}", self.said("run"));
            }
            self.mark(word) >= Some(last)
        });
        let interrupt = format!("kill -INT {}", children[0].id());
        assert!(Command::new("sh").args(["-c", &interrupt]).status().unwrap().success());
        children[0].wait().unwrap();
    }

    /// The epoch that the last heartbeat of every partition begins.
    fn last_epoch(&self) -> i64 {
        let last = |partition: u32| {
            let mut last = 0;
            read_committed(&settings(), &self.ticks, partition.cast_signed(), |_, value| {
                let text = String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
                if let Some(ns) = text.strip_prefix("{\"heartbeat\":") {
                    last = ns.trim_end_matches('}').parse().unwrap();
                }
            })
            .unwrap();
            last
        };
        (0..self.partitions).map(last).min().unwrap() / 1_000_000_000
    }

    /// How far a deployment committed.
    fn mark(&self, word: &str) -> Option<i64> {
        let (mut mark, name) = (None, self.deployment(word));
        let read = read_committed(&settings(), "tidemill_sink_progress", 0, |key, value| {
            let [key, value] = [key, value]
                .map(|text| String::from_utf8_lossy(text.unwrap_or_default()).into_owned());
            if key.contains(&name) {
                let value: serde_json::Value = serde_json::from_str(&value).unwrap();
                mark = value["epoch"].as_i64();
            }
        });
        // The topic is made by the first run.
        read.ok().and(mark)
    }

    fn committed(&self, word: &str) -> Committed {
        let prefix = format!("{}-", self.deployment(word));
        let topics = Topics::open(&settings()).unwrap().list().unwrap();
        let mut committed = Committed::new();
        for (topic, found) in topics.iter().filter(|(topic, _)| topic.starts_with(&prefix)) {
            for partition in 0..found.partitions as u32 {
                let name = topic[prefix.len()..].to_owned();
                let list = committed.entry((name, partition)).or_default();
                read_committed(&settings(), topic, partition.cast_signed(), |key, value| {
                    let text = |bytes: Option<&[u8]>| {
                        String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
                    };
                    list.push((text(key), text(value)));
                })
                .unwrap();
            }
        }
        committed
    }

    /// Both committed the same records in the same order.
    pub fn compare(&self, clean: &str, other: &str) {
        let (clean, other) = (self.committed(clean), self.committed(other));
        assert_eq!(clean.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
        let all: usize = clean.values().map(Vec::len).sum();
        assert!(all > 1_000, "{all} records");
        for (place, records) in &clean {
            let others = &other[place];
            let differs = records.iter().zip(others).position(|(a, b)| a != b);
            assert!(
                differs.is_none() && records.len() == others.len(),
                "{place:?}: {} and {} records, they differ at {differs:?}: {:?} {:?}",
                records.len(),
                others.len(),
                differs.map(|at| &records[at]),
                differs.map(|at| &others[at])
            );
        }
    }
}

/// The generation of a manifest that holds something.
fn generation_of(text: &str) -> Option<usize> {
    let value: serde_json::Value = serde_json::from_str(text.split_once(' ')?.1).ok()?;
    let manifest = value.get("manifest")?;
    manifest["epoch"].as_i64()?;
    manifest["generation"].as_u64().map(|generation| generation as usize)
}
