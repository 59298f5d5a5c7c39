//! What deployments committed, and whether it is the same.

use crate::lab::{Lab, at};
use kafka::{Topics, read_committed};
use std::collections::BTreeMap;

/// The records of every output topic, partition by partition.
pub type Committed = BTreeMap<(String, u32), Vec<(String, String)>>;

impl Lab {
    /// How far a deployment committed.
    pub fn mark(&self, word: &str) -> Option<i64> {
        let (mut mark, name) = (None, self.deployment(word));
        let read = read_committed(&at(&self.sink), "tidemill_sink_progress", 0, |key, value| {
            let [key, value] = [key, value]
                .map(|text| String::from_utf8_lossy(text.unwrap_or_default()).into_owned());
            if key.contains(&name) {
                let value: serde_json::Value = serde_json::from_str(&value).unwrap();
                mark = value["epoch"].as_i64();
            }
        });
        // The topic is made by the first run.
        read.ok().and(mark)
    }

    pub fn committed(&self, word: &str) -> Committed {
        let prefix = format!("{}-", self.deployment(word));
        let topics = Topics::open(&at(&self.sink)).unwrap().list().unwrap();
        let mut committed = Committed::new();
        for (topic, found) in topics.iter().filter(|(topic, _)| topic.starts_with(&prefix)) {
            for partition in 0..found.partitions as u32 {
                let name = topic[prefix.len()..].to_owned();
                let list = committed.entry((name, partition)).or_default();
                read_committed(&at(&self.sink), topic, partition, |key, value| {
                    let text = |bytes: Option<&[u8]>| {
                        String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
                    };
                    list.push((text(key), text(value)));
                })
                .unwrap();
            }
        }
        committed
    }

    /// What the first committed, the other did too, in this order, before it went on.
    pub fn compare_begin(&self, live: &str, whole: &str) {
        let (live, whole) = (self.committed(live), self.committed(whole));
        let all: usize = live.values().map(Vec::len).sum();
        assert!(all > 1_000, "{all} records");
        for (place, records) in &live {
            begins_with(place, records, &whole[place]);
        }
    }

    /// Both committed the same records in the same order.
    pub fn compare(&self, clean: &str, other: &str) {
        let (clean, other) = (self.committed(clean), self.committed(other));
        assert_eq!(clean.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
        let all: usize = clean.values().map(Vec::len).sum();
        assert!(all > 500, "{all} records");
        for (place, records) in &clean {
            let others = &other[place];
            begins_with(place, records, others);
            assert_eq!(records.len(), others.len(), "{place:?}");
        }
    }
}

/// Records of a place stand there too where others were committed, first and in this order.
fn begins_with(place: &(String, u32), records: &[(String, String)], others: &[(String, String)]) {
    let differs = records.iter().zip(others).position(|(a, b)| a != b);
    assert!(
        differs.is_none() && records.len() <= others.len(),
        "{place:?}: {} of {} records, they differ at {differs:?}: {:?} {:?}",
        records.len(),
        others.len(),
        differs.map(|at| &records[at]),
        differs.map(|at| &others[at])
    );
}
