//! What a process knows of its run at one moment, and the document that `/status` is.

use super::conditions::{Found, judge};
use super::live::Live;
use super::lookout::{Answer, Mark};
use super::measures::{Checkpoint, Measures, SinkMeasure};
use super::{Observed, Run};
use crate::engine::{reasons, time_of};
use dataflows::{CheckpointProgress, PartitionProgress, TableCount};
use market::{Counts, Epoch, Time};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

/// A worker.
pub(super) struct SeenWorker {
    pub number: usize,
    pub turns: u64,
    /// Seconds since it turned.
    pub stands: f64,
}

/// A partition that this process reads.
pub(super) struct SeenPartition {
    pub number: usize,
    pub known: PartitionProgress,
    /// Whether nothing becomes complete before it goes on.
    pub holds: bool,
    /// Seconds since a record of it was judged.
    pub stands: f64,
    /// Seconds that its watermark is behind the clock.
    pub lag: Option<f64>,
    /// Messages that wait, where the brokers say so.
    pub behind: Option<u64>,
}

/// All of it.
pub(super) struct Seen {
    pub run: Run,
    pub seconds: f64,
    pub closed: bool,
    pub workers: Vec<SeenWorker>,
    pub waits_for_sinks: bool,
    pub partitions: Vec<SeenPartition>,
    pub counts: Counts,
    /// What of it became of trades that are judged where their symbol is.
    pub pooled: Counts,
    /// The least epoch that is not complete, and the seconds it stands.
    pub frontier: Epoch,
    pub frontier_stands: f64,
    pub frontier_lag: Option<f64>,
    pub epochs_open: u64,
    pub tables: Vec<TableCount>,
    pub spread_symbols: u64,
    pub sinks: Vec<Arc<SinkMeasure>>,
    pub measures: Arc<Measures>,
    pub checkpoints: CheckpointProgress,
    pub checkpoint: Checkpoint,
    /// Seconds since the last checkpoint, or since the run began.
    pub checkpoint_age: f64,
    pub brokers: Vec<Answer>,
    pub live: Option<Arc<Live>>,
}

impl Seen {
    /// Looks around.
    #[expect(clippy::disallowed_methods, reason = "how far behind the clock a watermark is")]
    pub fn of(observed: &Observed) -> Self {
        let (progress, lookout) = (&observed.progress, &observed.lookout);
        lookout.note(progress);
        let at = time_of(SystemTime::now());
        let behind_clock = |time: Time| (at.ns() as f64 - time.ns() as f64) / 1e9;
        let frontier = progress.frontier();
        let brokers = lookout.answers();
        let partition = |(number, known): (usize, PartitionProgress)| {
            let end = brokers.iter().find_map(|answer| answer.ends.get(&number)).copied();
            SeenPartition {
                number,
                holds: !known.ended && known.epoch <= frontier,
                stands: lookout.stands(Mark::Partition(number)),
                lag: known.watermark.map(behind_clock),
                behind: end.zip(known.next_offset).map(|(end, next)| end.saturating_sub(next)),
                known,
            }
        };
        let partitions: Vec<_> = progress.partitions().into_iter().map(partition).collect();
        let workers = progress.workers().into_iter().map(|worker| SeenWorker {
            number: worker.number,
            turns: worker.turns,
            stands: lookout.stands(Mark::Worker(worker.number)),
        });
        let is_between = (Epoch::MIN + 1..Epoch::MAX).contains(&frontier);
        let checkpoint = observed.measures.last_checkpoint();
        Seen {
            seconds: observed.began.elapsed().as_secs_f64(),
            closed: observed.closed.load(Ordering::SeqCst),
            workers: workers.collect(),
            waits_for_sinks: progress.waits_for_sinks(),
            counts: progress.counts(),
            pooled: progress.pooled(),
            frontier_stands: lookout.stands(Mark::Frontier),
            frontier_lag: is_between.then(|| behind_clock(observed.run.epoch.start(frontier))),
            epochs_open: epochs_open(&partitions, frontier),
            frontier,
            partitions,
            tables: progress.tables(),
            spread_symbols: progress.spread_symbols(),
            sinks: observed.measures.sinks(),
            measures: observed.measures.clone(),
            checkpoints: progress.checkpoints(),
            checkpoint,
            checkpoint_age: checkpoint.written.unwrap_or(observed.began).elapsed().as_secs_f64(),
            brokers,
            live: observed.live.clone(),
            run: observed.run.clone(),
        }
    }

