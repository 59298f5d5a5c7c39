//! Runs that are killed at moments of chance and go on with other numbers of workers and processes.

use super::processes::cluster_of;
use super::{Folder, tables};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A generator of chance with a seed that is printed, for moments and numbers of workers.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn start(folder: &Folder, config: &str, workers: u64, process: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .args(["run", "--config", config, "--data", "store", "--process", process])
        .args(["--workers", &workers.to_string()])
        .current_dir(&folder.0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn newest_manifest(folder: &Folder) -> Option<u64> {
    let entries = std::fs::read_dir(folder.0.join("store/checkpoints/tidemill/seq")).ok()?;
    let is_manifest =
        |path: &Path| std::fs::read_to_string(path).is_ok_and(|text| text.contains("\"epoch\":1"));
    let numbers = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        is_manifest(&path).then(|| path.file_name()?.to_str()?.parse().ok())?
    });
    numbers.max()
}

/// The past of the tables: every value that is not valid any more, and every row that was removed.
fn past(folder: &Folder, data: &str) -> [String; 2] {
    ["aggregated_data_revisions", "technical_indicators_revisions"].map(|table| {
        let sql = format!("SELECT * FROM {table} ORDER BY 1, 2, 3, 4, 5");
        folder.run(&["query", &sql, "--data", data, "--format", "csv"]).exits(0).out()
    })
}

/// How many rows of the past of bars satisfy a condition.
fn count_past(folder: &Folder, condition: &str) -> u64 {
    let sql = format!("SELECT count(*) AS n FROM aggregated_data_revisions WHERE {condition}");
    folder.run(&["query", &sql, "--data", "clean", "--json"]).exits(0).json()[0]["n"]
        .as_u64()
        .unwrap()
}

/// The files below a folder and what they hold.
fn files_in(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(folder).unwrap().to_owned();
                    files.insert(name, std::fs::read(path).unwrap());
                }
            }
        }
    }
    files
}

