//! `tidemill checkpoints`: what is kept, whether it is whole, and what is no longer needed.

use super::Failure;
use super::brokers::configuration;
use super::output::{print, print_json};
use super::store_args::{CheckpointAction, CheckpointArgs, CheckpointStore};
use crate::depot::ObjectDepot;
use crate::engine::{grouped, table};
use dataflows::checkpoint::{Bundle, Depot, Entry, Manifest, Numbered, entries, numbered, prune};
use market::{EpochLength, Symbols};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Does one of the three.
pub(super) fn checkpoints(args: &CheckpointArgs) -> Result<u8, Failure> {
    match &args.action {
        CheckpointAction::List(store) => list(store),
        CheckpointAction::Verify(store) => verify(store),
        CheckpointAction::Prune { store, keep } => remove(store, *keep),
    }
}

/// The configured store, and the length of an epoch to tell times by.
fn open(store: &CheckpointStore) -> Result<(ObjectDepot, EpochLength, usize), Failure> {
    let config = configuration(&store.config)?;
    let Some(given) = config.checkpoints() else {
        let file = store.config.display();
        return Err(Failure::usage(format!(
            "{file}: cluster.checkpoints: every is not set, so none are kept"
        )));
    };
    let depot = ObjectDepot::open(&given.to, config.name()).map_err(Failure::failed)?;
    Ok((depot, config.epoch(), given.keep))
}

/// The event time that a manifest is cut at.
fn time_of(manifest: &Manifest, length: EpochLength) -> Option<String> {
    manifest.epoch.map(|epoch| length.start(epoch).to_string())
}

fn list(store: &CheckpointStore) -> Result<u8, Failure> {
    let (depot, length, _) = open(store)?;
    let all = numbered(&depot).map_err(Failure::failed)?;
    if store.json {
        let entries: Vec<Value> = all.iter().map(|one| document(one, length)).collect();
        print_json(&json!({ "entries": entries }))?;
        return Ok(0);
    }
    let rows: Vec<_> = all.iter().map(|one| row(one, length)).collect();
    let names = ["number", "kind", "generation", "cut at", "partitions", "objects"];
    print(&table(&names, &rows))?;
    Ok(0)
}

fn document((number, found): &(u64, Numbered), length: EpochLength) -> Value {
    match found {
        Numbered::Entry(Entry::Claim { generation, writers }) => {
            json!({"number": number, "kind": "claim", "generation": generation, "writers": writers})
        }
        Numbered::Entry(Entry::Manifest(manifest)) => {
            let mut value = manifest.json();
            value["number"] = (*number).into();
            value["kind"] = "manifest".into();
            value["time"] = time_of(manifest, length).into();
            value
        }
        Numbered::Format(format) => {
            json!({"number": number, "kind": "other format", "format": format})
        }
        Numbered::Torn => json!({"number": number, "kind": "not whole"}),
    }
}

fn row((number, found): &(u64, Numbered), length: EpochLength) -> Vec<String> {
    let (kind, generation) = match found {
        Numbered::Entry(Entry::Claim { generation, .. }) => ("claim".to_owned(), Some(generation)),
        Numbered::Entry(Entry::Manifest(manifest)) => {
            ("manifest".to_owned(), Some(&manifest.generation))
        }
        Numbered::Format(format) => (format!("of format {format}"), None),
        Numbered::Torn => ("not whole".to_owned(), None),
    };
    let mut row = vec![number.to_string(), kind];
    row.push(generation.map_or_else(String::new, ToString::to_string));
    row.extend(match found {
        Numbered::Entry(Entry::Manifest(manifest)) => [
            time_of(manifest, length).unwrap_or_else(|| "the beginning".to_owned()),
            manifest.positions.len().to_string(),
            manifest.objects().count().to_string(),
        ],
        _ => Default::default(),
    });
    row
}

/// Bytes of a manifest's objects, those of them that no manifest before names, and what is wrong with them.
fn faults(
    depot: &dyn Depot,
    manifest: &Manifest,
    seen: &mut BTreeSet<String>,
) -> Result<([u64; 2], Vec<String>), Failure> {
    let (mut bytes, mut faults) = ([0; 2], Vec::new());
    for name in manifest.objects() {
        match depot.read(name).map_err(Failure::failed)? {
            None => faults.push(format!("{name} is missing")),
            Some(object) => {
                let length = object.len() as u64;
                bytes[0] += length;
                bytes[1] += if seen.insert(name.to_owned()) { length } else { 0 };
                if let Err(error) = Bundle::decode(name, &object, &Symbols::default()) {
                    faults.push(format!("{name}: {error}"));
                }
            }
        }
    }
    Ok((bytes, faults))
}

/// Exits with 1 where something is wrong with a checkpoint.
fn verify(store: &CheckpointStore) -> Result<u8, Failure> {
    let (depot, length, _) = open(store)?;
    let all = numbered(&depot).map_err(Failure::failed)?;
    let (mut documents, mut text, mut wrong, mut torn) = (Vec::new(), String::new(), 0, 0);
    let mut seen = BTreeSet::new();
    for (number, found) in &all {
        let manifest = match found {
            Numbered::Entry(Entry::Manifest(manifest)) => manifest,
            Numbered::Entry(Entry::Claim { .. }) => continue,
            Numbered::Format(_) | Numbered::Torn => {
                torn += 1;
                continue;
            }
        };
        let ([bytes, new], faults) = faults(&depot, manifest, &mut seen)?;
        let time = time_of(manifest, length).unwrap_or_else(|| "the beginning".to_owned());
        let state = if faults.is_empty() { "whole".to_owned() } else { faults.join("; ") };
        text += &format!("{number}  cut at {time}, {} bytes: {state}\n", grouped(bytes));
        wrong += u64::from(!faults.is_empty());
        documents.push(json!({
            "number": number, "time": time, "bytes": bytes, "new_bytes": new, "faults": faults,
        }));
    }
    if torn > 0 {
        text += &format!("{torn} entries are half written or of another format\n");
    }
    if store.json {
        print_json(&json!({"manifests": Value::from(documents), "torn": torn}))?;
    } else {
        print(&text)?;
    }
    Ok(u8::from(wrong > 0))
}

fn remove(store: &CheckpointStore, keep: Option<usize>) -> Result<u8, Failure> {
    let (depot, _, configured) = open(store)?;
    let (entries, _) = entries(&depot).map_err(Failure::failed)?;
    let generation = entries.iter().map(|(_, entry)| entry.generation()).max().unwrap_or(0);
    // What the newest run is writing is not touched: it may be alive.
    let pruned = prune(&depot, keep.unwrap_or(configured), (generation, 0), &[]);
    let removed = pruned.map_err(Failure::failed)?.removed;
    if store.json {
        print_json(&json!({ "removed": removed }))?;
    } else {
        print(&format!("removed {removed} objects\n"))?;
    }
    Ok(0)
}
