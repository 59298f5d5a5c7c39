//! What may not be as it should be, with the limits beyond which it is told, and the runbook to read.

use super::seen::Seen;
use market::Epoch;
use serde_json::{Value, json};

/// A worker that does not turn for so long is stalled.
const WORKER_SECONDS: f64 = 60.0;
/// Brokers that do not answer for so long are away.
const SOURCE_SECONDS: f64 = 20.0;
/// A call of a sink that takes so long is stalled.
const SINK_SECONDS: f64 = 10.0;
/// A partition that messages wait for and that is not read for so long is stalled.
const PARTITION_SECONDS: f64 = 30.0;
/// A frontier that stands for so long while others have read on is held.
const FRONTIER_SECONDS: f64 = 60.0;
/// A checkpoint is old after so many times what lies between two of them, and so many seconds.
const CHECKPOINT_TIMES: f64 = 3.0;
const CHECKPOINT_SECONDS: f64 = 60.0;

macro_rules! conditions {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal,)*) => {
        /// What may not be as it should be.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Condition { $($(#[doc = $doc])* $name,)* }

        impl Condition {
            /// Every one.
            #[cfg(test)]
            pub const ALL: &'static [Condition] = &[$(Condition::$name,)*];

            /// Its name.
            pub const fn code(self) -> &'static str {
                match self { $(Condition::$name => $code,)* }
            }
        }
    };
}

conditions! {
    /// A process does not answer.
    ProcessAway = "process-away",
    /// Not all workers are at work yet.
    NotStarted = "not-started",
    /// A worker does not turn.
    WorkerStalled = "worker-stalled",
    /// The brokers of a source do not answer.
    SourceAway = "source-away",
    /// A sink does not take what it is given.
    SinkStalled = "sink-stalled",
    /// Messages wait in a partition that is not read.
    PartitionStalled = "partition-stalled",
    /// A partition holds everybody back.
    FrontierHeld = "frontier-held",
    /// Checkpoints fail, or do not come.
    CheckpointOld = "checkpoint-old",
    /// More records are refused than may be.
    TooManyRefused = "too-many-refused",
    /// Symbols come through several partitions.
    SymbolsSpread = "symbols-spread",
}

impl Condition {
    /// The runbook to read.
    pub fn runbook(self) -> String {
        format!("docs/runbooks/{}.md", self.code())
    }

    /// Whether a process in it is to be started again.
    pub fn is_sick(self) -> bool {
        self == Condition::WorkerStalled
    }

    /// Whether a process in it is not ready.
    pub fn is_unready(self) -> bool {
        use Condition::{NotStarted, PartitionStalled, SinkStalled, SourceAway, WorkerStalled};
        matches!(self, NotStarted | WorkerStalled | SourceAway | SinkStalled | PartitionStalled)
    }
}

/// A condition that was found, in words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub condition: Condition,
    pub what: String,
}

impl Found {
    /// As in documents.
    pub fn json(&self) -> Value {
        json!({
            "condition": self.condition.code(),
            "what": self.what,
            "runbook": self.condition.runbook(),
        })
    }
}

/// What is not as it should be.
pub(super) fn judge(seen: &Seen) -> Vec<Found> {
    let mut found = Vec::new();
    let mut put = |condition, what: String| found.push(Found { condition, what });
    if seen.closed {
        put(Condition::NotStarted, "the run has ended".to_owned());
    } else if !seen.has_begun() {
        let (at_work, all) = (seen.workers.len(), seen.run.workers);
        put(Condition::NotStarted, format!("{at_work} of {all} workers are at work"));
    }
    for worker in &seen.workers {
        // One that waits for the sinks goes on when they do.
        if worker.stands >= WORKER_SECONDS && !seen.waits_for_sinks {
            let what =
                format!("worker {} has not turned for {:.0} s", worker.number, worker.stands);
            put(Condition::WorkerStalled, what);
        }
    }
    for answer in &seen.brokers {
        let silent = answer.answered.elapsed().as_secs_f64();
        if let Some(error) = answer.error.as_ref().filter(|_| silent >= SOURCE_SECONDS) {
            let source = &answer.source;
            let what =
                format!("the brokers of source {source} are away for {silent:.0} s: {error}");
            put(Condition::SourceAway, what);
        }
    }
    for sink in &seen.sinks {
        if let Some((call, seconds)) = sink.busy().filter(|(_, busy)| *busy >= SINK_SECONDS) {
            let what = format!("a {call} of sink {} takes {seconds:.0} s", sink.name);
            put(Condition::SinkStalled, what);
        }
    }
    for one in &seen.partitions {
        let waiting = one.behind.unwrap_or(0);
        if waiting > 0 && one.stands >= PARTITION_SECONDS {
            let (name, stands) = (&one.known.name, one.stands);
            let what = format!("{waiting} messages wait in {name}, not read for {stands:.0} s");
            put(Condition::PartitionStalled, what);
        }
    }
    judge_results(seen, &mut put);
    found
}

/// What is wrong with what comes out.
fn judge_results(seen: &Seen, put: &mut dyn FnMut(Condition, String)) {
    let is_ahead = |epoch: Epoch| epoch > seen.frontier.saturating_add(1);
    let others = seen.partitions.iter().any(|one| is_ahead(one.known.epoch));
    if others && seen.frontier_stands >= FRONTIER_SECONDS {
        let holders: Vec<&str> =
            seen.partitions.iter().filter(|one| one.holds).map(|one| &*one.known.name).collect();
        let by = match holders.is_empty() {
            true => "by another process, the graph or the sinks".to_owned(),
            false => format!("by {}", holders.join(", ")),
        };
        let stands = seen.frontier_stands;
        put(Condition::FrontierHeld, format!("nothing is complete since {stands:.0} s, held {by}"));
    }
    if let Some(every_ms) = seen.run.every_ms.filter(|_| seen.run.process == 0) {
        let (age, known) = (seen.checkpoint_age, &seen.checkpoints);
        let limit = (CHECKPOINT_TIMES * every_ms as f64 / 1e3).max(CHECKPOINT_SECONDS);
        // Where nothing became complete since, there is nothing to keep.
        let is_owed = (Epoch::MIN + 1..Epoch::MAX).contains(&seen.frontier)
            && known.epoch.is_none_or(|epoch| seen.frontier > epoch.saturating_add(1));
        if is_owed && age >= limit {
            let why = known.last_failure.as_ref().map_or(String::new(), |why| format!(": {why}"));
            put(Condition::CheckpointOld, format!("the last checkpoint is {age:.0} s old{why}"));
        }
    }
    let (read, refused) = (seen.counts.read, seen.counts.refused_total());
    if crate::engine::judge((read, 1, refused), seen.run.max_refused, false) != 0 {
        put(Condition::TooManyRefused, format!("{refused} of {read} records were refused"));
    }
    if seen.spread_symbols > 0 {
        let what = format!("{} symbols came through several partitions", seen.spread_symbols);
        put(Condition::SymbolsSpread, what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_has_a_runbook_and_every_runbook_a_condition() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/runbooks");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .expect("the runbooks")
            .map(|entry| entry.expect("a runbook").file_name().to_string_lossy().into_owned())
            .collect();
        let mut wanted: Vec<String> =
            Condition::ALL.iter().map(|condition| format!("{}.md", condition.code())).collect();
        there.sort();
        wanted.sort();
        assert_eq!(there, wanted);
    }
}
