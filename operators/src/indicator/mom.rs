//! Momentum.
//!
//! ```text
//! mom[t] = x[t] - x[t-n]
//! ```
//!
//! Units of the input. First value at bar n. The difference of the two doubles, as TA-Lib takes it.
//! O(1) a step; a state of n + 1 words.

use super::{Input, Period, Ring};
use crate::{Kernel, Restore, Snapshot};
use market::Bar;

/// Momentum.
#[derive(Clone, Debug)]
pub struct Momentum {
    input: Input,
    ring: Ring<f64>,
}

impl Momentum {
    /// Change of `input` over `period` bars.
    pub fn new(period: Period, input: Input) -> Self {
        Momentum { input, ring: Ring::new(period) }
    }
}

impl Kernel for Momentum {
    type Input = Bar;
    type Output = [f64];

    #[inline]
    fn update(&mut self, bar: &Bar, output: &mut [f64]) {
        let value = self.input.value(bar);
        output[0] = self.ring.push(value).map_or(f64::NAN, |before| value - before);
    }

    fn snapshot(&self, to: &mut Snapshot) {
        self.ring.snapshot(to, |cells, to| to.f64s(cells));
    }

    fn restore(&mut self, from: &mut Restore<'_>) {
        self.ring.restore(from, |cells, from| from.f64s(cells));
    }
}
