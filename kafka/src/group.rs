//! How far a group read, said for display: nobody joins the group, and nothing is read from what it says.

use crate::admin::PartitionName;
use crate::client::Client;
use crate::settings::{KafkaError, Settings};
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

/// How long an answer is waited for.
const WAIT: Duration = Duration::from_secs(30);

/// A connection to what the brokers know of a group.
pub struct Group {
    client: Client,
    name: String,
}

impl Group {
    /// Connects in the background.
    ///
    /// # Errors
    /// Fails where the settings do not go together.
    pub fn new(settings: &Settings, name: &str) -> Result<Self, KafkaError> {
        let client = Client::new(settings, &[("group.id", name)])?;
        Ok(Group { client, name: name.to_owned() })
    }

    /// How far it says it read: the next offset of partitions in the order given, where it said so.
    ///
    /// # Errors
    /// Fails when the group's broker does not answer, or we may not.
    pub fn committed(&self, partitions: &[PartitionName]) -> Result<Vec<Option<u64>>, KafkaError> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            list.add_partition(topic, *partition as i32);
        }
        let told = self.client.consumer().committed_offsets(list, WAIT);
        let told = told.map_err(|error| {
            self.client.explain(format!("asking for the offsets of group {}", self.name), &error)
        })?;
        let next = |(topic, partition): &PartitionName| match told
            .find_partition(topic, *partition as i32)?
            .offset()
        {
            Offset::Offset(offset) => u64::try_from(offset).ok(),
            _ => None,
        };
        Ok(partitions.iter().map(next).collect())
    }

    /// Says how far it read: the next offset of each partition.
    ///
    /// # Errors
    /// Fails when the group's broker does not answer, or we may not.
    pub fn commit(&self, next: &[(PartitionName, u64)]) -> Result<(), KafkaError> {
        let doing = || format!("committing offsets of group {}", self.name);
        let mut list = TopicPartitionList::with_capacity(next.len());
        for ((topic, partition), offset) in next {
            let offset = Offset::Offset(*offset as i64);
            let added = list.add_partition_offset(topic, *partition as i32, offset);
            added.map_err(|error| KafkaError::of(doing(), error))?;
        }
        let committed = self.client.consumer().commit(&list, CommitMode::Sync);
        committed.map_err(|error| self.client.explain(doing(), &error))
    }
}
