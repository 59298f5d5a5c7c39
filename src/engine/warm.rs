//! Where the older bars come from that added indicators are warmed up by: the inputs read again, or stored bars.

use super::lineage::Changes;
use super::{EngineError, Inputs};
use crate::config::{Config, SinkKind, SourceConfig, SourceKind};
use dataflows::checkpoint::{Depot, Manifest};
use dataflows::warm_up::{Past, PastError, ReadAgain, Seeds, WarmUpError, begin_warm, warm_up};
use dataflows::{Plan, Watch};
use market::{Epoch, Symbols, Time, Width};
use sinks::StoredBars;
use std::path::Path;

/// The fact of a manifest that says which stored bars came before its inputs.
const HISTORY: &str = "start history";

/// What a run is to compute, and where its rows are stored.
type Run<'a> = (&'a Config, &'a Plan, &'a Watch, Option<&'a Path>);

/// What a start would do about a changed configuration.
#[derive(Default)]
pub(crate) struct Outlook {
    /// What changed.
    pub changes: Changes,
    /// Where added indicators are warmed up from, in words.
    pub from: Option<String>,
    /// The brokers know where that is, and were not asked.
    pub unasked: bool,
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
        if manifest.facts.iter().any(|(name, is)| name == "input" && is.ends_with("in memory")) {
            let what = "indicators were added, and trades in memory cannot be read again";
            return Err(EngineError::Source(what.to_owned()));
        }
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
        return begin((config, plan, watch), depot, manifest);
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
                inputs: inputs.open(config, &plan.symbols, None),
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
        let what =
            "the checkpoint holds other state than that of the indicators it names".to_owned();
        Err(PastError { what })
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

/// The store whose bars warm up a deployment that begins.
fn history_store(config: &Config) -> Option<&Path> {
    config.sources().iter().find_map(|source| match &source.kind {
        SourceKind::Kafka(kafka) => kafka.history_store.as_deref(),
        _ => None,
    })
}

/// A run that keeps no checkpoints has no place for the bars of another store.
pub(super) fn refuse_history(config: &Config) -> Result<(), EngineError> {
    let what = "source.history.store: bars of another store stand in the first checkpoint, and this run keeps none: \
                leave the key out, or use tidemill run";
    history_store(config).map_or(Ok(()), |_| Err(EngineError::Source(what.to_owned())))
}

/// The first manifest of a lineage, its indicators warmed up from the store that the configuration names: from the
/// bars that are older than the bar of the topics' first record.
pub(super) fn begin(
    (config, plan, watch): (&Config, &Plan, &Watch),
    depot: &dyn Depot,
    mut manifest: Manifest,
) -> Result<Manifest, EngineError> {
    let Some(folder) = history_store(config) else { return Ok(manifest) };
    let Some(stored) = StoredBars::of(folder)? else {
        let what = format!("source.history.store = \"{}\": holds no bars", folder.display());
        return Err(EngineError::Source(what));
    };
    let (inputs, _) = Inputs::again(config, &manifest, &plan.symbols)?;
    let first = inputs.first_time(&plan.symbols, &watch.stop);
    let first = first.map_err(|error| EngineError::Failed(error.what))?;
    let until = first.map_or_else(|| "all".to_owned(), |first| format!("before {first}"));
    manifest.facts.retain(|(name, _)| name != HISTORY);
    manifest.facts.push((HISTORY.to_owned(), format!("{} {until}", stored.path().display())));
    manifest.lineage = crate::config::fingerprint(&manifest.facts);
    let before = |width: Width| first.map_or(Time::from_ns(i64::MAX), |at| width.open_of(at));
    let generation = manifest.generation;
    begin_warm(plan, depot, (&manifest, generation), before, &mut Stored(stored))
        .map_err(warm_up_error)
}

/// What a start would find changed, and where it would warm up from, for which brokers are asked where `connects`.
pub(crate) fn outlook(
    config: &Config,
    manifest: &Manifest,
    connects: bool,
) -> Result<Outlook, EngineError> {
    let symbols = Symbols::with_scales(config.scales().clone());
    // Inputs are compared by a run: to open them here could take something from one that is under way.
    let is_input = |name: &str| name.starts_with("input") || name.contains('/');
    let mut known = manifest.facts.clone();
    known.retain(|(name, _)| !is_input(name));
    let changes = Changes::between(&known, &config.facts());
    let is_warmed_up = changes.refused.is_empty() && !changes.added.is_empty();
    let is_topic = |source: &SourceConfig| matches!(source.kind, SourceKind::Kafka(_));
    let unasked = is_warmed_up && !connects && config.sources().iter().any(is_topic);
    let from = match manifest.epoch.filter(|_| is_warmed_up && !unasked) {
        Some(_) => Some(Found::of(config, manifest, &symbols, Some(config.data()))?.words()),
        None => None,
    };
    Ok(Outlook { changes, from, unasked })
}
