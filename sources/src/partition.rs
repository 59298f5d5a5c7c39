//! A feed behind its admission: the partition that the graph reads.

use crate::admission::{Admission, AdmissionConfig, Part, Rest, Seam, SnapshotError};
use crate::{Decoded, Fed, Feed};
use market::{
    Admitted, Counts, EachTick, EpochLength, Offset, Partition, PartitionError, Polled, Sealed,
    SharedTrades, SymbolId, Symbols, Time, Waker,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

/// Batches whose columns may be away at once, so that their shells are kept for them.
const SHELLS_MAX: usize = 64;

/// Told of a batch that was admitted: when the first of it was read, and when its last message came.
pub type Timed = Arc<dyn Fn(Instant, Option<Time>) + Send + Sync>;

/// A partition that reads a feed and judges its records in log order.
pub struct AdmittedPartition {
    feed: Box<dyn Feed>,
    admission: Admission,
    /// Batches whose columns are with the graph.
    #[expect(clippy::vec_box, reason = "the boxes are handed on as they are")]
    shells: Vec<Box<Decoded>>,
    /// What carries columns to the graph, come back.
    #[expect(clippy::vec_box, reason = "the boxes are handed on as they are")]
    carriers: Vec<Box<Admitted>>,
    /// Whether it goes on from a snapshot, behind which the feed may begin earlier.
    restored: bool,
    ended: bool,
    /// A batch of which only parts were judged.
    rest: Option<(Box<Decoded>, Rest)>,
    /// The pool that it belongs to.
    pool: Option<u32>,
    /// The greatest watermark of all partitions.
    greatest: Option<Arc<AtomicI64>>,
    /// Told of each batch that was admitted.
    timed_by: Option<Timed>,
}

impl AdmittedPartition {
    /// Partition number `partition` of the run over `feed`, whose symbols are those of `symbols`.
    pub fn new(
        feed: Box<dyn Feed>,
        config: AdmissionConfig,
        length: EpochLength,
        symbols: Symbols,
        partition: u32,
    ) -> Self {
        Self::over(feed, Admission::new(config, length, symbols, partition), false)
    }

    /// As [`AdmittedPartition::new`], going on from what [`Partition::snapshot`] gave. The feed may begin
    /// anywhere up to the snapshot's position.
    ///
    /// # Errors
    /// Refuses bytes that are no snapshot.
    pub fn restore(
        feed: Box<dyn Feed>,
        config: AdmissionConfig,
        length: EpochLength,
        symbols: Symbols,
        partition: u32,
        snapshot: &[u8],
    ) -> Result<Self, SnapshotError> {
        let admission = Admission::restore(config, length, symbols, partition, snapshot)?;
        Ok(Self::over(feed, admission, true))
    }

    fn over(feed: Box<dyn Feed>, admission: Admission, restored: bool) -> Self {
        let (shells, carriers) = (Vec::new(), Vec::new());
        AdmittedPartition {
            feed,
            admission,
            shells,
            carriers,
            restored,
            ended: false,
            rest: None,
            pool: None,
            greatest: None,
            timed_by: None,
        }
    }

    /// Goes on from what the log before this one has left.
    #[must_use]
    pub fn following(mut self, seam: &Arc<Seam>) -> Self {
        self.admission.follow(seam);
        self
    }

    /// Whether a snapshot of a log that others are read behind was taken after its end.
    pub fn has_ended_in(snapshot: &[u8]) -> bool {
        Admission::has_ended_in(snapshot)
    }

    /// Of a snapshot and the blocks behind it, the part without those.
    pub fn stand_of(snapshot: &[u8]) -> &[u8] {
        Admission::stand_of(snapshot)
    }

    /// The feed is another log than the one that was read: nothing of it was judged, whatever its offsets are.
    #[must_use]
    pub fn over_another_log(mut self) -> Self {
        self.admission.forget_position();
        self
    }

    /// Raises `greatest` to its watermark as it rises: what readers of quiet partitions move on to.
    #[must_use]
    pub fn raising(mut self, greatest: Arc<AtomicI64>) -> Self {
        self.greatest = Some(greatest);
        self
    }

    /// It belongs to a pool, and its admission knows of it ([`AdmissionConfig::is_pooled`]).
    #[must_use]
    pub fn in_pool(mut self, pool: Option<u32>) -> Self {
        self.pool = pool;
        self
    }

    /// Has `timed_by` told of each batch, where its source says when it was read.
    #[must_use]
    pub fn timed_by(mut self, timed_by: Option<Timed>) -> Self {
        self.timed_by = timed_by;
        self
    }

    /// The admission behind it.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Judges the next part of a batch, and hands it out.
    fn judge(&mut self, mut batch: Box<Decoded>, rest: Rest) -> Polled {
        let (part, rest) = self.admission.admit_part(&mut batch, rest);
        if let (Some(greatest), Some(mark)) = (&self.greatest, self.admission.watermark()) {
            greatest.fetch_max(mark.ns(), Ordering::SeqCst);
        }
        let admitted = self.admitted(batch.trades.clone(), part);
        match rest {
            Some(rest) => self.rest = Some((batch, rest)),
            None => {
                batch.trades = SharedTrades::default();
                if self.shells.len() < SHELLS_MAX {
                    self.shells.push(batch);
                }
            }
        }
        Polled::Batch(admitted)
    }

    fn admitted(&mut self, trades: SharedTrades, part: Part) -> Box<Admitted> {
        let Part { runs, mut letters, touched } = part;
        for letter in &mut letters {
            letter.source = self.feed.source_of(letter.offset);
        }
        let mut admitted = self.carriers.pop().unwrap_or_default();
        *admitted = Admitted { trades, runs, letters, touched };
        admitted
    }
}

impl Partition for AdmittedPartition {
    fn poll(&mut self) -> Result<Polled, PartitionError> {
        if self.ended {
            return Ok(Polled::End);
        }
        if let Some((batch, rest)) = self.rest.take() {
            return Ok(self.judge(batch, rest));
        }
        // What lies beyond where it is read to is not asked for.
        let fed = if self.admission.is_over() { Fed::End } else { self.feed.poll()? };
        match fed {
            Fed::Pending => Ok(Polled::Pending),
            Fed::Batch(mut batch) => {
                let rest = match self.restored {
                    true => self.admission.begin_behind(&mut batch),
                    false => self.admission.begin(&mut batch),
                };
                let (read, came) = (batch.read, batch.arrived.last().map(|(_, time)| *time));
                let polled = self.judge(batch, rest);
                if let (Some(timed_by), Some(read)) = (&self.timed_by, read) {
                    timed_by(read, came);
                }
                Ok(polled)
            }
            Fed::End => {
                let mut batch = Decoded::default();
                let part = self.admission.finish(&mut batch);
                // Bars that are folded again come before what else the end brings.
                self.ended = part.touched.is_empty();
                if self.ended && part.runs.is_empty() && part.letters.is_empty() {
                    return Ok(Polled::End);
                }
                Ok(Polled::Batch(self.admitted(batch.trades, part)))
            }
        }
    }

    fn recycle(&mut self, mut batch: Box<Admitted>) {
        let mut shell = self.shells.pop().unwrap_or_default();
        // Mostly the horizon holds these columns still, and gives back others that have left it.
        let columns = std::mem::take(&mut batch.trades).reclaim();
        shell.trades = columns.unwrap_or_else(|| self.admission.spare_columns()).into();
        shell.clear();
        self.feed.recycle(shell);
        if self.carriers.len() < SHELLS_MAX {
            self.carriers.push(batch);
        }
    }

    fn wake_by(&mut self, waker: Waker) {
        self.feed.wake_by(waker);
    }

    fn pass(&mut self, watermark: Time) {
        self.admission.pass(watermark);
    }

    fn snapshot(&self, to: &mut Vec<u8>) -> bool {
        self.admission.snapshot_onto(to);
        true
    }

    fn cut(&mut self, state: &mut Vec<u8>, block: &mut Vec<u8>) -> Option<Sealed> {
        Some(self.admission.cut_onto(state, block))
    }

    fn ticks(&mut self, symbol: SymbolId, from: Time, to: Time, each: &mut EachTick<'_>) {
        self.admission.ticks(symbol, from, to).iter().for_each(|tick| each(*tick));
    }

    fn position(&self) -> Option<Offset> {
        self.admission.position()
    }

    fn watermark(&self) -> Option<Time> {
        self.admission.watermark()
    }

    fn next_offset(&self) -> Option<u64> {
        self.feed.next_offset()
    }

    fn name(&self) -> String {
        self.feed.source_of(Offset::default())
    }

    fn is_at_end(&self) -> bool {
        self.feed.is_at_end()
    }

    fn pool(&self) -> Option<u32> {
        self.pool
    }

    fn counts(&self) -> Counts {
        let counts = self.admission.counts().clone();
        // What is passed on to a pool is used there, or refused.
        Counts { used: self.pool.map_or(counts.used, |_| 0), ..counts }
    }

    fn progress(&self) -> Option<f64> {
        self.feed.progress()
    }
}