    /// Whether all workers are at work.
    pub fn has_begun(&self) -> bool {
        self.workers.len() == self.run.workers && self.workers.iter().all(|worker| worker.turns > 0)
    }

    /// What is not as it should be.
    pub fn conditions(&self) -> Vec<Found> {
        judge(self)
    }

    /// The event time before which all is complete.
    pub fn frontier_time(&self) -> Option<Time> {
        self.frontier_lag.map(|_| self.run.epoch.start(self.frontier))
    }

    /// The document.
    pub fn json(&self) -> Value {
        let conditions = self.conditions();
        let refused: Map<String, Value> =
            reasons(&self.counts).map(|(code, count)| (code.to_owned(), count.into())).collect();
        let tables = self.tables.iter().map(
            |table| json!({"table": table.name, "rows": table.rows(), "revised": table.revised}),
        );
        json!({
            "deployment": self.run.deployment,
            "process": self.run.process,
            "processes": self.run.processes,
            "workers": self.run.workers,
            "version": env!("CARGO_PKG_VERSION"),
            "seconds": self.seconds,
            "healthy": conditions.iter().all(|found| !found.condition.is_sick()),
            "ready": conditions.iter().all(|found| !found.condition.is_unready()),
            "conditions": conditions.iter().map(Found::json).collect::<Vec<_>>(),
            "frontier": {
                "time": self.frontier_time().map(|time| time.to_string()),
                "epoch": self.frontier_lag.map(|_| self.frontier),
                "lag_seconds": self.frontier_lag,
                "stands_seconds": self.frontier_stands,
                "waits_for_sinks": self.waits_for_sinks,
            },
            "epochs_open": self.epochs_open,
            "partitions": self.partitions.iter().map(SeenPartition::json).collect::<Vec<_>>(),
            "read": self.counts.read,
            "used": self.counts.used,
            "refused": self.counts.refused_total(),
            "refused_by_reason": refused,
            "late": self.counts.late,
            "flagged": self.counts.flagged,
            "cancelled": self.counts.cancelled,
            "replaced": self.counts.replaced,
            "excluded": self.counts.excluded,
            "tables": tables.collect::<Vec<_>>(),
            "spread_symbols": self.spread_symbols,
            "sinks": self.sinks.iter().map(|sink| json!({
                "sink": sink.name,
                "rows": sink.rows.load(Ordering::Relaxed),
                "letters": sink.letters.load(Ordering::Relaxed),
                "seconds": sink.seconds(),
                "busy_with": sink.busy().map(|(call, _)| call),
                "busy_seconds": sink.busy().map(|(_, seconds)| seconds),
            })).collect::<Vec<_>>(),
            "checkpoints": self.checkpoints_json(),
        })
    }

    fn checkpoints_json(&self) -> Value {
        let Some(every_ms) = self.run.every_ms.filter(|_| self.run.process == 0) else {
            return Value::Null;
        };
        let known = &self.checkpoints;
        json!({
            "every_seconds": every_ms as f64 / 1e3,
            "written": known.written,
            "failed": known.failed,
            "last_failure": known.last_failure,
            "cut_at": known.epoch.map(|epoch| self.run.epoch.start(epoch).to_string()),
            "age_seconds": self.checkpoint_age,
            "seconds": self.checkpoint.seconds,
            "bytes": self.checkpoint.bytes,
        })
    }
}

impl SeenPartition {
    fn json(&self) -> Value {
        json!({
            "number": self.number,
            "partition": self.known.name,
            "watermark": self.known.watermark.map(|time| time.to_string()),
            "lag_seconds": self.lag,
            "holds_frontier": self.holds,
            "ended": self.known.ended,
            "read": self.known.counts.read,
            "next_offset": self.known.next_offset,
            "behind": self.behind,
            "stands_seconds": self.stands,
        })
    }
}

/// Epochs that some partition has entered and that are not complete.
fn epochs_open(partitions: &[SeenPartition], frontier: Epoch) -> u64 {
    let entered = || partitions.iter().map(|one| one.known.epoch).filter(|at| *at > Epoch::MIN);
    let (Some(first), Some(last)) = (entered().min(), entered().max()) else { return 0 };
    let from = if frontier == Epoch::MIN { first } else { frontier };
    match frontier {
        Epoch::MAX => 0,
        _ => last.saturating_sub(from).saturating_add(1).max(0).cast_unsigned(),
    }
}
