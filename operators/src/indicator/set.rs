//! Many indicators side by side, as one kernel: one bar in, one row out.
//!
//! The states lie one after another in one block of words, so that a symbol's lies together in memory
//! and a snapshot or a restore is one copy. Parameters are shared: symbols of equal scales have one
//! layout. A step costs the sum of the steps.

use super::{Indicator, Spec};
use crate::{Kernel, Restore, Snapshot};
use market::{Bar, Scales};
use std::sync::Arc;

/// Indicators, and where the state and the outputs of each lie: a set without its state.
pub struct IndicatorLayout {
    parts: Box<[Part]>,
    words: usize,
    outputs: usize,
}

struct Part {
    indicator: Box<dyn Indicator>,
    words: usize,
    outputs: usize,
}

impl IndicatorLayout {
    /// The indicators of `specs` for instruments of `scales`, in their order.
    pub fn new(specs: &[Spec], scales: Scales) -> Self {
        let part = |spec: &Spec| {
            let indicator = spec.build(scales);
            Part { words: indicator.words(), indicator, outputs: spec.outputs().len() }
        };
        let parts: Box<[_]> = specs.iter().map(part).collect();
        let words = parts.iter().map(|part| part.words).sum();
        let outputs = parts.iter().map(|part| part.outputs).sum();
        IndicatorLayout { parts, words, outputs }
    }

    /// Words of the state of each indicator, in their order.
    pub fn words(&self) -> impl Iterator<Item = usize> + '_ {
        self.parts.iter().map(|part| part.words)
    }

    /// The state before the first bar.
    fn start(&self) -> Box<[u64]> {
        let mut state = vec![0; self.words].into_boxed_slice();
        let mut rest = &mut *state;
        for part in &self.parts {
            let (own, after) = rest.split_at_mut(part.words);
            part.indicator.start(own);
            rest = after;
        }
        state
    }
}

/// Indicators over the same bars, their outputs in one row, their state in one block.
pub struct IndicatorSet {
    layout: Arc<IndicatorLayout>,
    state: Box<[u64]>,
}

impl IndicatorSet {
    /// The indicators of `specs` for one instrument of `scales`, in their order.
    pub fn new(specs: &[Spec], scales: Scales) -> Self {
        IndicatorSet::of(Arc::new(IndicatorLayout::new(specs, scales)))
    }

    /// One more set of this layout, before its first bar.
    pub fn of(layout: Arc<IndicatorLayout>) -> Self {
        IndicatorSet { state: layout.start(), layout }
    }

    /// Outputs of a row.
    #[inline]
    pub fn outputs(&self) -> usize {
        self.layout.outputs
    }
}

impl Kernel for IndicatorSet {
    type Input = Bar;
    type Output = [f64];

    #[inline]
    fn update(&mut self, bar: &Bar, output: &mut [f64]) {
        let (mut states, mut outputs) = (&mut *self.state, output);
        for part in &self.layout.parts {
            let (state, states_after) = states.split_at_mut(part.words);
            let (row, outputs_after) = outputs.split_at_mut(part.outputs);
            part.indicator.update(state, bar, row);
            (states, outputs) = (states_after, outputs_after);
        }
    }

    #[inline]
    fn snapshot(&self, to: &mut Snapshot) {
        to.u64s(&self.state);
    }

    #[inline]
    fn restore(&mut self, from: &mut Restore<'_>) {
        from.u64s(&mut self.state);
    }
}
