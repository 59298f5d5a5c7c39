//! The topics of a run. Process 0 finds their partitions, where each begins and what was decided of it, and tells the
//! others: a moment later the brokers may answer otherwise.
//!
//! Partitions of the lineage come first, in the order of its facts; then those that joined, in the order in which that
//! was decided, numbered by source in turn: so each has one number in every run of the lineage.

use super::EngineError;
use super::history::is_of_history;
use super::inputs::Reading;
use super::positions::Place;
use crate::config::{KafkaConfig, Timing};
use crate::observe::Watched;
use dataflows::checkpoint::Manifest;
use market::{PartitionError, Symbols};
use sources::{Accepted, Control, KafkaSource, KafkaSourceError, LogPart, PartOpener, Recalled};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};

/// A configured source of topics.
#[derive(Clone)]
pub(super) struct TopicSource {
    /// Its number among all sources.
    pub number: usize,
    pub name: String,
    pub config: KafkaConfig,
    pub source: KafkaSource,
    pub timing: Timing,
    pub pace: Option<f64>,
    /// The number of the history that its partitions are read behind.
    pub behind: Option<u32>,
    /// The number of the pool that its partitions form.
    pub pool: Option<u32>,
}

/// One partition of a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TopicPart {
    /// Its number in the run.
    pub number: usize,
    /// Its source's place among those of topics.
    pub source: usize,
    pub log: LogPart,
    /// What a checkpoint holds is of another topic of that name.
    pub anew: bool,
    /// Where it begins, the history before it says at its end.
    pub open: bool,
}

/// What process 0 goes on from.
pub(super) struct Basis<'a> {
    /// The checkpoint; none where the run begins.
    pub manifest: Option<&'a Manifest>,
    /// The generation that was claimed.
    pub generation: u64,
    /// Who may still write to the control topics for this deployment.
    pub writers: &'a [String],
}

/// The topics of a run.
#[derive(Default)]
pub(super) struct Topics {
    pub sources: Vec<TopicSource>,
    pub parts: Vec<TopicPart>,
    /// The facts that say which files histories are of.
    pub histories: Vec<(String, String)>,
    /// Of each source, where this process may write down what it decides.
    pub controls: Vec<Option<Arc<Control>>>,
    /// The number of the first partition.
    pub first: usize,
    /// The number behind those of the lineage.
    pub joined_from: usize,
    /// The greatest watermark there is.
    pub greatest: Arc<AtomicI64>,
    pub name: String,
    pub reading: Reading,
}

impl Topics {
    /// Finds every partition there is, once brokers answer; `stop` ends the waiting.
    pub fn resolve(&mut self, stop: &AtomicBool) -> Result<(), EngineError> {
        for (source, topics) in self.sources.iter().enumerate() {
            topics.source.wait(stop).map_err(kafka_error)?;
            let found =
                topics.source.resolve(topics.start(self.reading.from)).map_err(kafka_error)?;
            self.parts.extend(found.into_iter().map(|log| TopicPart {
                number: 0,
                source,
                log,
                anew: false,
                open: topics.begins_behind(),
            }));
        }
        Ok(())
    }

    /// Who writes to the control topic of a source, in a process.
    fn writer(&self, source: usize, process: usize) -> String {
        format!("tidemill-{}-control-{source}-{process}", self.name)
    }

    /// Everyone who may write to control topics for a run of so many processes.
    pub fn writers(&self, processes: usize) -> Vec<String> {
        let of = |source| (0..processes).map(move |process| (source, process));
        let all = (0..self.sources.len()).flat_map(of);
        all.map(|(source, process)| self.writer(source, process)).collect()
    }

    /// Fences whoever may still decide, reads what was decided, and settles where each partition begins.
    pub fn agree(&mut self, basis: &Basis<'_>) -> Result<(), EngineError> {
        let found = std::mem::take(&mut self.parts);
        let mut recalled = Vec::new();
        for source in 0..self.sources.len() {
            let control = match self.reading.until_now {
                true => None,
                false => Some(Arc::new(self.possess(source, basis.writers)?)),
            };
            self.controls.push(control);
            let TopicSource { config, .. } = &self.sources[source];
            let all = sources::recall(&config.settings, &config.control).map_err(kafka_error)?;
            recalled.push(all);
        }
        if let Some(manifest) = basis.manifest {
            let known = manifest.facts.iter().filter(|(name, _)| is_of_history(name));
            self.histories = known.cloned().collect();
        }
        self.order(found, basis.manifest, &recalled)?;
        for (source, recalled) in recalled.iter().enumerate() {
            self.begin(source, basis, recalled)?;
        }
        Ok(())
    }

    /// Takes possession of a control topic: nobody else writes to it for this deployment from then on.
    fn possess(&self, source: usize, writers: &[String]) -> Result<Control, EngineError> {
        let settings = &self.sources[source].config.settings;
        let mine = self.writer(source, 0);
        let of_source = mine.trim_end_matches('0');
        let others = writers.iter().filter(|writer| **writer != mine);
        for writer in others.filter(|writer| writer.starts_with(of_source)) {
            Control::fence(settings, writer).map_err(kafka_error)?;
        }
        self.control(source, 0)
    }

