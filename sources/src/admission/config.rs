//! What admission is told: lateness, horizon, bounds of time, outliers, limits.

use crate::layout::Exclusion;
use market::Time;
use std::sync::Arc;

/// What is done with a trade whose price is an outlier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutlierMode {
    /// Prices are not judged.
    Off,
    /// It is admitted and counted.
    #[default]
    Flag,
    /// It is refused.
    Refuse,
}

/// How far from a symbol's running level a price may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlierRule {
    pub(super) mode: OutlierMode,
    /// In sixteenths, so that the bound is an integer.
    pub(super) scale_16: u32,
    pub(super) patience: u32,
}

/// Why a configuration was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AdmissionConfigError {
    /// The scale is no number, or out of range.
    #[error("outliers.scale = {0}: wanted 0.0625 to 1000000")]
    Scale(f64),
    /// A span of time is negative or absurdly long.
    #[error("{name} = {ns}ns: wanted 0 to 366 days")]
    Span {
        /// The key.
        name: &'static str,
        /// What was given.
        ns: i64,
    },
    /// A limit is zero.
    #[error("{0} = 0: wanted at least 1")]
    Zero(&'static str),
}

impl OutlierRule {
    /// Twelve times the running scale, flagged, a new level accepted after five.
    pub const DEFAULT: OutlierRule =
        OutlierRule { mode: OutlierMode::Flag, scale_16: 12 * 16, patience: 5 };

    /// A rule of `scale` times the running scale, rounded to sixteenths; `patience` outliers in a row
    /// make the next price the new level.
    ///
    /// # Errors
    /// Refuses a scale outside 1/16 to a million and a patience of zero.
    pub fn new(
        mode: OutlierMode,
        scale: f64,
        patience: u32,
    ) -> Result<OutlierRule, AdmissionConfigError> {
        if !(0.0625..=1e6).contains(&scale) {
            return Err(AdmissionConfigError::Scale(scale));
        }
        if patience == 0 {
            return Err(AdmissionConfigError::Zero("outlier_patience"));
        }
        Ok(OutlierRule { mode, scale_16: (scale * 16.0).round() as u32, patience })
    }
}

impl Default for OutlierRule {
    fn default() -> Self {
        OutlierRule::DEFAULT
    }
}

/// How the records of a partition are judged. Every bound belongs to a partition, so that the result
/// is a function of its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionConfig {
    /// How far the watermark stays behind the greatest admitted time.
    pub lateness_ns: i64,
    /// How far behind the watermark a trade is still taken.
    pub horizon_ns: i64,
    /// How far past `started_at` a time may lie.
    pub max_ahead_ns: i64,
    /// How far past the partition's greatest time a record may lie without the next one's agreement.
    pub max_jump_ns: i64,
    /// When the run first started, as recorded: the one time that `max_ahead` is counted from.
    pub started_at: Time,
    /// How prices are judged.
    pub outliers: OutlierRule,
    /// Whether a symbol that the table of symbols does not list ([`market::Symbols::is_listed`]) is refused.
    pub listed_only: bool,
    /// Symbols a partition may hold.
    pub symbols_max: u32,
    /// Trades that a partition keeps for corrections, and ids that it keeps for duplicates; at the bound the oldest
    /// leave early.
    pub horizon_trades_max: u64,
    /// The widest bar that is folded from trades: what a correction touches is folded again from all of it.
    pub bar_ns: i64,
    /// Whether the horizon's trades are kept, which corrections name and bars are folded from again. Where they are not,
    /// every correction is refused; ids are kept all the same, and duplicates found. It cannot change within a lineage.
    pub keeps_trades: bool,
    /// What is timed before is left out.
    pub since: Time,
    /// Nothing is judged any more once the watermark has reached this; it reaches it at the log's end at last.
    pub until: Option<Time>,
    /// Whether other logs are read before or behind it.
    pub place: Place,
    /// What is taken out from the log's beginning on.
    pub exclusions: Arc<[Arc<Exclusion>]>,
    /// Whether its symbols stand in other logs too, so that a [`crate::SymbolJudge`] looks for duplicates and outliers.
    pub is_pooled: bool,
}

/// Whether a log stands alone, or history and a live log follow one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Nothing comes before or behind it.
    #[default]
    Alone,
    /// Others are read behind it, each going on from what it left.
    Ahead,
    /// It goes on from what another has left.
    Behind,
}

impl AdmissionConfig {
    /// The defaults: 2 s late, 15 minutes of corrections, 60 s ahead, a jump of an hour.
    pub fn new(started_at: Time) -> Self {
        AdmissionConfig {
            lateness_ns: 2 * Time::SECOND,
            horizon_ns: 900 * Time::SECOND,
            max_ahead_ns: 60 * Time::SECOND,
            max_jump_ns: 3_600 * Time::SECOND,
            started_at,
            outliers: OutlierRule::DEFAULT,
            listed_only: false,
            symbols_max: 1_000_000,
            horizon_trades_max: 20_000_000,
            bar_ns: Time::DAY,
            keeps_trades: true,
            since: Time::from_ns(i64::MIN),
            until: None,
            place: Place::Alone,
            exclusions: Arc::default(),
            is_pooled: false,
        }
    }

    /// Why no correction can be taken, where none can.
    pub(super) fn no_corrections(&self) -> Option<&'static str> {
        match self {
            AdmissionConfig { is_pooled: true, .. } => Some("a source whose symbols are spread"),
            AdmissionConfig { keeps_trades: false, .. } => Some("a source that keeps no trades"),
            _ => None,
        }
    }

    /// Checks spans and limits.
    ///
    /// # Errors
    /// Refuses negative spans, spans beyond 366 days and limits of zero, naming the key.
    pub fn check(&self) -> Result<(), AdmissionConfigError> {
        let spans = [
            ("lateness", self.lateness_ns),
            ("horizon", self.horizon_ns),
            ("max_ahead", self.max_ahead_ns),
            ("max_jump", self.max_jump_ns),
            ("bar", self.bar_ns),
        ];
        if let Some(&(name, ns)) = spans.iter().find(|(_, ns)| !(0..=SPAN_MAX_NS).contains(ns)) {
            return Err(AdmissionConfigError::Span { name, ns });
        }
        if self.symbols_max == 0 {
            return Err(AdmissionConfigError::Zero("symbols_max"));
        }
        if self.horizon_trades_max == 0 {
            return Err(AdmissionConfigError::Zero("horizon_trades_max"));
        }
        Ok(())
    }
}

/// Two of them fit between the earliest time of a record and the end of 64 bits.
const SPAN_MAX_NS: i64 = 366 * Time::DAY;
