//! Topics without keys: the trades of a symbol stand in every partition, and meet where it is owned.

use crate::committed::Committed;
use crate::history::{ingest_late, with_history};
use crate::lab::Lab;
use crate::life::Life;
use serde_json::Value;
use std::collections::BTreeMap;

/// The last values of every bar, however often they changed before.
fn bars(committed: &Committed) -> BTreeMap<String, Value> {
    let mut last = BTreeMap::new();
    let topics = committed.iter().filter(|((topic, _), _)| topic.starts_with("aggregated_data"));
    for ((topic, _), records) in topics {
        for (key, value) in records {
            let mut value: Value = serde_json::from_str(value).unwrap();
            let fields = value.as_object_mut().unwrap();
            fields.retain(|name, _| !matches!(name.as_str(), "revision" | "known_at" | "epoch"));
            last.insert(format!("{topic} {key}"), value);
        }
    }
    last
}

/// Reasons of dead letters, and how many there are of each.
fn letters(committed: &Committed) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (_, records) in committed.iter().filter(|((topic, _), _)| topic == "dead_letter") {
        for (_, value) in records {
            let value: Value = serde_json::from_str(value).unwrap();
            *counts.entry(value["reason"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    counts
}

/// One partition with keys is what three without them end as, through kills, copies in other partitions found.
#[test]
fn kills_over_a_topic_without_keys_end_as_one_partition_with_them() {
    const TRADES: u64 = 30_000;
    let mut lab = Lab::new("pools", 3);
    lab.source_keys = "repartition = true\n".to_owned();
    let ingest = lab.ingest_into(&lab.ticks, 3, TRADES, 1_500.0, &["--no-keys"]);
    let mut chance = lab.chance();
    for _ in 0..15 {
        let life = Life::of_chance(&mut chance);
        lab.live(&life, &mut chance);
    }
    lab.ended(ingest);
    lab.finish("kills");
    assert!(lab.gone_on("kills") > 3, "lives went on from checkpoints");
    lab.finish_as("clean", &Life::of(2, 1), lab.last_epoch());
    lab.compare("clean", "kills");
    let one = Lab::new("keyed", 1);
    one.ended(one.ingest_into(&one.ticks, 1, TRADES, 1_000_000.0, &[]));
    one.finish("keyed");
    let (keyed, pooled) = (one.committed("keyed"), lab.committed("kills"));
    assert_eq!(letters(&keyed), letters(&pooled));
    assert!(letters(&pooled)["duplicate"] > 20, "{:?}", letters(&pooled));
    let (keyed, pooled) = (bars(&keyed), bars(&pooled));
    let differs = keyed.iter().find(|(key, bar)| pooled.get(*key) != Some(bar));
    assert_eq!(differs.map(|(key, bar)| (bar, pooled.get(key))), None);
    assert_eq!(keyed.len(), pooled.len());
}

#[test]
fn any_number_of_workers_and_processes_commits_the_same_of_a_topic_without_keys() {
    let mut lab = Lab::new("pooled", 6);
    lab.source_keys = "repartition = true\n".to_owned();
    lab.ended(lab.ingest_into(&lab.ticks, 6, 20_000, 1_000_000.0, &["--no-keys"]));
    let last = lab.last_epoch();
    let shapes = [(1, 1), (1, 8), (2, 3), (3, 2)];
    for (processes, workers) in shapes {
        let word = format!("of-{processes}-{workers}");
        lab.finish_as(&word, &Life::of(processes, workers), last);
        lab.compare("of-1-1", &word);
    }
}

/// History is one log, and what goes on behind it has no keys.
#[test]
fn kills_at_the_seam_of_history_and_a_topic_without_keys_lose_and_double_nothing() {
    let mut lab = with_history("before", 3, 100_000);
    lab.source_keys += "repartition = true\n";
    let ingest = ingest_late(&lab, 500.0, &["--no-keys"]);
    let mut chance = lab.chance();
    for _ in 0..8 {
        lab.live(&Life::of_chance(&mut chance), &mut chance);
    }
    lab.ends_like_a_clean_one(ingest);
}
