//! Files that are read before a topic, through kills while they are read, at the seam and behind it.

use crate::lab::Lab;
use crate::life::Life;
use std::process::Child;

/// A lab of which the earlier part of a session of `trades` is history, and the later part, which overlaps
/// it, is to be streamed.
pub fn with_history(word: &str, partitions: u32, trades: usize) -> Lab {
    let mut lab = Lab::new(word, partitions);
    lab.source_keys = "history = { files = \"early.csv\", order = \"log\" }\n".to_owned();
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

/// Streams the later part of a session into the topic.
pub fn ingest_late(lab: &Lab, rate: f64, more: &[&str]) -> Child {
    let what = [&["late.csv", "--order", "log"], more].concat();
    lab.stream(&lab.ticks, lab.partitions, rate, &what)
}

#[test]
fn kills_while_history_is_read_and_handed_over_lose_and_double_nothing() {
    let lab = with_history("history", 3, 200_000);
    // Long enough for all lives: on a log that stands still no checkpoint is cut.
    let ingest = ingest_late(&lab, 250.0, &[]);
    let mut chance = lab.chance();
    for _ in 0..15 {
        lab.live(&Life::of_chance(&mut chance), &mut chance);
    }
    lab.ends_like_a_clean_one(ingest);
    assert!(lab.gone_on("kills") > 2, "lives went on from checkpoints");
}
