//! How a run keeps checkpoints: its claim, the manifest it goes on from, and the one it begins with.

use super::EngineError;
use super::inputs::Inputs;
use super::lineage::{Changes, renewed};
use super::positions::listener;
use super::topics::Basis;
use super::warm;
use crate::config::{CheckpointConfig, Config, SinkKind};
use crate::depot::ObjectDepot;
use dataflows::checkpoint::{Checkpoints, Claimed, Depot, Entry, Manifest, claim, create, entries};
use dataflows::{Plan, RunError, Watch};
use market::Time;
use sinks::{Identity, Store};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// The checkpoints of a run, and what it is of.
pub(super) struct Kept {
    pub checkpoints: Checkpoints,
    /// Configuration, inputs, and where those begin.
    pub identity: Identity,
    /// When the first run of the lineage started.
    pub started_at: Time,
}

/// What is asked of a run.
pub(super) struct How<'a> {
    pub process: usize,
    /// What is there of something else may be replaced.
    pub replace: bool,
    pub now: Time,
    /// Where rows are stored.
    pub store: Option<&'a Path>,
}

/// Opens the store of checkpoints. The first process claims the next generation; where no manifest is there
/// it writes the first, which says where the inputs begin. Where indicators were added they are warmed up, and the
/// manifest that says so is written.
#[expect(clippy::disallowed_methods, reason = "when a checkpoint is due is the command's clock")]
pub(super) fn keep(
    config: &Config,
    given: &CheckpointConfig,
    (plan, inputs, watch): (&Plan, &mut Inputs, &Watch),
    identity: Identity,
    how: &How<'_>,
) -> Result<Kept, EngineError> {
    let depot = ObjectDepot::open(&given.to, config.name()).map_err(EngineError::checkpoints)?;
    depot.try_create().map_err(EngineError::checkpoints)?;
    let depot = Arc::new(depot);
    let began = Instant::now();
    let clock = Arc::new(move || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    let (every_ms, keep) = (given.every_ms, given.keep);
    let (claimed, unheard) = (None, Arc::new(|_: &Manifest| {}));
    let folder = depot.clone();
    let mut checkpoints = Checkpoints { depot, clock, every_ms, keep, claimed, listener: unheard };
    if how.process != 0 {
        return Ok(Kept { checkpoints, identity, started_at: how.now });
    }
    let depot = &*checkpoints.depot;
    let mut writers = inputs.topics.writers(config.processes().len().max(1));
    writers.push(config.name().to_owned());
    let mut claimed = claim(depot, &writers).map_err(EngineError::sequence)?;
    folder.sweep().map_err(EngineError::checkpoints)?;
    let (generation, writers) = (claimed.generation, claimed.writers.clone());
    let found = claimed.manifest.take().map(|(_, manifest)| manifest);
    pass_over(&claimed, found.is_some(), given, how)?;
    let changes =
        found.as_ref().map(|found| goes_on(config, given, found, &identity, how)).transpose();
    let changes = match changes {
        Err(_) if how.replace => None,
        changes => changes?,
    };
    let from = found.zip(changes);
    let basis = from.as_ref().map(|(manifest, _)| manifest);
    inputs.topics.agree(&Basis { manifest: basis, generation, writers: &writers })?;
    let manifest = match from {
        None => first(depot, &mut claimed, (config, plan, inputs, watch), identity.parts, how)?,
        Some((manifest, changes)) if changes.is_empty() => manifest,
        Some((manifest, changes)) => {
            let facts = renewed(&manifest.facts, &identity.parts);
            // What is warmed up is read on its own, and with it what the run goes on from.
            claimed.objects.clear();
            let run = (config, plan, watch, how.store);
            let warm = warm::up(run, depot, (&manifest, generation), &changes)?;
            // The sinks' marks are those of the lineage, which stays what it was. So does the generation that
            // cut the checkpoint: gaps that were accepted since lie behind it.
            let (lineage, generation) = (manifest.lineage, manifest.generation);
            note(depot, &mut claimed, Manifest { facts, lineage, generation, ..warm })?
        }
    };
    let (started_at, parts) = (manifest.started_at, manifest.facts.clone());
    let identity = Identity { fingerprint: manifest.lineage.clone(), parts };
    claimed.manifest = Some((claimed.next - 1, manifest));
    checkpoints.claimed = Some(claimed);
    checkpoints.listener = listener(config, &inputs.topics.places());
    Ok(Kept { checkpoints, identity, started_at })
}

/// Says which manifests are not whole. Where no other is there, what they held cannot be made again from inputs
/// that may have changed since: to begin anew then is for the caller to say.
fn pass_over(
    claimed: &Claimed,
    is_found: bool,
    given: &CheckpointConfig,
    how: &How<'_>,
) -> Result<(), EngineError> {
    let instead = match (is_found, how.replace) {
        (true, _) => "an older one is gone on from",
        (false, true) => "the run begins anew",
        (false, false) if claimed.passed_over.is_empty() => return Ok(()),
        (false, false) => {
            let faults = claimed.passed_over.iter().map(ToString::to_string).collect();
            return Err(EngineError::NoneWhole { to: given.to.clone(), faults });
        }
    };
    claimed.passed_over.iter().for_each(|passed| tracing::warn!("{passed}: {instead}"));
    Ok(())
}

/// What changed since the manifest that a run is to go on from, where it can.
fn goes_on(
    config: &Config,
    given: &CheckpointConfig,
    manifest: &Manifest,
    identity: &Identity,
    how: &How<'_>,
) -> Result<Changes, EngineError> {
    let changes = Changes::between(&manifest.facts, &identity.parts);
    if !changes.refused.is_empty() {
        return Err(EngineError::Lineage { to: given.to.clone(), changes: changes.refused });
    }
    let is_embedded = |kind: &SinkKind| !matches!(kind, SinkKind::Kafka(_));
    let is_stored = config.sinks().iter().any(|sink| is_embedded(&sink.kind));
    match how.store {
        Some(folder) if is_stored && manifest.epoch.is_some() && !Store::is_at(folder) => {
            Err(EngineError::StoreGone { folder: folder.to_owned(), to: given.to.clone() })
        }
        _ => Ok(changes),
    }
}

/// Writes the manifest of a lineage that nothing was read of yet; with the bars of another deployment's store before
/// it, where the configuration names one.
fn first(
    depot: &dyn Depot,
    claimed: &mut Claimed,
    (config, plan, inputs, watch): (&Config, &Plan, &Inputs, &Watch),
    mut facts: Vec<(String, String)>,
    how: &How<'_>,
) -> Result<Manifest, EngineError> {
    facts.extend(inputs.topics.facts());
    facts.extend(inputs.topics.starts());
    let lineage = crate::config::fingerprint(&facts);
    let manifest = Manifest::first(claimed.generation, lineage, facts, how.now);
    let manifest = warm::begin((config, plan, watch), depot, manifest)?;
    note(depot, claimed, manifest)
}

/// Writes a manifest under the next number.
fn note(
    depot: &dyn Depot,
    claimed: &mut Claimed,
    manifest: Manifest,
) -> Result<Manifest, EngineError> {
    create(depot, claimed.next, &Entry::Manifest(manifest.clone()))
        .map_err(EngineError::sequence)?;
    claimed.next += 1;
    Ok(manifest)
}

/// Why a run failed, in the light of the sequence: brokers do not say whether a writer was fenced because
/// another run has taken over or because its transaction took too long.
pub(super) fn explain(error: RunError, checkpoints: Option<&Checkpoints>) -> EngineError {
    let is_newer = |checkpoints: &Checkpoints| {
        let own = checkpoints.claimed.as_ref()?.generation;
        let (entries, _) = entries(&*checkpoints.depot).ok()?;
        Some(entries.iter().any(|(_, entry)| entry.generation() > own))
    };
    match error {
        RunError::Sequence(error) => EngineError::sequence(error),
        RunError::Sink(error) if checkpoints.and_then(is_newer) == Some(true) => {
            EngineError::Overtaken(error.to_string())
        }
        error => error.into(),
    }
}
