//! Where a partition is begun that goes on behind history: at what came when history's horizon began, or later.

use super::source::{KafkaSource, KafkaSourceError, LogPart};
use ::kafka::{Admin, Consumer, PartitionName};
use market::Time;
use std::time::Duration;

/// How long the first message that is kept is waited for, and how often.
const WAIT: Duration = Duration::from_millis(100);
const WAITS_MAX: usize = 100;

/// Where a partition begins behind history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The offset of the first message that is read.
    pub start: u64,
    /// When the first message came, where that is after all that came before is gone: what lies between history's end
    /// and this is in neither.
    pub gap: Option<Time>,
}

impl KafkaSource {
    /// The first message of `part` that came at `from` or later, by the broker's index of times; history ends at `end`.
    ///
    /// # Errors
    /// Fails when no broker answers, or the partition is gone.
    pub fn behind(
        &self,
        part: &LogPart,
        from: Time,
        end: Time,
    ) -> Result<Behind, KafkaSourceError> {
        let admin = Admin::new(&self.settings)?;
        let name: [PartitionName; 1] = [(part.topic.clone(), part.partition)];
        let ms = |time: Time| time.ns().div_euclid(1_000_000);
        let bounds = admin.bounds(&name)?[0];
        let at = |time: Time| Ok::<_, KafkaSourceError>(admin.offsets_at(&name, ms(time))?[0]);
        let start = at(from)?.unwrap_or(bounds.end);
        // Where nothing was ever removed, nothing came before.
        let was_cut = 0 < bounds.first && bounds.first < bounds.end;
        let is_first = was_cut && at(end)? == Some(bounds.first);
        let first = if is_first { self.arrival(part, bounds.first)? } else { None };
        Ok(Behind { start, gap: first.filter(|came| ms(*came) > ms(end)) })
    }

    /// When the first message at `offset` or behind it came.
    fn arrival(&self, part: &LogPart, offset: u64) -> Result<Option<Time>, KafkaSourceError> {
        let consumer = Consumer::new(&self.settings)?;
        let mut reader = consumer.read(&part.topic, part.partition, offset)?;
        let mut came = None;
        for _ in 0..WAITS_MAX {
            let arrived = reader.poll(WAIT, |message| {
                came = came.or(message.timestamp_ms());
            })?;
            if came.is_some() || arrived.end.is_some() {
                break;
            }
        }
        Ok(came.map(|ms| Time::from_ns(ms.saturating_mul(1_000_000))))
    }
}
