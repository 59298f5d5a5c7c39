//! Where the brokers are and how they are spoken to: everything that librdkafka is configured with.

use rdkafka::ClientConfig;
use std::collections::BTreeMap;
use std::fmt;

/// Why Kafka could not do what was asked, in words that name the broker, topic or setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct KafkaError {
    /// What was being done, and what went wrong.
    pub what: String,
}

impl KafkaError {
    /// What went wrong while `doing`.
    pub fn of(doing: impl fmt::Display, error: impl fmt::Display) -> Self {
        KafkaError { what: format!("{doing}: {error}") }
    }
}

/// Brokers, and settings as librdkafka names them (TLS and SASL among them). Values are never printed:
/// passwords are among them.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    brokers: String,
    given: BTreeMap<String, String>,
}

/// Settings that are Tidemill's to choose, for exactly once depends on them.
const OURS: &[&str] = &[
    "bootstrap.servers",
    "group.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "isolation.level",
    "enable.partition.eof",
    "transactional.id",
    "enable.idempotence",
    "partitioner",
];

impl Settings {
    /// Settings for `brokers`, as `host:port,host:port`.
    ///
    /// # Errors
    /// Refuses an empty list, a setting that is not the user's to choose, and one that librdkafka does not know.
    pub fn new(brokers: &str, given: BTreeMap<String, String>) -> Result<Self, KafkaError> {
        if brokers.trim().is_empty() {
            return Err(KafkaError::of("brokers = \"\"", "host:port is wanted"));
        }
        if let Some(name) = given.keys().find(|name| OURS.contains(&name.as_str())) {
            return Err(KafkaError::of(name, "Tidemill sets it itself"));
        }
        let settings = Settings { brokers: brokers.trim().to_owned(), given };
        // librdkafka checks names and values where the native configuration is made.
        settings.client().create_native_config().map_err(unfit)?;
        Ok(settings)
    }

    /// The brokers, as given.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Whether the setting `name` is given.
    pub fn names(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// A client's configuration, to be completed by who makes one.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config.set("client.id", "tidemill");
        self.given.iter().for_each(|(name, value)| {
            config.set(name, value);
        });
        config
    }
}

/// Why a setting cannot be, as librdkafka says it. Its wrapper says name and value once more behind that.
fn unfit(error: rdkafka::error::KafkaError) -> KafkaError {
    match error {
        rdkafka::error::KafkaError::ClientConfig(_, why, ..) => {
            KafkaError::of("kafka settings", why)
        }
        error => KafkaError::of("kafka settings", error),
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.given.keys().collect();
        f.debug_struct("Settings").field("brokers", &self.brokers).field("given", &names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str, value: &str) -> Result<Settings, KafkaError> {
        Settings::new("localhost:9092", BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }

    #[test]
    fn what_is_not_known_or_not_the_users_is_refused() {
        assert!(settings("linger.ms", "5").is_ok());
        for (name, value, word) in [
            ("linger", "5", "linger"),
            ("security.protocol", "SSH", "security.protocol"),
            ("group.id", "mine", "Tidemill sets it"),
        ] {
            let error = settings(name, value).unwrap_err().what;
            assert_eq!(error.matches(word).count(), 1, "{error}");
            assert!(error.matches(value).count() < 2, "{error}");
        }
        assert!(Settings::new(" ", BTreeMap::new()).is_err());
    }

    #[test]
    fn values_are_not_shown() {
        let shown = format!("{:?}", settings("sasl.password", "hunter2").unwrap());
        assert!(shown.contains("sasl.password") && !shown.contains("hunter2"), "{shown}");
    }
}
