//! What a control topic holds: decisions that were made of partitions from outside their logs, in their order.
//!
//! ```text
//! {"idle":{"topic":T,"topic_id":I,"partition":P,"after_offset":N,"watermark":NS}}
//! {"join":{"topic":T,"topic_id":I,"partition":P,"after_offset":N,"watermark":NS}}
//! {"exclude":{"id":I,"where":W,"ids":[...],"reason":R}}          asked for from outside
//! {"excluded":{"id":I,"topic":T,"topic_id":I,"partition":P,"after_offset":N}}
//! {"gap":{"deployment":D,"generation":G,"topic":T,"topic_id":I,"partition":P,"from":N,"to":N}}
//! ```
//! Other records are another's. A topic that was made anew has another id, and what was decided of the old one is
//! nothing to it.

use super::control::{Decided, Decision};
use super::source::{Gap, KafkaSourceError, LogPart};
use crate::layout::Exclusion;
use ::kafka::{Admin, KafkaError, PartitionName, Settings, read_committed};
use market::Time;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Decisions that a control topic may hold of one partition.
const DECISIONS_MAX: usize = 1 << 20;

/// What was decided of a topic's partition, before the message at `next`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Beat {
    topic_id: String,
    next: u64,
    what: Decided,
}

/// A partition that joined runs which had begun without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its topic and number.
    pub part: PartitionName,
    /// The topic's id.
    pub topic_id: String,
    /// Its first offset.
    pub start: u64,
}

/// A gap that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// By which deployment.
    pub deployment: String,
    /// By which of its runs: checkpoints of earlier ones lie before the gap.
    pub generation: u64,
    /// What is missing.
    pub gap: Gap,
    /// The id of the topic behind it.
    pub topic_id: String,
}

/// Everything that was decided.
#[derive(Clone, Debug, Default)]
pub struct Recalled {
    beats: BTreeMap<PartitionName, Vec<Beat>>,
    joined: Vec<Joined>,
    accepted: Vec<Accepted>,
    /// By what names them.
    exclusions: BTreeMap<String, Arc<Exclusion>>,
}

/// Reads a control topic to its end; one that is not there holds nothing. Whoever may write to it must be fenced
/// before.
///
/// # Errors
/// Fails when no broker answers, and at a decision that cannot be understood.
pub fn recall(settings: &Settings, topic: &str) -> Result<Recalled, KafkaSourceError> {
    let mut recalled = Recalled::default();
    if Admin::new(settings)?.topic(topic)?.is_none() {
        return Ok(recalled);
    }
    let mut wrong = None;
    read_committed(settings, topic, 0, |_, value| {
        if let Err(what) = recalled.take(value.unwrap_or_default()) {
            wrong.get_or_insert(what);
        }
    })?;
    match wrong {
        None => Ok(recalled),
        Some(what) => Err(KafkaError { what: format!("{topic}: {what}") }.into()),
    }
}

impl Recalled {
    fn take(&mut self, value: &[u8]) -> Result<(), String> {
        let text = String::from_utf8_lossy(value);
        let record: Value = serde_json::from_slice(value).map_err(|e| format!("{text}: {e}"))?;
        if let Some(exclusion) = Exclusion::of_record(&record).map_err(|error| error.to_string())? {
            self.exclusions.insert(exclusion.id.clone(), Arc::new(exclusion));
            return Ok(());
        }
        let kinds = ["idle", "join", "gap", "excluded"];
        let Some(kind) = kinds.into_iter().find(|kind| record.get(kind).is_some()) else {
            return Ok(());
        };
        let read = match kind {
            "gap" => accepted(&record[kind]).map(|accepted| self.accepted.push(accepted)),
            "excluded" => self.excluded(&record[kind]),
            _ => beat(&record[kind]).map(|(part, beat)| {
                let is_known = self
                    .joined
                    .iter()
                    .any(|joined| joined.part == part && joined.topic_id == beat.topic_id);
                if kind == "join" && !is_known {
                    let (topic_id, start) = (beat.topic_id.clone(), beat.next);
                    self.joined.push(Joined { part: part.clone(), topic_id, start });
                }
                // Only the first of several that let it join is true.
                if kind == "idle" || !is_known {
                    self.beats.entry(part).or_default().push(beat);
                }
            }),
        };
        read.ok_or_else(|| format!("{text}: this is no decision"))?;
        match self.beats.values().any(|list| list.len() > DECISIONS_MAX) {
            true => Err(format!("more than {DECISIONS_MAX} decisions of a partition")),
            false => Ok(()),
        }
    }

    fn excluded(&mut self, fields: &Value) -> Option<()> {
        let (part, topic_id, next) = place_of(fields)?;
        let what = Decided::Exclude(self.exclusions.get(fields["id"].as_str()?)?.clone());
        self.beats.entry(part).or_default().push(Beat { topic_id, next, what });
        Some(())
    }

    /// What was decided of a part, by rising position.
    pub fn of(&self, part: &LogPart) -> Vec<Decision> {
        let beats = self.beats.get(&(part.topic.clone(), part.partition));
        let own = beats.into_iter().flatten().filter(|beat| beat.topic_id == part.topic_id);
        let mut list: Vec<Decision> = own
            .map(|beat| Decision { next: beat.next, index: 0, what: beat.what.clone() })
            .collect();
        list.sort_by_key(|decision| decision.next);
        for place in list.chunk_by_mut(|one, other| one.next == other.next) {
            place.iter_mut().zip(0..).for_each(|(decision, index)| decision.index = index);
        }
        list
    }

