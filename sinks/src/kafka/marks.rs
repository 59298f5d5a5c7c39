//! How far a sink came, in a compacted topic: records that are part of the transactions they tell about.

use kafka::{KafkaError, Settings, read_committed};
use market::{Epoch, KEY_GROUPS};
use serde_json::{Value, json};

/// The topic of marks, one for all deployments of a cluster of brokers; it has one partition.
pub const TOPIC: &str = "tidemill_sink_progress";

/// Whose marks they are.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub deployment: String,
    pub sink: String,
    pub lineage: String,
}

impl Owner {
    /// The key of the mark of the writer, which has all key groups.
    pub(super) fn key(&self) -> String {
        self.key_of(0, KEY_GROUPS - 1).to_string()
    }

    fn key_of(&self, first: u32, last: u32) -> Value {
        let (deployment, sink, lineage) = (&self.deployment, &self.sink, &self.lineage);
        json!({
            "deployment": deployment, "sink": sink, "lineage": lineage,
            "first_group": first, "last_group": last,
        })
    }

    /// Up to where everything was committed, for every key group: the least of their greatest marks.
    pub(super) fn read(&self, settings: &Settings) -> Result<Option<Epoch>, KafkaError> {
        let mut groups: Vec<Option<Epoch>> = vec![None; KEY_GROUPS as usize];
        read_committed(settings, TOPIC, 0, |key, value| {
            // Marks of other lineages are many.
            let text = std::str::from_utf8(key.unwrap_or_default()).unwrap_or_default();
            if !text.contains(&self.lineage) {
                return;
            }
            let (Some(key), Some(value)) = (parsed(key), parsed(value)) else { return };
            let group = |name: &str| u32::try_from(key.get(name)?.as_u64()?).ok();
            let (Some(first), Some(last)) = (group("first_group"), group("last_group")) else {
                return;
            };
            let is_own = last < KEY_GROUPS && first <= last && key == self.key_of(first, last);
            if let (true, Some(epoch)) = (is_own, value.get("epoch").and_then(Value::as_i64)) {
                for mark in &mut groups[first as usize..=last as usize] {
                    *mark = (*mark).max(Some(epoch));
                }
            }
        })?;
        Ok(groups.into_iter().min().flatten())
    }
}

/// The value of a mark.
pub(super) fn value(epoch: Epoch, generation: u64) -> String {
    json!({"epoch": epoch, "generation": generation}).to_string()
}

fn parsed(bytes: Option<&[u8]>) -> Option<Value> {
    serde_json::from_slice(bytes?).ok()
}
