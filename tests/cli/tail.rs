//! `tail` while there is nothing to print, and of rows that were removed.

use super::Folder;
use super::observe::until;
use kafka::{Headers, Producer, Record, trial};
use std::net::TcpListener;
use std::process::{Command, Stdio};

#[test]
fn brokers_that_are_away_are_told_of_while_they_are_waited_for() {
    let folder = Folder::new();
    // Nobody listens at a port that was free a moment ago.
    let brokers = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let said = std::fs::File::create(folder.0.join("said")).unwrap();
    let mut tail = Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .args(["tail", "t", "--brokers", &brokers])
        .current_dir(&folder.0)
        .stdout(Stdio::null())
        .stderr(said)
        .spawn()
        .unwrap();
    let said = || std::fs::read_to_string(folder.0.join("said")).unwrap();
    until("a line of the brokers", || {
        assert!(tail.try_wait().unwrap().is_none(), "it ended: {}", said());
        said().contains(&format!("brokers {brokers}: ")).then_some(())
    });
    let interrupt = format!("kill -INT {}", tail.id());
    assert!(Command::new("sh").args(["-c", &interrupt]).status().unwrap().success());
    assert_eq!(tail.wait().unwrap().code(), Some(0), "{}", said());
}

#[test]
fn a_tombstone_is_a_row_that_was_removed() {
    let (folder, topic, brokers) = (Folder::new(), trial::topic("tail", 1), trial::brokers());
    let mut producer = Producer::open(&trial::settings(), 5).unwrap();
    let headers = Headers::of(&[("schema", "bar/1"), ("epoch", "7")]);
    for (symbol, value) in [("A", Some("{\"close\":1.5}")), ("B", None), ("A", None)] {
        let (key, value) = (format!("{{\"symbol\":\"{symbol}\"}}"), value.map(str::as_bytes));
        let (key, headers) = (Some(key.as_bytes()), Some(&headers));
        let topic = &topic;
        let record = Record { topic, partition: Some(0), key, value, headers, timestamp_ms: None };
        producer.send(&record).unwrap();
    }
    assert!(producer.flush(std::time::Duration::from_secs(30)).unwrap());
    let tail =
        ["tail", &topic, "--brokers", &brokers, "--from", "earliest", "--until-end", "--key", "A"];
    assert_eq!(
        folder.run(&tail).exits(0).out(),
        "0/0 bar/1 {\"symbol\":\"A\"} {\"close\":1.5}\n0/2 bar/1 {\"symbol\":\"A\"} removed\n"
    );
    let json = folder.run(&[&tail[..], &["--json"]].concat()).exits(0).out();
    let last: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!((&last["value"], &last["epoch"]), (&serde_json::Value::Null, &7.into()));
}
