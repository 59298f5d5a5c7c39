//! Kills before there is a checkpoint, and checkpoints that are not whole.

use super::lab::Lab;
use super::life::Life;
use std::path::PathBuf;

/// The entries of the sequence of a deployment, in order.
fn sequence(lab: &Lab) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(lab.kept("kills").join("seq")).unwrap();
    let numbered = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().len() == 20;
    let mut entries: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(numbered).collect();
    entries.sort();
    entries
}

/// Objects that the newest manifest names and the one before it does not: its workers' state, and what it wrote once.
fn newest_parts(lab: &Lab) -> Vec<PathBuf> {
    // One that is torn may hold anything.
    let text = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let texts = sequence(lab).into_iter().rev().map(text);
    let whole = |text: String| serde_json::from_str(text.split_once(' ')?.1).ok();
    let objects = |value: serde_json::Value| {
        let manifest = value.get("manifest")?;
        let names = ["bundles", "blocks"].into_iter().filter_map(|list| manifest[list].as_array());
        Some(names.flatten().filter_map(|name| Some(name.as_str()?.to_owned())).collect())
    };
    let mut manifests = texts.filter_map(whole).filter_map(objects);
    let newest: Vec<String> = manifests.next().unwrap_or_default();
    let before: Vec<String> = manifests.next().unwrap_or_default();
    let own = newest.into_iter().filter(|name| !before.contains(name));
    own.map(|name| lab.kept("kills").join(name)).collect()
}

#[test]
fn kills_before_the_first_checkpoint_lose_and_double_nothing() {
    let lab = Lab::new("kills", 2);
    let ingest = lab.ingest(6_000, 2_000.0);
    let mut chance = lab.chance();
    for _ in 0..25 {
        let life = Life { ms: chance.below(400), is_kept: false, ..Life::of_chance(&mut chance) };
        lab.live(&life, &mut chance);
    }
    lab.ends_like_a_clean_one(ingest);
}

#[test]
fn what_is_not_whole_is_passed_over() {
    let lab = Lab::new("kills", 2);
    let ingest = lab.ingest(40_000, 2_000.0);
    let mut chance = lab.chance();
    let (mut removed, mut damaged) = (0, 0);
    for round in 0..10 {
        let life = Life { ms: chance.below(500), is_kept: true, ..Life::of_chance(&mut chance) };
        lab.live(&life, &mut chance);
        let Some(last) = sequence(&lab).pop() else { continue };
        let name: u64 = last.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let next = last.with_file_name(format!("{:020}", name + 1));
        let whole = std::fs::read(&last).unwrap();
        match round % 5 {
            // A half of what a run would have written next.
            0 => std::fs::write(next, &whole[..whole.len() / 2]).unwrap(),
            1 => std::fs::write(next, [0xff; 300]).unwrap(),
            2 => std::fs::write(next, "").unwrap(),
            3 => {
                // One of a worker the first time, then the last that was written once.
                let parts = newest_parts(&lab);
                let part = if removed == 0 { parts.first() } else { parts.last() };
                if let Some(part) = part {
                    std::fs::remove_file(part).unwrap();
                    removed += 1;
                }
            }
            // One byte of it is another one: its checksum differs.
            _ => {
                if let Some(part) = newest_parts(&lab).into_iter().find(|part| part.exists()) {
                    let mut bytes = std::fs::read(&part).unwrap();
                    let at = chance.below(bytes.len() as u64) as usize;
                    bytes[at] ^= 1;
                    std::fs::write(part, bytes).unwrap();
                    damaged += 1;
                }
            }
        }
        std::fs::write(last.with_file_name("of-nobody"), "no entry").unwrap();
    }
    assert!(removed > 0, "no checkpoint lost a part");
    assert!(damaged > 0, "no part of a checkpoint was damaged");
    lab.ends_like_a_clean_one(ingest);
}
