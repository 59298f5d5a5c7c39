//! How far topics were read, said to their brokers after each checkpoint: for display only, a run goes on from its
//! checkpoint alone.
//!
//! A thread of its own commits the newest positions; nobody waits for it, and what it cannot say is said with the
//! next checkpoint.

use crate::config::{Config, SourceKind};
use dataflows::checkpoint::{Listener, Manifest};
use kafka::{Group, PartitionName, Settings};
use market::Offset;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

/// Between two looks whether the run has ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The consumer group that a deployment's positions are shown under.
pub(crate) fn group(config: &Config) -> String {
    format!("tidemill-{}", config.name())
}

/// A partition on brokers: the number of its source, its number in the run, and its name.
pub(super) type Place = (usize, usize, PartitionName);

/// The newest manifest, where its positions were not said yet.
#[derive(Default)]
struct Slate {
    latest: Mutex<Option<Manifest>>,
    news: Condvar,
}

/// Says the positions of manifests; nothing where no source is a topic.
pub(super) fn listener(config: &Config, places: &[Place]) -> Listener {
    let mut sources: BTreeMap<usize, (Settings, BTreeMap<u32, PartitionName>)> = BTreeMap::new();
    for (source, number, name) in places {
        let SourceKind::Kafka(kafka) = &config.sources()[*source].kind else { continue };
        let known = sources.entry(*source);
        let known = known.or_insert_with(|| (kafka.settings.clone(), BTreeMap::new()));
        known.1.insert(*number as u32, name.clone());
    }
    if sources.is_empty() {
        return Arc::new(|_| {});
    }
    let slate = Arc::new(Slate::default());
    let (of, group) = (Arc::downgrade(&slate), group(config));
    let sources = sources.into_values().collect();
    std::thread::spawn(move || say(&of, &group, sources));
    Arc::new(move |manifest: &Manifest| {
        *slate.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(manifest.clone());
        slate.news.notify_one();
    })
}

/// Waits for the next manifest; nothing once the run has ended.
fn next(of: &Weak<Slate>) -> Option<Manifest> {
    loop {
        let slate = of.upgrade()?;
        let latest = slate.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = slate.news.wait_timeout_while(latest, LOOK_EVERY, |latest| latest.is_none());
        if let Some(manifest) = waited.unwrap_or_else(PoisonError::into_inner).0.take() {
            return Some(manifest);
        }
    }
}

fn say(of: &Weak<Slate>, group: &str, sources: Vec<(Settings, BTreeMap<u32, PartitionName>)>) {
    let open = |(settings, names)| match Group::new(&settings, group) {
        Ok(opened) => Some((opened, names)),
        Err(error) => {
            tracing::warn!("positions are not shown: {error}");
            None
        }
    };
    let groups: Vec<(Group, BTreeMap<u32, PartitionName>)> =
        sources.into_iter().filter_map(open).collect();
    while let Some(manifest) = next(of) {
        for (group, names) in &groups {
            let read = manifest.positions.iter().filter_map(|position| {
                let name = names.get(&position.partition)?;
                let next = sources::resume_at(Offset::from_raw(position.offset?))?;
                Some((name.clone(), next))
            });
            let read: Vec<(PartitionName, u64)> = read.collect();
            if read.is_empty() {
                continue;
            }
            if let Err(error) = group.commit(&read) {
                tracing::warn!("positions are not shown, until the next checkpoint: {error}");
            }
        }
    }
}
