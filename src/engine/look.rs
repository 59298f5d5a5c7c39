//! What a start would find before it reads anything: its files, its checkpoints, its store. Nothing is made or claimed,
//! and brokers and buckets are asked only where that is wanted.

use super::identity::identity;
use super::topics::is_of_topics;
use super::{EngineError, Outlook, file_source, outlook};
use crate::config::{CheckpointConfig, Config, FilesConfig, SinkKind, SourceConfig, SourceKind};
use crate::depot::ObjectDepot;
use dataflows::checkpoint::{Manifest, Newest, SequenceError, newest_there};
use sinks::{Store, StoreError, difference};
use std::collections::HashSet;
use std::path::Path;

/// What a start would do, as far as can be said.
#[derive(Default)]
pub(crate) struct Prospect {
    /// What changed since the newest checkpoint.
    pub outlook: Outlook,
    /// Why that is not known, where checkpoints are kept.
    pub unseen: Option<String>,
    /// What it would do, a line each.
    pub does: Vec<String>,
    /// What would stop it, a line each.
    pub stops: Vec<String>,
    /// What tells the files from others, where all could be looked at.
    files: Option<Vec<(String, String)>>,
}

/// Looks around; beyond this machine where `connects`.
///
/// # Errors
/// Fails where checkpoints are of another format, and where what is there cannot be read.
pub(crate) fn look(config: &Config, connects: bool) -> Result<Prospect, EngineError> {
    let mut found = Prospect { files: Some(Vec::new()), ..Prospect::default() };
    let newest = found.checkpoints(config, connects)?;
    let begun = newest.as_ref().is_some_and(|(_, manifest)| manifest.epoch.is_some());
    config.sources().iter().for_each(|source| found.source(config, source, begun));
    if found.outlook.changes.refused.is_empty() {
        found.store(config, newest.as_ref().map(|(_, manifest)| manifest));
    }
    Ok(found)
}

impl Prospect {
    /// The newest checkpoint with its number, and what changed since.
    fn checkpoints(
        &mut self,
        config: &Config,
        connects: bool,
    ) -> Result<Option<(u64, Manifest)>, EngineError> {
        let Some(given) = config.checkpoints() else {
            self.does.push("begin with the inputs' beginning: no checkpoints are kept".to_owned());
            return Ok(None);
        };
        let (newest, passed_over) = match newest(config, given, connects) {
            Ok(newest) => newest,
            Err(SequenceError::Depot(error)) => {
                self.unseen = Some(error.what);
                return Ok(None);
            }
            Err(error) => return Err(EngineError::Source(error.to_string())),
        };
        let passed = passed_over.iter().map(ToString::to_string);
        let Some((number, manifest)) = newest else {
            if !passed_over.is_empty() {
                let (to, faults) = (given.to.clone(), passed.collect());
                self.stops.push(EngineError::NoneWhole { to, faults }.to_string());
                return Ok(None);
            }
            self.does.push(format!("begin anew: there are no checkpoints at {}", given.to));
            return Ok(None);
        };
        self.does.extend(passed.map(|passed| format!("pass over what is not whole: {passed}")));
        self.outlook = outlook(config, &manifest, connects)?;
        let at = manifest.epoch.map(|epoch| config.epoch().start(epoch));
        self.does.push(match at {
            Some(at) => format!("go on from checkpoint {number} at {}, cut at {at}", given.to),
            None => format!("go on from checkpoint {number} at {}, the beginning", given.to),
        });
        Ok(Some((number, manifest)))
    }

