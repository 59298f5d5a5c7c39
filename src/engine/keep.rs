//! How a run keeps checkpoints: its claim, the manifest it goes on from, and the one it begins with.

use super::EngineError;
use super::inputs::Inputs;
use super::positions::listener;
use super::topics::{Basis, is_of_topics};
use crate::config::{CheckpointConfig, Config};
use crate::depot::ObjectDepot;
use dataflows::RunError;
use dataflows::checkpoint::{Checkpoints, Claimed, Depot, Entry, Manifest, claim, create, entries};
use market::Time;
use sinks::Identity;
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

/// Opens the store of checkpoints. The first process claims the next generation; where no manifest is there
/// it writes the first, which says where the inputs begin.
#[expect(clippy::disallowed_methods, reason = "when a checkpoint is due is the command's clock")]
pub(super) fn keep(
    config: &Config,
    given: &CheckpointConfig,
    inputs: &mut Inputs,
    identity: Identity,
    (process, replace, now): (usize, bool, Time),
) -> Result<Kept, EngineError> {
    let depot = ObjectDepot::open(&given.to, config.name()).map_err(EngineError::checkpoints)?;
    depot.try_create().map_err(EngineError::checkpoints)?;
    let depot: Arc<dyn Depot> = Arc::new(depot);
    let began = Instant::now();
    let clock = Arc::new(move || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    let (every_ms, keep) = (given.every_ms, given.keep);
    let (claimed, unheard) = (None, Arc::new(|_: &Manifest| {}));
    let mut checkpoints = Checkpoints { depot, clock, every_ms, keep, claimed, listener: unheard };
    if process != 0 {
        return Ok(Kept { checkpoints, identity, started_at: now });
    }
    let depot = &*checkpoints.depot;
    let mut writers = inputs.topics.writers(config.processes().len().max(1));
    writers.push(config.name().to_owned());
    let mut claimed = claim(depot, &writers).map_err(EngineError::sequence)?;
    for (number, name) in &claimed.passed_over {
        tracing::warn!(
            "checkpoint {number} names {name}, which is not there: an older one is gone on from"
        );
    }
    let (generation, writers) = (claimed.generation, &claimed.writers[..]);
    let manifest = match claimed.manifest.take().map(|(_, manifest)| manifest) {
        Some(manifest) if begins_with(&manifest.facts, &identity.parts) => {
            let from = Some(&manifest);
            inputs.topics.agree(&Basis { manifest: from, generation, writers })?;
            manifest
        }
        Some(manifest) if !replace => {
            let what = sinks::difference(&manifest.facts, &identity.parts);
            return Err(EngineError::Lineage { to: given.to.clone(), what });
        }
        _ => {
            inputs.topics.agree(&Basis { manifest: None, generation, writers })?;
            first(depot, &mut claimed, inputs, identity.parts, now)?
        }
    };
    let (started_at, parts) = (manifest.started_at, manifest.facts.clone());
    let identity = Identity { fingerprint: manifest.lineage.clone(), parts };
    claimed.manifest = Some((claimed.next - 1, manifest));
    checkpoints.claimed = Some(claimed);
    checkpoints.listener = listener(config, &inputs.topics.places());
    Ok(Kept { checkpoints, identity, started_at })
}

/// Whether a lineage is of this configuration and these inputs: topics stand behind.
fn begins_with(facts: &[(String, String)], parts: &[(String, String)]) -> bool {
    facts.starts_with(parts) && facts[parts.len()..].iter().all(|(name, _)| is_of_topics(name))
}

/// Writes the manifest of a lineage that nothing was read of yet.
fn first(
    depot: &dyn Depot,
    claimed: &mut Claimed,
    inputs: &Inputs,
    mut facts: Vec<(String, String)>,
    started_at: Time,
) -> Result<Manifest, EngineError> {
    facts.extend(inputs.topics.facts());
    facts.extend(inputs.topics.starts());
    let manifest = Manifest {
        generation: claimed.generation,
        lineage: crate::config::fingerprint(&facts),
        facts,
        started_at,
        epoch: None,
        positions: Vec::new(),
        bundles: Vec::new(),
    };
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
