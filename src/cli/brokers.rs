//! Which brokers a command speaks to: those of its flags, else those of the configuration.

use super::Failure;
use super::topic_args::BrokerFlags;
use crate::config::{Config, SinkKind, SourceKind, substitute};
use kafka::Settings;
use operators::indicator::Registry;
use std::collections::BTreeMap;
use std::path::Path;

/// The configuration of `file`.
pub(super) fn configuration(file: &Path) -> Result<Config, Failure> {
    Config::read(file, &[], &Registry::standard()).map_err(Failure::usage)
}

/// The brokers of the flags, else the first that the configuration names.
pub(super) fn settings(flags: &BrokerFlags) -> Result<Settings, Failure> {
    if let Some(brokers) = &flags.brokers {
        return Settings::new(brokers, given(&flags.settings)?).map_err(Failure::usage);
    }
    let config = configuration(&flags.config)?;
    let written = config.sinks().iter().find_map(|sink| match &sink.kind {
        SinkKind::Kafka(target) => Some(target.settings.clone()),
        _ => None,
    });
    let read = config.sources().iter().find_map(|source| match &source.kind {
        SourceKind::Kafka(kafka) => Some(kafka.settings.clone()),
        _ => None,
    });
    let file = flags.config.display();
    written.or(read).ok_or_else(|| {
        Failure::usage(format!("{file}: no source or sink of kind kafka; --brokers names brokers"))
    })
}

/// Settings as `NAME=VALUE`, with what they refer to put in.
pub(super) fn given(list: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut settings = BTreeMap::new();
    for setting in list {
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| Failure::usage("--kafka: wanted NAME=VALUE, as linger.ms=5"))?;
        let replaced = substitute(value)
            .map_err(|error| Failure::usage(format!("--kafka {name}: {error}")))?;
        settings.insert(name.to_owned(), replaced.unwrap_or_else(|| value.to_owned()));
    }
    Ok(settings)
}
