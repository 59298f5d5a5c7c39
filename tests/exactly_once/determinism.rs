//! What is committed depends on the log alone: not on how many workers and processes read it, and a replay gives what
//! was live, however partitions fell quiet and joined.

use crate::lab::Lab;
use crate::life::Life;
use kafka::trial::{grow, make, settings};
use kafka::{Topics, read_committed};

/// Set to anything, all shapes are run instead of some that chance draws.
const ALL_SHAPES: &str = "TIDEMILL_ALL_SHAPES";
/// So many are drawn.
const SHAPES: usize = 4;

#[test]
fn any_number_of_workers_in_any_number_of_processes_commits_the_same() {
    let lab = Lab::new("shapes", 6);
    lab.ended(lab.ingest(20_000, 1_000_000.0));
    let mut shapes = Vec::new();
    for processes in 1..=3 {
        shapes.extend((1..=8 / processes).map(|workers| (processes, workers as u64)));
    }
    if std::env::var_os(ALL_SHAPES).is_none() {
        let mut chance = lab.chance();
        while shapes.len() > SHAPES {
            shapes.remove(chance.below(shapes.len() as u64) as usize);
        }
    }
    let last = lab.last_epoch();
    let words: Vec<String> = shapes.iter().map(|(p, w)| format!("of-{p}-{w}")).collect();
    for (word, &(processes, workers)) in words.iter().zip(&shapes) {
        println!("{processes} processes of {workers} workers");
        lab.finish_as(word, &Life::of(processes, workers), last);
    }
    for word in &words[1..] {
        lab.compare(&words[0], word);
    }
}

/// Decisions in a control topic: their kind, the partition they are of, the epoch that it is moved to.
fn decisions(control: &str) -> Vec<(String, String, i64)> {
    let mut all = Vec::new();
    // The topic is made by the first run.
    if !Topics::open(&settings()).and_then(|topics| topics.list()).unwrap().contains_key(control) {
        return all;
    }
    read_committed(&settings(), control, 0, |_, value| {
        let value: serde_json::Value = serde_json::from_slice(value.unwrap_or_default()).unwrap();
        let (kind, fields) = value.as_object().unwrap().iter().next().unwrap();
        let part = format!("{}/{}", fields["topic"].as_str().unwrap(), fields["partition"]);
        all.push((kind.clone(), part, fields["watermark"].as_i64().unwrap() / 1_000_000_000));
    })
    .unwrap();
    all
}

/// No heartbeats are written: what comes of quiet partitions, decisions bring alone. While the run is killed again
/// and again a quiet topic is given a second partition, and one more topic comes that matches the pattern.
#[test]
fn a_replay_gives_what_was_live_with_partitions_that_are_quiet_and_that_join() {
    let lab = Lab::new("joins", 2).reading(
        "idle_after = \"150ms\"\nmax_jump = \"1d\"\nhorizon = \"1d\"\n\
         kafka = { \"topic.metadata.refresh.interval.ms\" = \"200\" }\n",
    );
    let mut chance = lab.chance();
    let silent = ["--heartbeats", "0s", "--no-end-heartbeat"];
    let (quiet, more) = (format!("{}-quiet", lab.ticks()), format!("{}-more", lab.ticks()));
    make(&quiet, 1);
    let first = lab.ingest_into(lab.ticks(), 2, 12_000, 1_500.0, &silent);
    while !lab.has_begun("live") {
        lab.live_as("live", &Life::of_chance(&mut chance), &mut chance);
    }
    grow(&quiet, 2);
    for _ in 0..3 {
        lab.live_as("live", &Life::of_chance(&mut chance), &mut chance);
    }
    let second =
        lab.ingest_into(&more, 2, 6_000, 1_500.0, &[&silent[..], &["--seed", "9"]].concat());
    for _ in 0..3 {
        lab.live_as("live", &Life::of_chance(&mut chance), &mut chance);
    }
    lab.ended(first);
    lab.ended(second);
    let latest = lab.latest_epoch(&[(lab.ticks(), 2), (&more, 2)]);
    let joined = || -> Vec<(String, i64)> {
        let joined = decisions(&lab.control()).into_iter().filter(|(kind, ..)| kind == "join");
        joined.map(|(_, part, epoch)| (part, epoch)).collect()
    };
    // A mark rises with rows alone: those of the last trades, and of trades that came by joining.
    lab.finish_when("live", &Life::of(2, 2), || {
        let joined = joined();
        let traded = joined.iter().filter(|(part, _)| part.starts_with(&more));
        let last = traded.map(|(_, epoch)| *epoch).chain([latest]).max()?;
        (joined.len() == 3).then_some(last)
    });
    let mut parts: Vec<String> = joined().into_iter().map(|(part, _)| part).collect();
    parts.sort_unstable();
    assert_eq!(parts, [format!("{more}/0"), format!("{more}/1"), format!("{quiet}/1")]);
    let moved_on = format!("{quiet}/0");
    assert!(
        decisions(&lab.control())
            .iter()
            .any(|(kind, part, _)| { kind == "idle" && *part == moved_on })
    );
    for workers in [1, 3] {
        let word = format!("again-{workers}");
        lab.replay(&word, workers);
        lab.compare_begin("live", &word);
    }
}
