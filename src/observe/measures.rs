//! How long things take: stages of the way of the data, calls of sinks, checkpoints.

use super::now;
use dataflows::{Event, Progress};
use market::{DeadLetter, Epoch, Rows, Sink, SinkError, TableSpec, Time};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Instant, SystemTime};

/// The stages that are timed, in the order of the data.
pub(super) const STAGES: [&str; 4] = ["arrive", "admit", "write", "durable"];
const ARRIVE: usize = 0;
const ADMIT: usize = 1;
const WRITE: usize = 2;
const DURABLE: usize = 3;

/// The calls of a sink.
pub(super) const CALLS: [&str; 3] = ["write", "flush", "sync"];
const CALL_WRITE: usize = 0;
const CALL_FLUSH: usize = 1;
const CALL_SYNC: usize = 2;

/// Epochs that are complete and not durable, as many as are timed.
const EPOCHS_MAX: usize = 4096;

/// From a tenth of a millisecond to a minute.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 20))
}

pub(super) fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All that is timed.
pub(super) struct Measures {
    pub stages: [Histogram; STAGES.len()],
    pub checkpoint: Histogram,
    epochs: Mutex<Epochs>,
    checkpoints: Mutex<Checkpoint>,
    sinks: Mutex<Vec<Arc<SinkMeasure>>>,
}

/// Epochs under way: each with the time it was complete.
#[derive(Default)]
struct Epochs {
    complete: VecDeque<(Epoch, Instant)>,
    written: VecDeque<(Epoch, Instant)>,
}

/// The checkpoint under way, and the last one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Checkpoint {
    begun: Option<Instant>,
    /// When the last one was written.
    pub written: Option<Instant>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Bytes of all its parts, whichever process stored them.
    pub bytes: u64,
}

/// What became of the calls of one sink.
pub(super) struct SinkMeasure {
    pub name: String,
    pub rows: AtomicU64,
    pub letters: AtomicU64,
    pub calls: [Histogram; CALLS.len()],
    /// Nanoseconds in all calls.
    spent_ns: AtomicU64,
    busy: Mutex<Option<(usize, Instant)>>,
}

impl SinkMeasure {
    /// Seconds in all calls.
    pub fn seconds(&self) -> f64 {
        self.spent_ns.load(Ordering::Relaxed) as f64 / 1e9
    }

    /// The call that it is in, and for how many seconds.
    pub fn busy(&self) -> Option<(&'static str, f64)> {
        let busy = *held(&self.busy);
        busy.map(|(call, since)| (CALLS[call], since.elapsed().as_secs_f64()))
    }
}

impl Measures {
    /// Measures what `progress` tells of.
    pub fn of(progress: &Arc<Progress>) -> Arc<Self> {
        let measures = Arc::new(Measures {
            stages: std::array::from_fn(|_| seconds()),
            checkpoint: seconds(),
            epochs: Mutex::default(),
            checkpoints: Mutex::default(),
            sinks: Mutex::default(),
        });
        let (told, of) = (measures.clone(), Arc::downgrade(progress));
        progress.observe_by(Arc::new(move |event| told.hear(event, &of)));
        measures
    }

    fn hear(&self, event: Event<'_>, progress: &Weak<Progress>) {
        match event {
            Event::Complete(epoch) => {
                let mut epochs = held(&self.epochs);
                if epochs.complete.len() < EPOCHS_MAX {
                    epochs.complete.push_back((epoch, now()));
                }
            }
            Event::Written(before) => {
                let mut epochs = held(&self.epochs);
                while let Some((epoch, since)) =
                    epochs.complete.pop_front_if(|(epoch, _)| *epoch <= before)
                {
                    self.stages[WRITE].observe(since.elapsed().as_secs_f64());
                    if epochs.written.len() < EPOCHS_MAX {
                        epochs.written.push_back((epoch, since));
                    }
                }
            }
            Event::Durable(before) => {
                let mut epochs = held(&self.epochs);
                while let Some((_, since)) =
                    epochs.written.pop_front_if(|(epoch, _)| *epoch <= before)
                {
                    self.stages[DURABLE].observe(since.elapsed().as_secs_f64());
                }
            }
            Event::Spread(count, one) => tracing::warn!(
                "{count} symbols came through several partitions, {one} first: copies of trades across partitions are not \
                 found; key the messages of a topic by symbol, or set source.repartition = true \
                 (docs/runbooks/symbols-spread.md)"
            ),
            Event::CheckpointBegun => held(&self.checkpoints).begun = Some(now()),
            Event::CheckpointWritten(epoch) => {
                let bytes = progress.upgrade().map_or(0, |known| known.checkpoints().last_bytes);
                let mut last = held(&self.checkpoints);
                let took = last.begun.take().map_or(0.0, |since| since.elapsed().as_secs_f64());
                self.checkpoint.observe(took);
                (last.seconds, last.written, last.bytes) = (took, Some(now()), bytes);
                // Whoever reads the log may be slow; nobody who asks for metrics waits for that.
                drop(last);
                tracing::info!(epoch, seconds = took, bytes, "checkpoint written");
            }
            Event::CheckpointFailed(why) => tracing::warn!("checkpoint failed: {why}"),
        }
    }

