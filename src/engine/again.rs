//! The configured sources as a checkpoint's run read them: from where they began, as far as they still reach back, to
//! the checkpoint's positions.

use super::{Inputs, file_source, kafka_error, kafka_source, start_of};
use crate::config::{Config, KafkaConfig, SourceKind};
use crate::engine::EngineError;
use dataflows::checkpoint::Manifest;
use market::{Offset, PartitionError, Symbols, Time};
use sources::{Fed, KafkaStart, LogPart};
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
        let mut inputs = Inputs::default();
        let mut is_whole = true;
        for source in config.sources() {
            match &source.kind {
                SourceKind::Files(files) => {
                    let lateness_ns = source.timing.lateness_ns;
                    inputs.read(file_source(files, config.workers(), lateness_ns), symbols)?;
                }
                SourceKind::Simulator(session) => inputs.simulate(session, symbols)?,
                SourceKind::Kafka(kafka) => {
                    is_whole &= inputs.listen_again(kafka, manifest, symbols)?;
                }
            }
            inputs.timings.resize(inputs.feeds.len(), source.timing);
        }
        Ok((inputs, is_whole))
    }

    fn listen_again(
        &mut self,
        kafka: &KafkaConfig,
        manifest: &Manifest,
        symbols: &Symbols,
    ) -> Result<bool, EngineError> {
        let source = kafka_source(kafka);
        let mut parts = source.resolve(KafkaStart::Earliest).map_err(kafka_error)?;
        source.end_now(&mut parts).map_err(kafka_error)?;
        if kafka.idle_after.is_some() {
            sources::recall(&kafka.settings, &kafka.control, &mut parts).map_err(kafka_error)?;
        }
        let mut is_whole = true;
        for (part, number) in parts.iter_mut().zip(self.feeds.len()..) {
            is_whole &= bound(part, number, manifest);
        }
        let opened = source.open(&parts, true, None, symbols).map_err(kafka_error)?;
        for open in opened {
            self.feeds.push(Box::new(move |_| open(None)));
        }
        Ok(is_whole)
    }
}

impl Inputs {
    /// The least time among the first records of all logs; none where there are none.
    pub fn first_time(self) -> Result<Option<Time>, PartitionError> {
        let mut first = None;
        for mut feed in self.recorded()? {
            loop {
                match feed.poll()? {
                    Fed::Batch(batch) if batch.trades.ts_event.is_empty() => {}
                    Fed::Batch(batch) => {
                        let times = batch.trades.ts_event.iter().copied();
                        first = first.into_iter().chain(times).min();
                        break;
                    }
                    Fed::Pending => std::thread::sleep(PAUSE),
                    Fed::End => break,
                }
            }
        }
        Ok(first)
    }
}

/// Bounds a partition to what the run of a manifest read of it, or where nothing was read yet to what is there from
/// its beginning on; whether that is still there.
fn bound(part: &mut LogPart, number: usize, manifest: &Manifest) -> bool {
    let name = start_of(&part.name());
    let fact = manifest.facts.iter().find(|(fact, _)| *fact == name);
    let began = fact.and_then(|(_, offset)| offset.parse().ok()).unwrap_or(0);
    let is_whole = part.start <= began;
    part.start = part.start.max(began);
    let position = manifest.positions.iter().find(|at| at.partition as usize == number);
    let last = position.and_then(|at| Offset::from_raw(at.offset?).message());
    let behind = match (last, manifest.epoch) {
        (Some((offset, _)), _) => offset + 1,
        (None, Some(_)) => part.start,
        (None, None) => u64::MAX,
    };
    part.end = part.end.map(|end| end.min(behind).max(part.start));
    is_whole
}
