//! `tail` while there is nothing to print.

use super::Folder;
use super::observe::until;
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
