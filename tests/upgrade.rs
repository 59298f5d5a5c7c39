//! UPGRADING.md, followed: its commands are run as they stand there, against a real broker, while trades come; then
//! what the upgraded deployment wrote is compared with what one wrote that had its configuration from the start.

use kafka::trial::{brokers, fresh, settings};
use kafka::{TopicPlan, Topics, read_committed};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// Looks at most, a tenth of a second each.
const LOOKS_MAX: u32 = 600;
/// Seconds before the end of a part up to which its bars have surely closed: the newest is open, and marks move with rows.
const SLACK: i64 = 180;
/// Parts of the session: start, length, end.
const PARTS: [(&str, &str, i64); 3] = [
    ("2024-01-02T14:30:00Z", "165min", 1_704_215_700),
    ("2024-01-02T17:15:00Z", "30min", 1_704_217_500),
    ("2024-01-02T17:45:00Z", "195min", 1_704_229_200),
];

/// The commands of a section, line by line.
fn commands(title: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("UPGRADING.md")).unwrap();
    let (_, section) = text.split_once(&format!("\n## {title}\n")).expect("such a section");
    let (_, block) = section.split_once("```sh\n").expect("a block of commands");
    block.split("```").next().unwrap().lines().map(str::to_owned).collect()
}

/// A topic, and deployments that read it.
struct Lab {
    folder: tempfile::TempDir,
    ticks: String,
    name: String,
    /// The runs that go on, by the file of their configuration.
    runs: Vec<(String, Child)>,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (name, config) = (fresh("ticks"), Vec::new());
        let plan = TopicPlan { name: name.clone(), partitions: 2, replication: -1, config };
        Topics::open(&settings()).unwrap().ensure(&[plan]).unwrap();
        Lab { folder, ticks: name, name: fresh("up"), runs: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration of a deployment.
    fn config(&self, file: &str, word: &str, source: &str, rest: &str) {
        let (brokers, name, ticks) = (brokers(), format!("{}-{word}", self.name), &self.ticks);
        let text = format!(
            "[deployment]\nname = \"{name}\"\ndata = \"{word}\"\n\
             [cluster]\nworkers = 2\ncheckpoints = {{ every = \"100ms\", to = \"{word}-checkpoints\" }}\n\
             [[source]]\nkind = \"kafka\"\nbrokers = \"{brokers}\"\ntopics = [\"{ticks}\"]\n{source}\n\
             [[sink]]\nkind = \"sqlite\"\n\
             [[sink]]\nkind = \"parquet\"\n\
             [[sink]]\nkind = \"kafka\"\nbrokers = \"{brokers}\"\npartitions = 2\n\
             topics_prefix = \"{name}-\"\n{rest}"
        );
        std::fs::write(self.path(file), text).unwrap();
    }

    fn tidemill(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command.args(args).current_dir(&self.folder);
        command
    }

    #[track_caller]
    fn run(&self, args: &[&str], code: i32) -> Output {
        let done = self.tidemill(args).output().unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (said(&done.stdout), said(&done.stderr));
        assert_eq!(done.status.code(), Some(code), "{args:?}: {out}{err}");
        done
    }

    /// Writes a part of the session into the topic.
    fn ingest(&self, part: usize) {
        let (start, session, _) = PARTS[part];
        let (brokers, seed) = (brokers(), part.to_string());
        let args = ["ingest", "--simulate", "--brokers", &brokers, "--topic", &self.ticks];
        let more = [
            "--partitions",
            "2",
            "--trades",
            "8000",
            "--symbols",
            "8",
            "--seed",
            &seed,
            "--rate",
            "3000",
        ];
        let last =
            ["--start", start, "--session", session, "--late", "0.02", "--duplicate", "0.01"];
        self.run(&[&args[..], &more, &last].concat(), 0);
    }

    fn start(&mut self, file: &str) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log"));
        let mut command = self.tidemill(&["run", "--config", file]);
        command.stdout(Stdio::null()).stderr(log.unwrap());
        self.runs.push((file.to_owned(), command.spawn().unwrap()));
    }