    /// The files of a source. Once history was read to its end it need not be there any more, and whether it was is
    /// known to those who read the checkpoint: where it is not there, that may stop a run that has begun or not.
    fn source(&mut self, config: &Config, source: &SourceConfig, begun: bool) {
        let (files, is_history) = match &source.kind {
            SourceKind::Files(files) => (files, false),
            SourceKind::Kafka(kafka) => match &kafka.history {
                Some(files) => (files, true),
                None => return,
            },
            SourceKind::Simulator(_) => return,
        };
        let name = if is_history { "history of " } else { "" };
        match facts(config, source, files) {
            Ok((line, facts)) => {
                self.does.push(format!("read {name}\"{}\": {line}", source.name));
                let known = self.files.iter_mut().filter(|_| !is_history);
                known.for_each(|known| known.extend(facts.iter().cloned()));
            }
            Err(error) if is_history && begun => self.does.push(format!(
                "go without history of \"{}\", if it was read to its end: {error}",
                source.name
            )),
            Err(error) => {
                self.stops.push(format!("{name}\"{}\": {error}", source.name));
                self.files = None;
            }
        }
    }

    /// The store folder: whether it is of what would run.
    fn store(&mut self, config: &Config, newest: Option<&Manifest>) {
        let folder = config.data();
        let known = match Store::identity_at(folder) {
            Ok(Some(known)) => known,
            Ok(None) => return self.no_store(config, newest),
            Err(error) => return self.stops.push(error.to_string()),
        };
        let what = match newest {
            Some(manifest) if manifest.lineage != known.fingerprint => {
                Some(difference(&known.parts, &manifest.facts))
            }
            Some(_) => None,
            // What topics hold is asked when a run begins, and part of what its store is of.
            None => self.files.as_ref().and_then(|files| {
                let given = [config.facts(), files.clone()].concat();
                let mut was = known.parts.clone();
                was.retain(|(name, _)| !is_of_topics(name));
                let is_same =
                    was.iter().collect::<HashSet<_>>() == given.iter().collect::<HashSet<_>>();
                (!is_same).then(|| difference(&was, &given))
            }),
        };
        match what {
            Some(what) => {
                let folder = folder.to_owned();
                self.stops.push(StoreError::Other { folder, what }.to_string());
            }
            None => self.does.push(format!("go on with the store {}", folder.display())),
        }
    }

    fn no_store(&mut self, config: &Config, newest: Option<&Manifest>) {
        let folder = config.data();
        let is_embedded = |kind: &SinkKind| !matches!(kind, SinkKind::Kafka(_));
        let is_stored = config.sinks().iter().any(|sink| is_embedded(&sink.kind));
        let has_begun = newest.is_some_and(|manifest| manifest.epoch.is_some());
        match config.checkpoints().filter(|_| is_stored && has_begun) {
            Some(given) => {
                let (folder, to) = (folder.to_owned(), given.to.clone());
                self.stops.push(EngineError::StoreGone { folder, to }.to_string());
            }
            None => self.does.push(format!("make the store {}", folder.display())),
        }
    }
}

/// The newest manifest of a deployment whose objects are there, where there is one; whether they are damaged is not
/// looked at. A store that a run would make is not made here.
fn newest(
    config: &Config,
    given: &CheckpointConfig,
    connects: bool,
) -> Result<Newest, SequenceError> {
    let is_bucket = given.to.starts_with("s3://");
    if is_bucket && !connects {
        let what = format!("{} is looked into with --connect", given.to);
        return Err(dataflows::checkpoint::DepotError { what }.into());
    }
    if !is_bucket && !Path::new(&given.to).is_dir() {
        return Ok((None, Vec::new()));
    }
    newest_there(&ObjectDepot::open(&given.to, config.name())?)
}

/// What files there are, in words, and what tells them from others.
fn facts(
    config: &Config,
    source: &SourceConfig,
    files: &FilesConfig,
) -> Result<(String, Vec<(String, String)>), sources::FileError> {
    let checked = file_source(files, config.workers(), source.timing.lateness_ns).check()?;
    let logs = checked.partitions();
    let count: usize = logs.iter().map(|log| log.files.len()).sum();
    let bytes: u64 = logs.iter().map(|log| log.bytes).sum();
    let line = format!("{count} file(s) in {} log(s), {} bytes", logs.len(), super::grouped(bytes));
    Ok((line, identity(&checked)?))
}