    fn control(&self, source: usize, process: usize) -> Result<Control, EngineError> {
        let config = &self.sources[source].config;
        let (writer, greatest) = (self.writer(source, process), self.greatest.clone());
        let (settings, topic) = (&config.settings, &config.control);
        Control::open(settings, topic, &writer, config.idle_after, greatest).map_err(kafka_error)
    }

    /// Numbers the partitions: those of the lineage by its facts, then those that joined.
    pub fn order(
        &mut self,
        mut found: Vec<TopicPart>,
        manifest: Option<&Manifest>,
        recalled: &[Recalled],
    ) -> Result<(), EngineError> {
        let joined = |part: &TopicPart| {
            let mut joined = recalled[part.source].joined().iter();
            joined.position(|joined| joined.part == part.log.key())
        };
        let mut base: Vec<TopicPart> = Vec::new();
        match manifest {
            None => {
                // Those that joined other runs come where they came there.
                found.sort_by_key(|part| joined(part).map(|at| (at, part.source)));
                base.append(&mut found);
            }
            Some(manifest) => {
                for (name, _) in manifest.facts.iter().filter(|(name, _)| is_part(name)) {
                    let at = found.iter().position(|part| fact_of(part) == *name);
                    let gone = || format!("{name} was read until now, and is not there any more");
                    base.push(found.remove(at.ok_or_else(|| EngineError::Source(gone()))?));
                }
            }
        }
        self.joined_from = self.first + base.len();
        let numbered = base.into_iter().zip(self.first..);
        self.parts = numbered.map(|(part, number)| TopicPart { number, ..part }).collect();
        // What joins from now on, and what joined since: each source has every so manieth number.
        let mut rest: Vec<_> =
            found.into_iter().filter_map(|part| Some((joined(&part)?, part))).collect();
        rest.sort_by_key(|(at, _)| *at);
        for (_, part) in rest {
            let number = self.next_number(part.source);
            self.parts.push(TopicPart { number, ..part });
        }
        Ok(())
    }

    /// The number of the next partition of a source that joins.
    pub fn next_number(&self, source: usize) -> usize {
        let joined = self
            .parts
            .iter()
            .filter(|part| part.source == source && part.number >= self.joined_from);
        self.joined_from + joined.count() * self.sources.len() + source
    }

    /// Settles where the parts of a source begin, and what was decided of them.
    fn begin(
        &mut self,
        source: usize,
        basis: &Basis<'_>,
        recalled: &Recalled,
    ) -> Result<(), EngineError> {
        let topics = &self.sources[source].source;
        let mine = || (0..self.parts.len()).filter(|&at| self.parts[at].source == source);
        let places: Vec<usize> = mine().collect();
        if let Some(manifest) = basis.manifest {
            for &at in &places {
                let part = &mut self.parts[at];
                part.open &= !go_on(part, manifest, recalled);
                for accepted in recalled.accepted(&self.name) {
                    part.anew |= leap(&mut part.log, accepted, manifest.generation);
                }
            }
        }
        let mut logs: Vec<LogPart> = places.iter().map(|&at| self.parts[at].log.clone()).collect();
        if basis.manifest.is_some() {
            let gaps = topics.mend(&mut logs, self.reading.accept_gap).map_err(kafka_error)?;
            for gap in gaps {
                let at = logs
                    .iter()
                    .position(|log| (&log.topic, log.partition) == (&gap.topic, gap.partition));
                let Some(at) = at else { continue };
                self.parts[places[at]].anew |= gap.anew;
                let (deployment, topic_id) = (self.name.clone(), logs[at].topic_id.clone());
                let generation = basis.generation;
                let accepted = Accepted { deployment, generation, gap, topic_id };
                if let Some(control) = &self.controls[source] {
                    control.accept(&accepted).map_err(|error| kafka_error(error.into()))?;
                }
            }
        }
        if self.reading.until_now {
            topics.end_now(&mut logs).map_err(kafka_error)?;
        }
        for (mut log, at) in logs.into_iter().zip(places) {
            log.decided = recalled.of(&log);
            self.parts[at].log = log;
        }
        Ok(())
    }

    /// What tells these inputs from others: their partitions.
    pub fn facts(&self) -> Vec<(String, String)> {
        let fact = |part: &TopicPart| {
            let end = part.log.end.map_or_else(String::new, |end| format!(" to {end}"));
            (fact_of(part), format!("{}{end}", part.log.topic_id))
        };
        self.parts.iter().map(fact).collect()
    }

    /// Where they begin, as far as that is settled.
    pub fn starts(&self) -> Vec<(String, String)> {
        let start = |part: &TopicPart| (start_of(part), part.log.start.to_string());
        let settled = self.parts.iter().filter(|part| !part.open).map(start);
        self.histories.iter().cloned().chain(settled).collect()
    }

