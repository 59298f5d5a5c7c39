//! The command as its users meet it: what it prints, where, and how it exits.

mod check;
mod commands;
mod corrupt;
mod exclude;
mod files;
mod history;
mod ingest;
mod kafka;
mod kills;
mod live;
mod observe;
mod otlp;
mod processes;
mod query;
mod stores;
mod tail;
mod up;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of its own for each test, removed when the test passed.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("tidemill-cli-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs the command in the folder.
    fn run(&self, args: &[&str]) -> Done {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        Done(command.args(args).current_dir(&self.0).output().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

struct Done(Output);

impl Done {
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.0.status.code(), Some(code), "{}\n{}", self.out(), self.err());
        self
    }

    fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    fn err(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    #[track_caller]
    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.0.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.out()))
    }

    /// One line on standard error, after the command's name.
    #[track_caller]
    fn says(self, wanted: &str) -> Self {
        let text = self.err();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.starts_with("tidemill: ") && text.contains(wanted), "{text}");
        assert!(self.out().is_empty(), "{}", self.out());
        self
    }
}

fn counts_add_up(document: &serde_json::Value) {
    let number = |key: &str| document[key].as_u64().unwrap();
    assert_eq!(number("read"), number("used") + number("refused"), "{document}");
    let by_reason = document["refused_by_reason"].as_object().unwrap();
    assert_eq!(by_reason.values().map(|v| v.as_u64().unwrap()).sum::<u64>(), number("refused"));
}

fn tables(folder: &Path, data: &str) -> Vec<String> {
    ["aggregated_data", "technical_indicators", "dead_letters"]
        .map(|table| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
            let sql = format!("SELECT * FROM {table} ORDER BY 1, 2, 3, 4");
            let args = ["query", &sql, "--data", data, "--format", "csv"];
            Done(command.args(args).current_dir(folder).output().unwrap()).exits(0).out()
        })
        .to_vec()
}
