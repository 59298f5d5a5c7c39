//! `tidemill up`: the processes of this machine as one set.

use super::processes::two;
use super::{Done, Folder, tables};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

/// Looks whether a process has ended, a hundredth of a second each, at most.
const LOOKS_MAX: u32 = 3_000;

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
    hear(&mut said, "process 1 was killed by signal 9; the set starts again in 0.1 s");
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

/// Waits until a process is gone.
fn await_end(pid: u32) {
    for _ in 0..LOOKS_MAX {
        if !lives(pid) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("process {pid} lives on");
}

#[test]
fn a_supervisor_that_is_killed_leaves_no_process_behind() {
    let folder = Folder::new();
    folder.file("cluster.toml", &format!("{}{}", two(), source(100_000, "pace = \"1x\"\n")));
    let (mut child, mut said) = start(&folder, "cluster.toml");
    let set = pids(&mut said);
    child.kill().unwrap();
    child.wait().unwrap();
    set.into_iter().for_each(await_end);
}

#[test]
fn a_store_that_another_run_has_is_waited_for() {
    let folder = Folder::new();
    folder.file("cluster.toml", &source(100_000, "pace = \"1x\"\n"));
    let mut dying = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    dying.args(["run"]).current_dir(&folder.0).stdout(Stdio::null()).stderr(Stdio::null());
    let mut dying = dying.spawn().unwrap();
    while !folder.0.join("tidemill-data/tidemill.sqlite").exists() {
        std::thread::yield_now();
    }
    let (child, mut said) = start(&folder, "cluster.toml");
    hear(&mut said, "another run is writing to this store");
    hear(&mut said, "the set starts again in 0.1 s");
    dying.kill().unwrap();
    dying.wait().unwrap();
    let line = hear(&mut said, "started, pid");
    let pid: u32 = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
    signal("TERM", child.id());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut said, &mut rest).unwrap();
    Done(child.wait_with_output().unwrap()).exits(130);
    assert!(!lives(pid) && !rest.contains("another run"), "{rest}");
}

#[test]
fn a_set_that_was_overtaken_does_not_start_again() {
    let folder = Folder::new();
    let kept = "checkpoints = { every = \"50ms\", to = \"kept\" }\n";
    let source = source(100_000, "pace = \"1x\"\n");
    folder.file("cluster.toml", &format!("{}{kept}{source}", two()));
    folder.file("other.toml", &format!("[cluster]\n{kept}{source}"));
    let (child, mut said) = start(&folder, "cluster.toml");
    let set = pids(&mut said);
    while !folder.0.join("tidemill-data/tidemill.sqlite").exists() {
        std::thread::yield_now();
    }
    let mut other = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    other.args(["run", "--config", "other.toml", "--data", "other"]).current_dir(&folder.0);
    let mut other = other.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    hear(&mut said, "another run of this deployment has begun");
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut said, &mut rest).unwrap();
    Done(child.wait_with_output().unwrap()).exits(5);
    assert!(!set.iter().any(|&pid| lives(pid)) && !rest.contains("starts again"), "{rest}");
    other.kill().unwrap();
    other.wait().unwrap();
}
