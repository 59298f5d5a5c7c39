//! What every kernel must keep, one function each, for this crate's tests and for those of kernels of
//! one's own.
//!
//! ```
//! # use operators::{indicator::{IndicatorSet, Registry}, laws};
//! # use market::{Bar, Price, Scales, Time};
//! let specs = Registry::standard().parse_list("sma(3)").unwrap();
//! let make = || IndicatorSet::new(&specs, Scales::default());
//! let bars: Vec<_> = (0..9).map(|k| Bar::carried(Time::from_ns(k), Price::from_raw(k * k))).collect();
//! for cut in 0..bars.len() {
//!     laws::survives_restore(make, &bars, 1, cut).unwrap();
//! }
//! laws::state_is_bounded(make, &bars, 1, 6).unwrap();
//! ```

use crate::{Kernel, Snapshot};

/// How a kernel broke a law.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Output differs between two runs that must be the same.
    #[error("step {step}, output {output}: {left:016x} in one run, {right:016x} in the other")]
    Output {
        /// The input, from 0.
        step: usize,
        /// The output, from 0.
        output: usize,
        /// The bits of one.
        left: u64,
        /// The bits of the other.
        right: u64,
    },
    /// Snapshots differ between two runs that must be the same.
    #[error("after {steps} steps the snapshots of the two runs differ")]
    Snapshot {
        /// Inputs taken in.
        steps: usize,
    },
    /// A restored kernel left words of its snapshot.
    #[error("restore left {0} words of the snapshot")]
    Rest(usize),
    /// The state outgrew its bound.
    #[error("after {steps} steps the state has {words} words, more than {bound}")]
    State {
        /// Inputs taken in.
        steps: usize,
        /// Words of the snapshot.
        words: usize,
        /// The bound.
        bound: usize,
    },
}

/// All outputs of a run over `inputs`, row by row.
pub fn run<K>(kernel: &mut K, inputs: &[K::Input], outputs: usize) -> Vec<f64>
where
    K: Kernel<Output = [f64]>,
    K::Input: Sized,
{
    let mut rows = vec![0.0; inputs.len() * outputs];
    for (input, row) in inputs.iter().zip(rows.chunks_exact_mut(outputs.max(1))) {
        kernel.update(input, row);
    }
    rows
}

/// A kernel restored from a snapshot before input `cut` goes on as if nothing had happened, bit for bit,
/// and so do its snapshots, even when it took in other inputs before.
///
/// # Errors
/// Says where it went another way.
pub fn survives_restore<K>(
    make: impl Fn() -> K,
    inputs: &[K::Input],
    outputs: usize,
    cut: usize,
) -> Result<(), Broken>
where
    K: Kernel<Output = [f64]>,
    K::Input: Sized,
{
    let (before, after) = inputs.split_at(cut.min(inputs.len()));
    let mut original = make();
    run(&mut original, before, outputs);
    let saved = snapshot(&original);
    let mut restored = make();
    run(&mut restored, after, outputs);
    let mut reader = saved.reader();
    restored.restore(&mut reader);
    if !reader.rest().is_empty() {
        return Err(Broken::Rest(reader.rest().len()));
    }
    if snapshot(&restored) != saved {
        return Err(Broken::Snapshot { steps: before.len() });
    }
    let rows = (run(&mut original, after, outputs), run(&mut restored, after, outputs));
    same_bits(&rows.0, &rows.1, outputs, before.len())?;
    match snapshot(&original) == snapshot(&restored) {
        true => Ok(()),
        false => Err(Broken::Snapshot { steps: inputs.len() }),
    }
}

/// Two kernels made alike give the same bits.
///
/// # Errors
/// Says where they differ.
pub fn is_deterministic<K>(
    make: impl Fn() -> K,
    inputs: &[K::Input],
    outputs: usize,
) -> Result<(), Broken>
where
    K: Kernel<Output = [f64]>,
    K::Input: Sized,
{
    let [left, right] = [make(), make()].map(|mut kernel| run(&mut kernel, inputs, outputs));
    same_bits(&left, &right, outputs, 0)
}

/// The state never has more than `bound` words.
///
/// # Errors
/// Says when it had.
pub fn state_is_bounded<K>(
    make: impl Fn() -> K,
    inputs: &[K::Input],
    outputs: usize,
    bound: usize,
) -> Result<(), Broken>
where
    K: Kernel<Output = [f64]>,
    K::Input: Sized,
{
    let mut kernel = make();
    for steps in 0..=inputs.len() {
        let words = snapshot(&kernel).words().len();
        if words > bound {
            return Err(Broken::State { steps, words, bound });
        }
        run(&mut kernel, &inputs[steps..inputs.len().min(steps + 1)], outputs);
    }
    Ok(())
}

fn snapshot<K: Kernel + ?Sized>(kernel: &K) -> Snapshot {
    let mut words = Snapshot::default();
    kernel.snapshot(&mut words);
    words
}

fn same_bits(left: &[f64], right: &[f64], outputs: usize, first: usize) -> Result<(), Broken> {
    let bits = left.iter().zip(right).map(|(left, right)| (left.to_bits(), right.to_bits()));
    match bits.enumerate().find(|(_, (left, right))| left != right) {
        None => Ok(()),
        Some((at, (left, right))) => {
            let (step, output) = (first + at / outputs.max(1), at % outputs.max(1));
            Err(Broken::Output { step, output, left, right })
        }
    }
}
