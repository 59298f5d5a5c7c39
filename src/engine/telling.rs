//! What process 0 tells the others of the topics of a run.

use super::topics::{TopicPart, Topics};
use market::Time;
use serde_json::{Value, json};
use sources::{Decided, Decision, Exclusion, LogPart};
use std::sync::Arc;

impl Topics {
    /// What is told to the other processes.
    pub fn told(&self) -> String {
        let part = |part: &TopicPart| {
            let TopicPart { number, source, log, anew, open } = part;
            let decided = log.decided.iter().map(|one| match &one.what {
                Decided::Beat(time) => json!([one.next, one.index, time.ns()]),
                Decided::Exclude(exclusion) => json!([one.next, one.index, exclusion.record()]),
            });
            json!({
                "number": number, "source": source, "anew": anew, "open": open,
                "topic": log.topic, "topic_id": log.topic_id, "partition": log.partition, "start": log.start,
                "end": log.end, "decided": decided.collect::<Vec<_>>(),
            })
        };
        let parts: Vec<Value> = self.parts.iter().map(part).collect();
        json!({ "histories": self.histories, "parts": parts }).to_string()
    }

    /// Takes what process 0 told; none where that cannot be understood.
    pub fn take(&mut self, told: &str) -> Option<()> {
        let told: Value = serde_json::from_str(told).ok()?;
        self.histories = serde_json::from_value(told["histories"].clone()).ok()?;
        self.parts = told["parts"].as_array()?.iter().map(part_of).collect::<Option<_>>()?;
        Some(())
    }
}

fn part_of(value: &Value) -> Option<TopicPart> {
    let number = |name: &str| value[name].as_u64();
    let decision = |one: &Value| {
        let index = u32::try_from(one[1].as_u64()?).ok()?;
        let what = match one[2].as_i64() {
            Some(ns) => Decided::Beat(Time::from_ns(ns)),
            None => Decided::Exclude(Arc::new(Exclusion::of_record(&one[2]).ok()??)),
        };
        Some(Decision { next: one[0].as_u64()?, index, what })
    };
    let log = LogPart {
        topic: value["topic"].as_str()?.to_owned(),
        topic_id: value["topic_id"].as_str()?.to_owned(),
        partition: u32::try_from(number("partition")?).ok()?,
        start: number("start")?,
        end: number("end"),
        decided: value["decided"].as_array()?.iter().map(decision).collect::<Option<_>>()?,
    };
    let (source, anew) = (number("source")? as usize, value["anew"].as_bool()?);
    let (number, open) = (number("number")? as usize, value["open"].as_bool()?);
    Some(TopicPart { number, source, log, anew, open })
}