#[test]
fn a_run_that_is_killed_goes_on_and_loses_and_doubles_nothing() {
    const SOURCE: &str = "[[source]]\nkind = \"simulator\"\n\
        simulator = { trades = 50000, symbols = 40, partitions = 3, late = 0.5, duplicate = 0.004, bad = 0.001, \
        cancel = 0.1, replace = 0.05 }\n";
    const SERIES: &str = "[[bars]]\nwidths = [\"20s\", \"5min\", \"1h\"]\n\
        [[indicators]]\nlist = [\"sma(20)\", \"rsi(14)\", \"macd(12,26,9)\"]\n\
        [[sink]]\nkind = \"sqlite\"\n[[sink]]\nkind = \"parquet\"\n";
    const KEPT: &str = "checkpoints = { every = \"50ms\" }\n";
    let folder = Folder::new();
    let live = |cluster: &str| format!("{cluster}{KEPT}{SOURCE}pace = \"4000x\"\n{SERIES}");
    folder.file("1.toml", &live("[cluster]\n"));
    folder.file("2.toml", &live(&cluster_of(2)));
    folder.file("3.toml", &live(&cluster_of(3)));
    folder.file("last.toml", &format!("[cluster]\n{KEPT}{SOURCE}{SERIES}"));
    folder.file("clean.toml", &format!("{SOURCE}{SERIES}"));
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut chance = Chance(seed);
    let mut gone_on = 0;
    for life in 0..10 {
        let before = newest_manifest(&folder);
        gone_on += u32::from(before.is_some());
        let (workers, processes) = (1 + chance.below(4), [1, 2, 1, 3][life % 4]);
        let config = format!("{processes}.toml");
        let start = |process: usize| start(&folder, &config, workers, &process.to_string());
        let mut children: Vec<Child> = (0..processes).map(start).collect();
        // The first is killed before there is a manifest, if chance has it so.
        std::thread::sleep(Duration::from_millis(20 + chance.below(900)));
        let first = chance.below(children.len() as u64) as usize;
        children[first].kill().unwrap();
        std::thread::sleep(Duration::from_millis(chance.below(50)));
        for mut child in children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    assert!(gone_on > 2, "{gone_on} runs went on from a checkpoint");
    folder.run(&["run", "--config", "last.toml", "--data", "store"]).exits(0);
    folder.run(&["run", "--config", "clean.toml", "--data", "clean"]).exits(0);
    assert!(tables(&folder.0, "store") == tables(&folder.0, "clean"));
    assert!(past(&folder, "store") == past(&folder, "clean"));
    let letters =
        |store: &str| std::fs::read(folder.0.join(store).join("dead_letters.jsonl")).unwrap();
    assert!(letters("store") == letters("clean"));
    // Folded: one file a table and date.
    let parquet = |store: &str| files_in(&folder.0.join(store).join("parquet"));
    let (killed, clean) = (parquet("store"), parquet("clean"));
    assert_eq!(killed.keys().collect::<Vec<_>>(), clean.keys().collect::<Vec<_>>());
    assert!(clean.len() == 2 && killed == clean);
    let [removed, returned] = ["deleted = 1", "deleted = 1 AND known_until IS NOT NULL"]
        .map(|condition| count_past(&folder, condition));
    assert!(removed > 50 && returned > 0, "{removed} removed, {returned} returned");
}

#[test]
fn checkpoints_of_something_else_are_refused_and_replaced_when_asked_to() {
    let folder = Folder::new();
    let config = |trades: u32, lateness: &str| {
        format!(
            "[cluster]\ncheckpoints = {{ every = \"50ms\", to = \"kept\" }}\n[[source]]\n\
             kind = \"simulator\"\nlateness = \"{lateness}\"\nsimulator = {{ trades = {trades} }}\n"
        )
    };
    folder.file("a.toml", &config(5000, "2s"));
    folder.file("b.toml", &config(5000, "3s"));
    folder.run(&["run", "--config", "a.toml", "--data", "a"]).exits(0);
    let list = folder.run(&["checkpoints", "list", "--config", "a.toml", "--json"]).exits(0);
    assert_eq!(list.json()["entries"][0]["kind"], "claim");
    let verified = folder.run(&["checkpoints", "verify", "--config", "a.toml"]).exits(0).out();
    assert!(verified.contains("cut at the beginning, 0 bytes: whole"), "{verified}");
    let other = folder.run(&["run", "--config", "b.toml", "--data", "b"]).exits(2);
    other.says("kept: the checkpoints there were made with source.lateness = 2s, not 3s");
    folder.run(&["run", "--config", "b.toml", "--data", "b", "--replace"]).exits(0);
    folder.run(&["run", "--config", "b.toml", "--data", "b"]).exits(0);
}

#[test]
fn entries_of_another_format_are_listed_beside_the_others() {
    let folder = Folder::new();
    let source = "[[source]]\nkind = \"simulator\"\nsimulator = { trades = 5000 }\n";
    let kept = "[cluster]\ncheckpoints = { every = \"50ms\", to = \"kept\" }\n";
    folder.file("cluster.toml", &format!("{kept}{source}"));
    folder.run(&["run"]).exits(0);
    // As a program before this one began its entries, and half of one.
    let body = "{\"claim\":{\"format\":1,\"generation\":1,\"writers\":[]}}";
    let sum = body.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let sequence = folder.0.join("kept/tidemill/seq");
    std::fs::write(sequence.join(format!("{:020}", 90)), format!("{sum:016x} {body}\n")).unwrap();
    std::fs::write(sequence.join(format!("{:020}", 91)), &body[..20]).unwrap();
    let listed = folder.run(&["checkpoints", "list", "--json"]).exits(0).json();
    let all = listed["entries"].as_array().unwrap();
    assert_eq!(all[0]["kind"], "claim");
    let [.., old, half] = &all[..] else { panic!("{listed}") };
    assert_eq!((&old["kind"], &old["format"]), (&"other format".into(), &1.into()));
    assert_eq!((&half["kind"], &half["number"]), (&"not whole".into(), &91.into()));
    let shown = folder.run(&["checkpoints", "list"]).exits(0).out();
    assert!(shown.contains("manifest") && shown.contains("of format 1"), "{shown}");
    let verified = folder.run(&["checkpoints", "verify"]).exits(0).out();
    assert!(verified.contains("2 entries are half written or of another format"), "{verified}");
    folder.run(&["run"]).exits(1).says("number 90 of the checkpoints is of format 1");
}