    fn stop(&mut self, file: &str) {
        let at = self.runs.iter().position(|(run, _)| run == file).expect("a run");
        let (_, mut run) = self.runs.remove(at);
        let interrupt = format!("kill -INT {}", run.id());
        assert!(Command::new("sh").args(["-c", &interrupt]).status().unwrap().success());
        assert_eq!(run.wait().unwrap().code(), Some(130), "{}", self.said());
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits until a deployment committed all before the end of a part.
    fn wait(&mut self, word: &str, part: usize) {
        let (name, end) = (format!("\"{}-{word}\"", self.name), PARTS[part].2);
        for _ in 0..LOOKS_MAX {
            let mut mark = i64::MIN;
            let read = read_committed(&settings(), "tidemill_sink_progress", 0, |key, value| {
                let key = String::from_utf8_lossy(key.unwrap_or_default());
                let value: Value = serde_json::from_slice(value.unwrap_or_default()).unwrap();
                if key.contains(&name) {
                    mark = mark.max(value["epoch"].as_i64().unwrap());
                    assert!(value["generation"].as_u64() > Some(0), "{value}");
                }
            });
            if read.is_ok() && mark >= end - SLACK {
                return;
            }
            for (file, run) in &mut self.runs {
                let ended = run.try_wait().unwrap();
                assert_eq!(
                    ended,
                    None,
                    "{file}: {}",
                    std::fs::read_to_string(self.folder.path().join("log")).unwrap()
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{word} did not come to {end}: {}", self.said());
    }

    /// Whether there is a checkpoint that holds something. The last one waits for the log to go on.
    fn is_checkpointed(&self, word: &str) -> bool {
        let folder =
            self.path(&format!("{word}-checkpoints")).join(format!("{}-{word}", self.name));
        let Ok(entries) = std::fs::read_dir(folder.join("seq")) else { return false };
        let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
        let epoch = |text: String| {
            let entry: Value = serde_json::from_str(text.split_once(' ')?.1).ok()?;
            entry["manifest"]["epoch"].as_i64()
        };
        texts.filter_map(epoch).next().is_some()
    }

    /// Starts the deployment and has it come to a checkpoint: one waits for the log to go on, which it does.
    fn begin(&mut self) {
        self.start("cluster.toml");
        for part in 0..2 {
            self.ingest(part);
            self.wait("cluster", part);
        }
        for _ in 0..LOOKS_MAX {
            if self.is_checkpointed("cluster") {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("no checkpoint came: {}", self.said());
    }

    /// Does what a section says; what `tidemill` printed.
    fn follow(&mut self, title: &str) -> Vec<String> {
        let mut printed = Vec::new();
        for line in commands(title) {
            match &line.split(' ').collect::<Vec<_>>()[..] {
                ["systemctl", "stop", "tidemill"] => self.stop("cluster.toml"),
                ["systemctl", "start", "tidemill"] => self.start("cluster.toml"),
                ["tidemill", "run", "--config", file, "&"] => {
                    self.start(file);
                    self.wait(file.trim_end_matches(".toml"), 2);
                }
                ["tidemill", args @ ..] => {
                    let done = self.run(args, 0);
                    printed.push(String::from_utf8(done.stdout).unwrap());
                }
                _ => {
                    let mut sh = Command::new("sh");
                    let done = sh.args(["-c", &line]).current_dir(&self.folder).status();
                    assert!(done.unwrap().success(), "{line}");
                }
            }
        }
        printed
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for (_, run) in &mut self.runs {
            let _ = run.kill();
            let _ = run.wait();
        }
    }
}

const EARLIEST: &str = "start = \"earliest\"";
const BARS: &str = "[[bars]]\nwidths = [\"1min\", \"5min\"]\n";

#[test]
fn the_document_is_followed() {
    let mut lab = Lab::new();
    let before = "[[indicators]]\nwidths = [\"1min\"]\nlist = [\"sma(20)\", \"obv\"]\n";
    let after = "[[indicators]]\nwidths = [\"1min\"]\nlist = [\"ema(12)\", \"sma(20)\", \"rsi(14)\"]\n\
                 [[indicators]]\nwidths = [\"5min\"]\nlist = [\"macd(12,26,9)\"]\n";
    lab.config("cluster.toml", "cluster", EARLIEST, &format!("{BARS}{before}"));
    lab.config("next.toml", "cluster", EARLIEST, &format!("{BARS}{after}"));
    lab.config("green.toml", "green", EARLIEST, &format!("{BARS}{after}"));
    lab.begin();
    let printed = lab.follow("Stop, upgrade, restore");
    for added in ["ema(12) on 1min", "rsi(14) on 1min", "macd(12,26,9) on 5min"] {
        assert!(printed[0].contains(&format!("added: {added}")), "{}", printed[0]);
    }
    assert!(printed[0].contains("as if they had been there from the start"), "{}", printed[0]);
    assert!(printed[0].contains("removed: obv on 1min"), "{}", printed[0]);
    // Another deployment begins here, with the bars of this one's store behind it.
    let time = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%S.%NZ"]).output().unwrap();
    let time = String::from_utf8(time.stdout).unwrap();
    let history = format!("start = \"{}\"\nhistory = {{ store = \"cluster\" }}", time.trim());
    lab.config("late.toml", "late", &history, &format!("{BARS}{after}"));
    std::thread::sleep(Duration::from_millis(10));
    lab.ingest(2);
    lab.wait("cluster", 2);
    let printed = lab.follow("Side by side, compared, switched");
    assert!(
        printed[1].contains("technical_indicators") && !printed[1].contains("differ"),
        "{}",
        printed[1]
    );
    // Rows of before the upgrade have what they had, and nothing of what was added.
    let from_first = ["diff", "--config", "cluster.toml", "--config", "green.toml", "--json"];
    let found: Value = serde_json::from_slice(&lab.run(&from_first, 1).stdout).unwrap();
    let differs = |table: &str| {
        let found = found["tables"].as_array().unwrap().iter().find(|f| f["table"] == table);
        found.unwrap_or_else(|| panic!("{table}")).clone()
    };
    assert_eq!(differs("aggregated_data_1min")["same"], true);
    let indicators = differs("technical_indicators");
    assert_eq!(indicators["differing"], 0, "{indicators}");
    assert!(indicators["only"][1].as_u64() > Some(0), "{indicators}");
    lab.stop("green.toml");
    stores_agree(&lab);
    lab.start("late.toml");
    lab.wait("late", 2);
    let (one, other) = ("green.toml", "late.toml");
    let from = ["diff", "--config", one, "--config", other, "--from", "2024-01-02T17:45:00Z"];
    lab.run(&from, 0);
}

/// The stores of both deployments, in SQLite and in Parquet.
fn stores_agree(lab: &Lab) {
    let range = ["--from", "2024-01-02T18:00:00Z", "--to", "2024-01-02T20:30:00Z"];
    lab.run(&[&["diff", "cluster", "green"][..], &range].concat(), 0);
    for word in ["cluster", "green"] {
        std::fs::create_dir(lab.path(&format!("{word}-files"))).unwrap();
        let to = lab.path(&format!("{word}-files")).join("parquet");
        std::fs::rename(lab.path(word).join("parquet"), to).unwrap();
    }
    lab.run(&[&["diff", "cluster-files", "green-files"][..], &range].concat(), 0);
    let sql = "SELECT count(*) AS n, count(ema_12) AS ema, count(obv) AS obv FROM technical_indicators \
               WHERE width = '1min' AND ts_open < 1704217500000000000";
    let done = lab.run(&["query", sql, "--data", "cluster", "--json"], 0);
    let counts: Value = serde_json::from_slice(&done.stdout).unwrap();
    let counts = &counts[0];
    assert!(counts["n"].as_i64() > Some(1_000), "{counts}");
    // The rows of the last minutes before the upgrade are closed after it.
    assert!(counts["ema"].as_i64() < Some(100) && counts["obv"].as_i64() > Some(900), "{counts}");
}

#[test]
fn what_cannot_change_is_refused_line_by_line() {
    let mut lab = Lab::new();
    lab.config("cluster.toml", "cluster", EARLIEST, BARS);
    lab.begin();
    lab.stop("cluster.toml");
    let late = format!("{EARLIEST}\nlateness = \"3s\"");
    lab.config("other.toml", "cluster", &late, "[[bars]]\nwidths = [\"1min\"]\n");
    let done = lab.run(&["run", "--config", "other.toml"], 2);
    let said = String::from_utf8(done.stderr).unwrap();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("were made with")).collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(said.contains("source.lateness = 2s, not 3s; give --replace"), "{said}");
    assert!(said.contains("bars.widths = 1min, 5min, not 1min; give --replace"), "{said}");
    let done = lab.run(&["check", "--config", "other.toml"], 2);
    assert_eq!(String::from_utf8(done.stdout).unwrap().matches("refused: ").count(), 2);
    // A store that is gone beside its checkpoints.
    std::fs::remove_dir_all(lab.path("cluster")).unwrap();
    let done = lab.run(&["run", "--config", "cluster.toml"], 2);
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("holds no store, but the checkpoints at cluster-checkpoints"), "{said}");
    // Checkpoints of another format.
    let sequence =
        lab.path("cluster-checkpoints").join(format!("{}-cluster", lab.name)).join("seq");
    let body = "{\"claim\":{\"format\":1,\"generation\":9,\"writers\":[]}}";
    let entry = format!("{:016x} {body}\n", checksum(body.as_bytes()));
    std::fs::write(sequence.join("00000000000000099999"), entry).unwrap();
    let done = lab.run(&["run", "--config", "cluster.toml"], 1);
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("is of format 1, this program reads 4"), "{said}");
}

/// As entries of the sequence begin.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}
