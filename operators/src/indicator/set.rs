//! Many indicators side by side, as one kernel: one bar in, one row out.
//!
//! Kernels are made in order and own their windows, so the state of a symbol lies together. A step costs
//! the sum of the steps; the state is their states, one after another.

use super::{Indicator, Spec};
use crate::{Kernel, Restore, Snapshot};
use market::{Bar, Scales};

/// Indicators over the same bars, their outputs in one row.
pub struct IndicatorSet {
    kernels: Box<[(Box<Indicator>, usize)]>,
    outputs: usize,
}

impl IndicatorSet {
    /// The kernels of `specs` for an instrument of `scales`, in their order.
    pub fn new(specs: &[Spec], scales: Scales) -> Self {
        let kernels = specs.iter().map(|spec| (spec.build(scales), spec.outputs().len())).collect();
        IndicatorSet { kernels, outputs: specs.iter().map(|spec| spec.outputs().len()).sum() }
    }

    /// Outputs of a row.
    #[inline]
    pub fn outputs(&self) -> usize {
        self.outputs
    }
}

impl Kernel for IndicatorSet {
    type Input = Bar;
    type Output = [f64];

    #[inline]
    fn update(&mut self, bar: &Bar, output: &mut [f64]) {
        let mut rest = output;
        for (kernel, outputs) in &mut self.kernels {
            let (row, after) = rest.split_at_mut(*outputs);
            kernel.update(bar, row);
            rest = after;
        }
    }

    fn snapshot(&self, to: &mut Snapshot) {
        self.kernels.iter().for_each(|(kernel, _)| kernel.snapshot(to));
    }

    fn restore(&mut self, from: &mut Restore<'_>) {
        self.kernels.iter_mut().for_each(|(kernel, _)| kernel.restore(from));
    }
}
