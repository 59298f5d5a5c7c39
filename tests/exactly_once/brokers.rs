//! Brokers that are killed, and one that is cut off: the engine waits, goes on, and nothing is lost or doubled.

use super::lab::{Lab, number};
use super::life::{Life, kill, signal};
use super::servers::Servers;
use std::time::Duration;

/// How long the broker is cut off.
const CUT_OFF: Duration = Duration::from_secs(20);
/// What the engine may grow by meanwhile.
const GROWTH_KBYTES_MAX: u64 = 100 << 10;

fn sleep(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Kills brokers in turn, and runs while they are away.
fn kills_of_brokers(brokers: usize, rounds: u64) {
    let servers = Servers::start(brokers);
    let mut lab = Lab::new("kills", 3);
    lab.source.clone_from(&servers.brokers);
    lab.sink.clone_from(&servers.brokers);
    let ingest = lab.ingest(10_000 * rounds, 1_000.0);
    let mut chance = lab.chance();
    let mut children = lab.start("kills", &Life::of_chance(&mut chance));
    for round in 0..rounds {
        sleep(500 + chance.below(2_000));
        servers.kill(1 + round as usize % brokers);
        if chance.below(2) == 0 {
            sleep(chance.below(1_000));
            kill(children, &mut chance);
            children = lab.start("kills", &Life::of_chance(&mut chance));
        }
        sleep(chance.below(1_000));
        servers.up();
        sleep(chance.below(2_000));
        // One that began while brokers came and went may have given up, and its supervisor starts it again.
        if children.iter_mut().any(|child| child.try_wait().unwrap().is_some()) {
            println!("started again: {}", lab.said("kills"));
            kill(children, &mut chance);
            children = lab.start("kills", &Life::of_chance(&mut chance));
        }
    }
    kill(children, &mut chance);
    lab.ends_like_a_clean_one(ingest);
}

#[test]
fn a_transaction_that_the_broker_ends_is_made_again_by_the_next_run() {
    let mut lab = Lab::new("late", 2);
    lab.sink_keys = "kafka = { \"transaction.timeout.ms\" = \"2000\" }".to_owned();
    let ingest = lab.ingest(60_000, 1_500.0);
    let mut supervisor = lab.supervise("late");
    for _ in 0..2 {
        let mark = lab.mark("late");
        lab.wait_for("a commit", || lab.mark("late") > mark);
        // Brokers look for such transactions every ten seconds.
        let run = lab.started("late");
        signal("STOP", run);
        sleep(13_000);
        signal("CONT", run);
    }
    lab.ended(ingest);
    let last = lab.last_epoch();
    lab.wait_for("the last commit", || lab.mark("late") >= Some(last));
    assert_eq!(supervisor.try_wait().unwrap(), None, "it ended: {}", lab.said("late"));
    signal("TERM", supervisor.id());
    supervisor.wait().unwrap();
    println!("{}", lab.said("late"));
    lab.finish("clean");
    lab.compare("clean", "late");
}

#[test]
fn brokers_killed_one_after_the_other_lose_and_double_nothing() {
    kills_of_brokers(3, number("TIDEMILL_BROKER_KILLS", 3));
}

#[test]
fn a_broker_that_is_alone_and_killed_loses_and_doubles_nothing() {
    kills_of_brokers(1, number("TIDEMILL_BROKER_KILLS", 3));
}

fn resident_kbytes(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_broker_that_is_cut_off_is_waited_for_in_bounded_memory() {
    let servers = Servers::apart();
    let mut lab = Lab::new("cut", 2);
    lab.sink.clone_from(&servers.brokers);
    let ingest = lab.ingest(120_000, 4_000.0);
    // Away when the run starts.
    servers.cut_off(true);
    let life = Life::of(1, 2);
    let mut children = lab.start("cut", &life);
    sleep(5_000);
    assert_eq!(children[0].try_wait().unwrap(), None, "it ended: {}", lab.said("cut"));
    servers.cut_off(false);
    lab.wait_for("the first commit", || lab.mark("cut").is_some());
    // And while it runs.
    servers.cut_off(true);
    let before = resident_kbytes(children[0].id());
    std::thread::sleep(CUT_OFF);
    let growth = resident_kbytes(children[0].id()).saturating_sub(before);
    println!("grew by {growth} kB from {before} kB");
    assert!(growth < GROWTH_KBYTES_MAX, "it grew by {growth} kB");
    servers.cut_off(false);
    let mark = lab.mark("cut");
    lab.wait_for("the next commit", || lab.mark("cut") > mark);
    assert_eq!(children[0].try_wait().unwrap(), None, "it ended: {}", lab.said("cut"));
    kill(children, &mut lab.chance());
    lab.ended(ingest);
    lab.finish("cut");
    lab.finish("clean");
    lab.compare("clean", "cut");
}
