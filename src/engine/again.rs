//! The configured sources as a checkpoint's run read them: from where they began, as far as they still reach back, to
//! the checkpoint's positions.

use super::{Inputs, Reading};
use crate::config::Config;
use crate::engine::EngineError;
use crate::engine::topics::{TopicPart, Topics, kafka_error, known_of};
use dataflows::checkpoint::Manifest;
use market::{Offset, PartitionError, Symbols, Time, TransType};
use sources::{Begin, Fed, Feed, KafkaStart, Recalled};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two looks whether the first record has come.
const PAUSE: Duration = Duration::from_millis(1);

impl Inputs {
    /// Those of a manifest; whether they begin where its run did.
    pub fn again(
        config: &Config,
        manifest: &Manifest,
        symbols: &Symbols,
    ) -> Result<(Self, bool), EngineError> {
        let reading = Reading { until_now: true, at_once: true, ..Reading::default() };
        let mut inputs = Inputs::of(config, Vec::new(), reading, symbols)?;
        let is_whole = inputs.topics.resolve_again(manifest)?;
        Ok((inputs, is_whole))
    }

    /// The least time among the first records of all logs; none where there are none. `stop` ends the waiting.
    pub fn first_time(
        mut self,
        symbols: &Symbols,
        stop: &AtomicBool,
    ) -> Result<Option<Time>, PartitionError> {
        let mut first = None;
        let told = self.topics.told();
        let mut feeds: Vec<Box<dyn Feed>> = Vec::new();
        for (_, open) in self.topics.hear(&told, symbols)? {
            feeds.push(open(Begin::default())?);
        }
        feeds.extend(self.recorded()?);
        for mut feed in feeds {
            loop {
                match feed.poll()? {
                    Fed::Batch(batch) => {
                        // A cancel has no time, and a replace that of a trade before.
                        let trades = &batch.trades;
                        let new = |row: &usize| trades.trans_of(*row) == TransType::New;
                        let times = (0..trades.len()).filter(new).map(|row| trades.ts_event[row]);
                        if let Some(least) = times.min() {
                            first = first.into_iter().chain([least]).min();
                            break;
                        }
                    }
                    Fed::Pending if stop.load(Ordering::Relaxed) => {
                        let what = "the run was stopped".to_owned();
                        return Err(PartitionError { what, usage: false });
                    }
                    Fed::Pending => std::thread::sleep(PAUSE),
                    Fed::End => break,
                }
            }
        }
        Ok(first)
    }
}

impl Topics {
    /// The partitions that the run of a manifest read, under their numbers and bounded to what it read of them;
    /// whether all of that is still there.
    fn resolve_again(&mut self, manifest: &Manifest) -> Result<bool, EngineError> {
        let (mut found, mut recalled) = (Vec::new(), Vec::new());
        for (source, topics) in self.sources.iter().enumerate() {
            let mut logs = topics.source.resolve(KafkaStart::Earliest).map_err(kafka_error)?;
            topics.source.end_now(&mut logs).map_err(kafka_error)?;
            let open = topics.begins_behind();
            let part = |log| TopicPart { number: 0, source, log, anew: false, open };
            found.extend(logs.into_iter().map(part));
            let (settings, control) = (&topics.config.settings, &topics.config.control);
            recalled.push(sources::recall(settings, control).map_err(kafka_error)?);
        }
        self.order(found, Some(manifest), &recalled)?;
        let mut is_whole = true;
        for part in &mut self.parts {
            is_whole &= bound(part, manifest, &recalled[part.source], &self.name);
        }
        Ok(is_whole)
    }
}

/// Bounds a partition to what the run of a manifest read of it, or where nothing was read yet to what is there from
/// its beginning on; whether that is still there.
fn bound(part: &mut TopicPart, manifest: &Manifest, recalled: &Recalled, deployment: &str) -> bool {
    let (id, began) = known_of(part, manifest, recalled);
    let began = began.unwrap_or(0);
    let last = manifest.position(part.number).and_then(Offset::message);
    let log = &mut part.log;
    log.decided = recalled.of(log);
    let is_same = id.is_none_or(|id| *id == log.topic_id);
    // The checkpoint may lie behind the gap between a topic and the one that was made in its place.
    let is_behind = recalled.accepted(deployment).any(|accepted| {
        accepted.topic_id == log.topic_id && accepted.generation <= manifest.generation
    });
    let is_whole = is_same && log.start <= began;
    if is_same {
        log.start = log.start.max(began);
    }
    let behind = match (last, manifest.epoch) {
        (Some((offset, _)), _) if is_same || is_behind => offset + 1,
        (None, None) => u64::MAX,
        _ => log.start,
    };
    log.end = log.end.map(|end| end.min(behind).max(log.start));
    is_whole
}