    /// The last checkpoint.
    pub fn last_checkpoint(&self) -> Checkpoint {
        *held(&self.checkpoints)
    }

    /// The sinks there are.
    pub fn sinks(&self) -> Vec<Arc<SinkMeasure>> {
        held(&self.sinks).clone()
    }

    /// Told of every batch that a source admits.
    #[expect(clippy::disallowed_methods, reason = "Kafka's times are the clock's")]
    pub fn timed_by(self: &Arc<Self>) -> sources::Timed {
        let measures = self.clone();
        Arc::new(move |read: Instant, came: Option<Time>| {
            measures.stages[ADMIT].observe(read.elapsed().as_secs_f64());
            let at = crate::engine::time_of(SystemTime::now());
            // Some messages carry no time.
            let since = came.map(|came| at.ns() as f64 - came.ns() as f64);
            if let Some(ns) = since.filter(|ns| *ns >= 0.0) {
                measures.stages[ARRIVE].observe(ns / 1e9);
            }
        })
    }
}

/// A sink whose calls are timed.
pub(super) struct Measured {
    inner: Box<dyn Sink>,
    measure: Arc<SinkMeasure>,
}

impl Measured {
    /// Sinks of one name are measured together.
    pub fn over(inner: Box<dyn Sink>, measures: &Measures) -> Self {
        let mut sinks = held(&measures.sinks);
        let known = sinks.iter().find(|sink| sink.name == inner.name()).cloned();
        let measure = known.unwrap_or_else(|| {
            let fresh = Arc::new(SinkMeasure {
                name: inner.name().to_owned(),
                rows: AtomicU64::new(0),
                letters: AtomicU64::new(0),
                calls: std::array::from_fn(|_| seconds()),
                spent_ns: AtomicU64::new(0),
                busy: Mutex::default(),
            });
            sinks.push(fresh.clone());
            fresh
        });
        Measured { inner, measure }
    }

    fn timed<T>(&mut self, call: usize, work: impl FnOnce(&mut dyn Sink) -> T) -> T {
        let since = now();
        *held(&self.measure.busy) = Some((call, since));
        let done = work(&mut *self.inner);
        *held(&self.measure.busy) = None;
        let spent = since.elapsed();
        self.measure.calls[call].observe(spent.as_secs_f64());
        self.measure.spent_ns.fetch_add(spent.as_nanos() as u64, Ordering::Relaxed);
        done
    }
}

impl Sink for Measured {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn takes(&self, table: &TableSpec) -> bool {
        self.inner.takes(table)
    }

    fn write(&mut self, rows: &Rows) -> Result<(), SinkError> {
        self.timed(CALL_WRITE, |sink| sink.write(rows))?;
        self.measure.rows.fetch_add(rows.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn write_letters(&mut self, letters: &[DeadLetter]) -> Result<(), SinkError> {
        self.timed(CALL_WRITE, |sink| sink.write_letters(letters))?;
        self.measure.letters.fetch_add(letters.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn flush(&mut self, before: Epoch) -> Result<(), SinkError> {
        self.timed(CALL_FLUSH, |sink| sink.flush(before))
    }

    fn sync(&mut self) -> Result<(), SinkError> {
        self.timed(CALL_SYNC, |sink| sink.sync())
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.timed(CALL_SYNC, |sink| sink.finish())
    }
}
