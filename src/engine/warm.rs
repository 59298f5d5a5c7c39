//! Where the older bars come from that added indicators are warmed up by: the inputs read again, or stored bars.

use super::lineage::Changes;
use super::{EngineError, Inputs};
use crate::config::{Config, SinkKind};
use dataflows::checkpoint::{Depot, Manifest};
use dataflows::warm_up::{Past, PastError, ReadAgain, Seeds, WarmUpError, begin_warm, warm_up};
use dataflows::{Plan, Watch};
use market::{Epoch, Symbols};
use sinks::StoredBars;
use std::path::Path;

/// What a run is to compute, and where its rows are stored.
type Run<'a> = (&'a Config, &'a Plan, &'a Watch, Option<&'a Path>);

/// What a start would do about a changed configuration.
pub(crate) struct Outlook {
    /// What changed.
    pub changes: Changes,
    /// Where added indicators are warmed up from, in words.
    pub from: Option<String>,
}

/// Bars of a store.
struct Stored(StoredBars);

impl Past for Stored {
    fn tell(&mut self, seeds: &mut Seeds) -> Result<(), PastError> {
        let (widths, symbols): (Vec<_>, _) = (seeds.widths().collect(), seeds.symbols().clone());
        let mut each = |width, symbol, bar: &market::Bar| seeds.bar(width, symbol, bar);
        let told = self.0.each(&widths, &symbols, &mut each);
        told.map_err(|error| PastError { what: error.what })
    }
}

/// Where the older bars of a deployment that goes on are.
enum Found {
    Inputs { inputs: Box<Inputs>, is_whole: bool },
    Stored(StoredBars),
}

impl Found {
    /// The inputs where they reach back to where they began, else stored bars, else as far as the inputs reach.
    fn of(
        config: &Config,
        manifest: &Manifest,
        symbols: &Symbols,
        store: Option<&Path>,
    ) -> Result<Self, EngineError> {
        let (inputs, is_whole) = Inputs::again(config, manifest, symbols)?;
        let stored = match store.filter(|_| !is_whole) {
            Some(folder) => StoredBars::of(folder)?,
            None => None,
        };
        Ok(match stored {
            Some(stored) => Found::Stored(stored),
            None => Found::Inputs { inputs: Box::new(inputs), is_whole },
        })
    }

    fn words(&self) -> String {
        match self {
            Found::Inputs { is_whole: true, .. } => {
                "the inputs, read again from where they began: as if they had been there from the start"
                    .to_owned()
            }
            Found::Inputs { is_whole: false, .. } => {
                "what the topics still hold: NULL until as many bars have closed since its first record as \
                 docs/indicators.md says, and those that never forget (ema, rsi, macd, atr, obv) come near what a \
                 longer log gives"
                    .to_owned()
            }
            Found::Stored(stored) => format!(
                "the bars stored in {}, for the topics do not reach back as far: from the first of them on",
                stored.path().display()
            ),
        }
    }
}

/// Warms added indicators up: the manifest that a run of `generation` goes on from.
pub(super) fn up(
    (config, plan, watch, store): Run<'_>,
    depot: &dyn Depot,
    (manifest, generation): (&Manifest, u64),
    changes: &Changes,
) -> Result<Manifest, EngineError> {
    tracing::info!("added: {}; removed: {}", changes.added.join(", "), changes.removed.join(", "));
    if manifest.epoch.is_none() {
        let manifest = Manifest { generation, bundles: Vec::new(), ..manifest.clone() };
        return begin(config, plan, depot, manifest);
    }
    let mut past: Box<dyn Past> = if changes.added.is_empty() {
        Box::new(Nothing)
    } else {
        finish_files(config, manifest, store)?;
        let found = Found::of(config, manifest, &plan.symbols, store)?;
        tracing::info!("warming up from {}", found.words());
        match found {
            Found::Stored(stored) => Box::new(Stored(stored)),
            Found::Inputs { inputs, .. } => Box::new(ReadAgain {
                plan: plan.clone(),
                workers: config.workers(),
                partitions: inputs.open(config, &plan.symbols),
                started_at: manifest.started_at,
                boundary: manifest.epoch.unwrap_or(Epoch::MIN),
                watch: Watch { stop: watch.stop.clone(), ..Watch::default() },
            }),
        }
    };
    warm_up(plan, depot, (manifest, generation), &mut *past).map_err(warm_up_error)
}

/// No bars, where no state is wanted.
struct Nothing;

impl Past for Nothing {
    fn tell(&mut self, _seeds: &mut Seeds) -> Result<(), PastError> {
        Ok(())
    }
}

fn warm_up_error(error: WarmUpError) -> EngineError {
    EngineError::Failed(error.to_string())
}

/// What a killed run left waiting of Parquet files is written out, so that it can be read.
fn finish_files(
    config: &Config,
    manifest: &Manifest,
    store: Option<&Path>,
) -> Result<(), EngineError> {
    let is_parquet = config.sinks().iter().any(|sink| sink.kind == SinkKind::Parquet);
    if let Some(folder) = store.filter(|_| is_parquet) {
        let options = super::outputs::parquet(config);
        drop(sinks::ParquetSink::open(folder, &manifest.lineage, options)?);
    }
    Ok(())
}

/// The first manifest of a lineage, its indicators warmed up from the store that the configuration names.
pub(super) fn begin(
    _config: &Config,
    _plan: &Plan,
    _depot: &dyn Depot,
    manifest: Manifest,
) -> Result<Manifest, EngineError> {
    Ok(manifest)
}

/// What a start would find changed, and where it would warm up from.
pub(crate) fn outlook(config: &Config, manifest: &Manifest) -> Result<Outlook, EngineError> {
    let symbols = Symbols::with_scales(config.scales().clone());
    let inputs = Inputs::of(config, Vec::new(), super::Reading::default(), &symbols)?;
    let changes = Changes::between(&manifest.facts, &inputs.identity(config).parts);
    let is_warmed_up = changes.refused.is_empty() && !changes.added.is_empty();
    let from = match manifest.epoch.filter(|_| is_warmed_up) {
        Some(_) => Some(Found::of(config, manifest, &symbols, Some(config.data()))?.words()),
        None => None,
    };
    Ok(Outlook { changes, from })
}
