//! What a graph computes: widths, where each comes from, tables and their columns.

use super::pool::PoolPlan;
use crate::glue::{Clockwork, Empty};
use crate::tick::{Course, Horizons, TickPlan};
use market::{EpochLength, Symbols, TableSpec, Width};
use operators::indicator::Spec;
use std::sync::Arc;

/// Indicators of some widths.
#[derive(Clone)]
pub struct IndicatorPlan {
    /// The widths they are computed on; each must be among the plan's.
    pub widths: Vec<Width>,
    /// The indicators.
    pub list: Vec<Spec>,
}

/// What a graph computes.
#[derive(Clone)]
pub struct Plan {
    /// Length of an epoch; must divide every width.
    pub epoch: EpochLength,
    /// How far watermarks stay behind the greatest event time: the most of all partitions.
    pub lateness_ns: i64,
    /// How far back of its watermark each partition can still change a bar.
    pub horizons: Horizons,
    /// Which logs are read behind which, and how far.
    pub course: Course,
    /// Pools of partitions whose symbols are spread over them, in the order of their numbers.
    pub pools: Vec<PoolPlan>,
    /// Widths of bars.
    pub widths: Vec<Width>,
    /// What becomes of intervals without a trade.
    pub empty: Empty,
    /// Indicators by width.
    pub indicators: Vec<IndicatorPlan>,
    /// The process's symbols, shared with its sources.
    pub symbols: Symbols,
}

/// Why a plan cannot run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A width that an epoch does not divide.
    #[error("an epoch must divide every bar width: {0} is no multiple of {1} ns")]
    Epoch(Width, i64),
    /// Indicators on bars that are not made.
    #[error("indicators on {0} bars, but no such bars are configured")]
    NoBars(Width),
    /// A length of time below zero.
    #[error("lateness and horizon are at least zero")]
    Negative,
}

/// Place of the table of bars among a plan's tables.
pub(crate) const BARS: u32 = 0;
/// Place of the table of indicators.
pub(crate) const INDICATORS: u32 = 1;

impl Plan {
    /// Checks what the types don't.
    ///
    /// # Errors
    /// Refuses a width that no epoch divides, indicators without bars, and negative times.
    pub fn check(&self) -> Result<(), PlanError> {
        if self.lateness_ns < 0 || self.horizons.any_negative() {
            return Err(PlanError::Negative);
        }
        let uneven = self.widths.iter().find(|width| width.ns() % self.epoch.ns() != 0);
        if let Some(width) = uneven {
            return Err(PlanError::Epoch(*width, self.epoch.ns()));
        }
        let mut wanted = self.indicators.iter().flat_map(|plan| &plan.widths);
        match wanted.find(|width| !self.widths.contains(width)) {
            Some(width) => Err(PlanError::NoBars(*width)),
            None => Ok(()),
        }
    }

    /// The tables that the graph's rows belong to, in the order of their numbers.
    pub fn tables(&self) -> Vec<Arc<TableSpec>> {
        let indicators = TableSpec::floats("technical_indicators", &self.indicator_columns());
        vec![Arc::new(TableSpec::bars()), Arc::new(indicators)]
    }

    /// Columns of the table of indicators: every configured output once, in order of first mention.
    pub fn indicator_columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = Vec::new();
        for output in self.indicators.iter().flat_map(|p| &p.list).flat_map(|s| s.outputs()) {
            if !columns.contains(output) {
                columns.push(output.clone());
            }
        }
        columns
    }

    /// The indicators of one width, each once.
    pub(crate) fn indicators_of(&self, width: Width) -> Vec<Spec> {
        let mut specs: Vec<Spec> = Vec::new();
        for plan in self.indicators.iter().filter(|plan| plan.widths.contains(&width)) {
            for spec in &plan.list {
                if !specs.iter().any(|known| known.outputs() == spec.outputs()) {
                    specs.push(spec.clone());
                }
            }
        }
        specs
    }

    /// Every width once, narrow ones first; `session` after `1d`.
    pub(crate) fn sorted_widths(&self) -> Vec<Width> {
        let mut widths = self.widths.clone();
        widths.sort_unstable_by_key(|width| (width.seconds(), *width));
        widths.dedup();
        widths
    }

    /// The widest width that `width` rolls up from; none for a base width, which is folded from ticks.
    pub(crate) fn rolls_up_from(&self, width: Width) -> Option<Width> {
        let mut widths = self.sorted_widths();
        widths.retain(|narrower| width.rolls_up_from(*narrower));
        widths.pop()
    }

    /// The widths that are folded from ticks.
    pub(crate) fn bases(&self) -> Vec<Width> {
        let mut widths = self.sorted_widths();
        widths.retain(|width| self.rolls_up_from(*width).is_none());
        widths
    }

    pub(crate) fn tick_plan(&self) -> TickPlan {
        TickPlan {
            epoch: self.epoch,
            horizons: self.horizons.clone(),
            bases: self.bases(),
            reaches: self.empty == Empty::Carry,
            is_pooled: !self.pools.is_empty(),
        }
    }

    pub(crate) fn clock(&self) -> Clockwork {
        Clockwork { epoch: self.epoch, horizon_ns: self.horizons.greatest_ns() }
    }
}
