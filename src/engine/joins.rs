//! Partitions that join while a run goes on: a topic is given more of them, or a new one matches a pattern. A thread of
//! process 0 looks for them, and a worker of that process reads each until the next start deals all out anew.

use super::inputs::{Bench, FeedOpener};
use super::topics::{TopicPart, Topics};
use crate::config::Timing;
use dataflows::{JoinOpener, Joins, Start};
use market::{Epoch, PartitionError};
use sources::{KafkaSourceError, KafkaStart, LogPart, PartOpener};
use std::collections::BTreeSet;
use std::time::Duration;

/// Between two looks where `topic.metadata.refresh.interval.ms` is not set.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How long the thread sleeps at once, and so outlives its run.
const NAP: Duration = Duration::from_millis(50);

/// Watches the topics of a live run; the thread ends when nobody takes partitions any more.
pub(super) fn watch(topics: Topics, bench: Bench, joins: Joins) {
    let reading = topics.reading;
    if reading.process != 0 || reading.until_now || topics.sources.is_empty() {
        return;
    }
    let thread = std::thread::Builder::new().name("topics".to_owned());
    let started = thread.spawn(move || Watcher { topics, bench, joins }.work());
    if let Err(error) = started {
        tracing::warn!("partitions that join are not looked for: no thread: {error}");
    }
}

struct Watcher {
    topics: Topics,
    bench: Bench,
    joins: Joins,
}

impl Watcher {
    fn work(mut self) {
        let set = |source: usize| {
            let client = self.topics.sources[source].config.settings.client();
            client.get("topic.metadata.refresh.interval.ms")?.parse().ok()
        };
        let every = (0..self.topics.sources.len()).filter_map(set).min();
        let every = every.map_or(LOOK_EVERY, Duration::from_millis);
        while !self.joins.is_over() {
            for source in 0..self.topics.sources.len() {
                match self.fresh(source) {
                    Ok(parts) => parts.into_iter().for_each(|log| self.join(source, log)),
                    // They may be back at the next look.
                    Err(error) => tracing::warn!("looking for partitions that join: {error}"),
                }
            }
            self.wait(every);
        }
    }

    fn wait(&self, long: Duration) {
        let mut waited = Duration::ZERO;
        while waited < long && !self.joins.is_over() {
            std::thread::sleep(NAP);
            waited += NAP;
        }
    }

    /// The partitions that nobody reads yet, from their beginning.
    fn fresh(&self, source: usize) -> Result<Vec<LogPart>, KafkaSourceError> {
        let parts = self.topics.parts.iter().filter(|part| part.source == source);
        let known: BTreeSet<_> = parts.map(|part| part.log.key()).collect();
        let mut found = self.topics.sources[source].source.resolve(KafkaStart::Earliest)?;
        found.retain(|log| !known.contains(&log.key()));
        Ok(found)
    }

    /// Has a worker read a partition, and waits until that is written down: numbers follow the order of decisions.
    fn join(&mut self, source: usize, log: LogPart) {
        let Some(control) = self.topics.controls.get(source).cloned().flatten() else { return };
        let number = self.topics.next_number(source);
        let topics = &self.topics.sources[source];
        let logs = std::slice::from_ref(&log);
        let opened = topics.source.open(logs, Some(control.clone()), &self.bench.symbols);
        let open = match opened.map(|mut openers| openers.pop()) {
            Ok(Some(open)) => open,
            Ok(None) => return,
            Err(error) => return tracing::warn!("{}: {error}", log.name()),
        };
        tracing::info!("{}: a partition is to join", log.name());
        let timing = topics.timing;
        self.topics.parts.push(TopicPart { number, source, log, anew: false });
        let before = control.joined();
        self.joins.put(number, opener(self.bench.clone(), number, timing, open));
        while control.joined() == before && !self.joins.is_over() {
            std::thread::sleep(NAP);
        }
    }
}

/// Opens a partition whose watermark begins where an epoch does.
fn opener(bench: Bench, number: usize, timing: Timing, open: PartOpener) -> JoinOpener {
    Box::new(move |start: Start, epoch: Epoch| {
        let begins = bench.config.epoch().start(epoch);
        let feed: FeedOpener = Box::new(move || open(Some(begins)));
        let admitted: Result<_, PartitionError> = bench.admit(number, timing, false, feed)(start);
        admitted
    })
}