    /// The partitions, as positions are shown of them.
    pub fn places(&self) -> Vec<Place> {
        let place =
            |part: &TopicPart| (self.sources[part.source].number, part.number, part.log.key());
        self.parts.iter().map(place).collect()
    }

    /// The partitions, as their brokers are asked about them.
    pub fn watched(&self) -> Vec<Watched> {
        let watched = |(number, source): (usize, &TopicSource)| {
            let own = self.parts.iter().filter(|part| part.source == number);
            let partitions = own.map(|part| (part.number, part.log.key())).collect();
            let (source, settings) = (source.name.clone(), source.config.settings.clone());
            Watched { source, settings, partitions }
        };
        self.sources.iter().enumerate().map(watched).collect()
    }

    /// Takes what process 0 told; the openers of the partitions.
    pub fn hear(
        &mut self,
        told: &str,
        symbols: &Symbols,
    ) -> Result<Vec<(TopicPart, PartOpener)>, PartitionError> {
        let failed = |what: String| PartitionError { what, usage: false };
        if self.reading.process != 0 {
            let known = self.take(told);
            known.ok_or_else(|| failed("process 0 tells what is not known".to_owned()))?;
            for source in 0..self.sources.len() {
                let control =
                    (!self.reading.until_now).then(|| self.control(source, self.reading.process));
                let control = control.transpose().map_err(|error| failed(error.to_string()))?;
                self.controls.push(control.map(Arc::new));
            }
        }
        let mut all = Vec::new();
        for (number, topics) in self.sources.iter().enumerate() {
            let parts: Vec<TopicPart> =
                self.parts.iter().filter(|part| part.source == number).cloned().collect();
            let logs: Vec<LogPart> = parts.iter().map(|part| part.log.clone()).collect();
            let control = self.controls.get(number).cloned().flatten();
            let opened = topics.source.open(&logs, control, symbols);
            let opened =
                opened.map_err(|error| PartitionError { what: error.to_string(), usage: true })?;
            all.extend(parts.into_iter().zip(opened));
        }
        Ok(all)
    }
}

/// The fact that names a partition.
pub(super) fn fact_of(part: &TopicPart) -> String {
    let of = if part.source == 0 { String::new() } else { format!(" of source {}", part.source) };
    format!("topic {}{of}", part.log.name())
}

/// The name of the fact that says where a partition begins.
pub(super) fn start_of(part: &TopicPart) -> String {
    fact_of(part).replacen("topic", "start", 1)
}

/// Whether a fact names a partition of a topic.
pub(super) fn is_part(name: &str) -> bool {
    name.starts_with("topic ")
}

/// Whether a fact belongs to what process 0 found of topics.
pub(super) fn is_of_topics(name: &str) -> bool {
    is_part(name) || name.starts_with("start ")
}

/// The topic's id and the first offset of a part that a manifest names, or else that joined since.
pub(super) fn known_of<'a>(
    part: &TopicPart,
    manifest: &'a Manifest,
    recalled: &'a Recalled,
) -> (Option<&'a String>, Option<u64>) {
    match manifest.fact(&fact_of(part)) {
        Some(id) => (Some(id), manifest.fact(&start_of(part)).and_then(|start| start.parse().ok())),
        None => {
            let mut joined = recalled.joined().iter();
            let joined = joined.find(|joined| joined.part == part.log.key());
            joined.map(|joined| (&joined.topic_id, joined.start)).unzip()
        }
    }
}

/// Where a part is read on; whether a checkpoint, or a decision, knows that.
fn go_on(part: &mut TopicPart, manifest: &Manifest, recalled: &Recalled) -> bool {
    let (id, start) = known_of(part, manifest, recalled);
    id.into_iter().for_each(|id| part.log.topic_id.clone_from(id));
    let after = manifest.position(part.number);
    let start = after.and_then(sources::resume_at).or(start);
    part.log.start = start.unwrap_or(part.log.start);
    start.is_some()
}

/// Takes an accepted gap, where it is one of this part; whether the topic behind it is another one, which the
/// checkpoint knows nothing of.
fn leap(log: &mut LogPart, accepted: &Accepted, checkpoint: u64) -> bool {
    if (&accepted.gap.topic, accepted.gap.partition) != (&log.topic, log.partition) {
        return false;
    }
    let is_before = checkpoint < accepted.generation;
    if is_before && log.start == accepted.gap.from {
        log.start = accepted.gap.to;
    } else if is_before {
        return false;
    }
    log.topic_id.clone_from(&accepted.topic_id);
    is_before && accepted.gap.anew
}

/// Brokers that do not answer are no fault of the configuration.
pub(super) fn kafka_error(error: KafkaSourceError) -> EngineError {
    match error {
        KafkaSourceError::Kafka(error) => EngineError::Failed(error.to_string()),
        error => EngineError::Source(error.to_string()),
    }
}