    /// Partitions that joined, in their order.
    pub fn joined(&self) -> &[Joined] {
        &self.joined
    }

    /// Gaps that a deployment accepted, in their order.
    pub fn accepted<'a>(&'a self, deployment: &'a str) -> impl Iterator<Item = &'a Accepted> {
        self.accepted.iter().filter(move |accepted| accepted.deployment == deployment)
    }
}

fn part_of(fields: &Value) -> Option<(PartitionName, String)> {
    let partition = u32::try_from(fields["partition"].as_u64()?).ok()?;
    let topic_id = fields["topic_id"].as_str()?.to_owned();
    Some(((fields["topic"].as_str()?.to_owned(), partition), topic_id))
}

fn place_of(fields: &Value) -> Option<(PartitionName, String, u64)> {
    let (part, topic_id) = part_of(fields)?;
    let next = u64::try_from(fields["after_offset"].as_i64()? + 1).ok()?;
    Some((part, topic_id, next))
}

fn beat(fields: &Value) -> Option<(PartitionName, Beat)> {
    let (part, topic_id, next) = place_of(fields)?;
    let what = Decided::Beat(Time::from_ns(fields["watermark"].as_i64()?));
    Some((part, Beat { topic_id, next, what }))
}

fn accepted(fields: &Value) -> Option<Accepted> {
    let ((topic, partition), topic_id) = part_of(fields)?;
    let (from, to) = (fields["from"].as_u64()?, fields["to"].as_u64()?);
    let gap = Gap { topic, partition, from, to, anew: fields["anew"].as_bool()? };
    let deployment = fields["deployment"].as_str()?.to_owned();
    Some(Accepted { deployment, generation: fields["generation"].as_u64()?, gap, topic_id })
}

/// The record of a decision of one kind.
pub(super) fn beat_record(kind: &str, part: &LogPart, next: u64, time: Time) -> Value {
    json!({ kind: {
        "topic": part.topic, "topic_id": part.topic_id, "partition": part.partition,
        "after_offset": next.cast_signed() - 1, "watermark": time.ns(),
    }})
}

/// The record of where an exclusion begins.
pub(super) fn excluded_record(part: &LogPart, next: u64, id: &str) -> Value {
    json!({ "excluded": {
        "id": id, "topic": part.topic, "topic_id": part.topic_id, "partition": part.partition,
        "after_offset": next.cast_signed() - 1,
    }})
}

/// The record of an accepted gap.
pub(super) fn gap_record(accepted: &Accepted) -> Value {
    let Accepted { deployment, generation, gap, topic_id } = accepted;
    json!({ "gap": {
        "deployment": deployment, "generation": generation, "topic": gap.topic, "topic_id": topic_id,
        "partition": gap.partition, "from": gap.from, "to": gap.to, "anew": gap.anew,
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(topic_id: &str) -> LogPart {
        let (topic, topic_id) = ("t".to_owned(), topic_id.to_owned());
        LogPart { topic, topic_id, partition: 3, start: 0, end: None, decided: Vec::new() }
    }

    #[test]
    fn decisions_are_read_back_by_position_of_the_topic_they_were_made_of() {
        let (old, new) = (part("old"), part("new"));
        let beat = |kind, part, next, ns| beat_record(kind, part, next, Time::from_ns(ns));
        let gap = Gap { topic: "t".to_owned(), partition: 3, from: 7, to: 0, anew: true };
        let topic_id = "new".to_owned();
        let passed = Accepted { deployment: "d".to_owned(), generation: 2, gap, topic_id };
        let exclusion = Exclusion::parse("x", "symbol = 'A'", &[], "why").unwrap();
        let records = [
            beat("idle", &old, 9, 90),
            beat("join", &new, 0, 10),
            beat("join", &new, 0, 20),
            beat("idle", &new, 5, 50),
            gap_record(&passed),
            beat("idle", &new, 0, 15),
            json!({"another": {"symbol": "A"}}),
            exclusion.record(),
            excluded_record(&new, 5, "x"),
        ];
        let mut recalled = Recalled::default();
        for record in records {
            recalled.take(record.to_string().as_bytes()).unwrap();
        }
        let of = |part: &LogPart| -> Vec<(u64, u32, i64)> {
            let list = recalled.of(part);
            let ns = |one: &Decision| one.time().map_or(0, Time::ns);
            list.iter().map(|one| (one.next, one.index, ns(one))).collect()
        };
        assert_eq!(of(&old), [(9, 0, 90)]);
        assert_eq!(of(&new), [(0, 0, 10), (0, 1, 15), (5, 0, 50), (5, 1, 0)]);
        assert_eq!(recalled.joined().len(), 1);
        assert_eq!(recalled.accepted("d").collect::<Vec<_>>(), [&passed]);
        assert_eq!(recalled.accepted("other").count(), 0);
        for wrong in ["", "5x", r#"{"idle":{"topic":"t"}}"#, r#"{"gap":7}"#] {
            assert!(Recalled::default().take(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
