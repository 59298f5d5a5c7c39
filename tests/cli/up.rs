//! `tidemill up`: the processes of this machine as one set.

use super::processes::two;
use super::{Done, Folder, tables};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

/// Starts it, and hands out what it says line by line.
fn start(folder: &Folder, config: &str) -> (Child, BufReader<ChildStderr>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .args(["up", "--config", config])
        .current_dir(&folder.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    (child, said)
}

/// The next line with `word`.
fn hear(said: &mut BufReader<ChildStderr>, word: &str) -> String {
    let mut line = String::new();
    while !line.contains(word) {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended without saying {word}");
    }
    line
}

/// The numbers that the system gave to both processes.
fn pids(said: &mut BufReader<ChildStderr>) -> Vec<u32> {
    let number = |line: String| line.trim().rsplit(' ').next().unwrap().parse().unwrap();
    (0..2).map(|_| number(hear(said, "started, pid"))).collect()
}

fn signal(name: &str, pid: u32) {
    let kill = format!("kill -{name} {pid}");
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn source(trades: u32, more: &str) -> String {
    format!(
        "[[source]]\nkind = \"simulator\"\nsimulator = {{ trades = {trades}, session = \"10min\", partitions = 2 }}\n{more}"
    )
}

#[test]
fn the_set_ends_with_the_code_of_its_processes() {
    let folder = Folder::new();
    folder.file("two.toml", &format!("{}{}", two(), source(5000, "")));
    folder.file("one.toml", &source(5000, ""));
    let up = ["up", "--config", "two.toml", "--", "--data", "two"];
    let done = folder.run(&up).exits(0);
    assert!(done.out().lines().all(|line| line.starts_with("[0] ") || line.starts_with("[1] ")));
    folder.run(&["run", "--config", "one.toml", "--data", "one"]).exits(0);
    assert_eq!(tables(&folder.0, "two"), tables(&folder.0, "one"));
    let wrong = ["up", "--config", "two.toml", "--", "--data", "two", "--workers", "0"];
    assert!(folder.run(&wrong).exits(2).err().contains("[0] tidemill: "));
    let strange = "[cluster]\nprocesses = [\"192.0.2.1:2101\"]\n";
    folder.file("strange.toml", &format!("{strange}{}", source(10, "")));
    folder.run(&["up", "--config", "strange.toml"]).exits(2).says("none of cluster.processes");
}

#[test]
fn a_lost_process_starts_the_set_again_and_a_signal_ends_it() {
    let folder = Folder::new();
    folder.file("cluster.toml", &format!("{}{}", two(), source(100_000, "pace = \"1x\"\n")));
    let (child, mut said) = start(&folder, "cluster.toml");
    let first = pids(&mut said);
    signal("KILL", first[1]);
    hear(&mut said, "process 1 was killed by signal 9; the set starts again in 1 s");
    let second = pids(&mut said);
    assert!(!first.iter().any(|&pid| lives(pid)), "the first set has ended");
    while !folder.0.join("tidemill-data/tidemill.sqlite").exists() {
        std::thread::yield_now();
    }
    signal("TERM", child.id());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut said, &mut rest).unwrap();
    Done(child.wait_with_output().unwrap()).exits(130);
    assert!(!second.iter().any(|&pid| lives(pid)), "no process is left behind");
}
