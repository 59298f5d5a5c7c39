//! `keyed`: every key's inputs in order of time through a kernel of its own, a row of floats an input.
//!
//! A lane is one width; its kernels, and so its columns, are the same for every symbol. An input that is
//! late, changes or is removed revises its row and those after it, as far as they change.

use super::parts::{Parts, load_symbols, save_symbols};
use super::{At, Clockwork, Step, SymbolIndex, Timelines, Upsert};
use market::{Epoch, RowKey, SymbolId, Width};
use operators::{Kernel, Restore, Snapshot};

/// Makes the kernel of a key.
pub type MakeKernel<K> = Box<dyn Fn(SymbolId) -> K>;

/// The keys of one width.
pub struct Lane<K: Kernel> {
    width: Width,
    make: MakeKernel<K>,
    index: SymbolIndex,
    timelines: Timelines<K, Box<[f64]>>,
}

impl<K> Lane<K>
where
    K: Kernel<Output = [f64]>,
    K::Input: At + Clone,
{
    /// A lane of rows of `stride` floats that kernels of `make` compute.
    pub fn new(width: Width, stride: usize, make: MakeKernel<K>) -> Self {
        let timelines = Timelines::new(width, vec![f64::NAN; stride].into_boxed_slice());
        Lane { width, make, index: SymbolIndex::default(), timelines }
    }

    /// The place of the symbol's series, new or known.
    #[inline]
    fn place(&mut self, symbol: SymbolId) -> usize {
        let place = self.index.place(symbol);
        if place == self.timelines.len() {
            self.timelines.add((self.make)(symbol));
        }
        place
    }
}

/// The lanes of a stage on one worker.
pub struct Keyed<K: Kernel> {
    clock: Clockwork,
    lanes: Vec<Lane<K>>,
}

impl<K> Keyed<K>
where
    K: Kernel<Output = [f64]>,
    K::Input: At + Clone,
{
    /// A stage of these lanes.
    pub fn new(clock: Clockwork, lanes: Vec<Lane<K>>) -> Self {
        Keyed { clock, lanes }
    }

    /// Which lane takes `width`.
    pub fn lane(&self, width: Width) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.width == width)
    }

    /// Takes what `epoch`, which is complete, did to one key, and hands out the rows that changed.
    pub fn apply<'a>(
        &mut self,
        lane: usize,
        epoch: Epoch,
        symbol: SymbolId,
        changes: impl Iterator<Item = Upsert<'a, K::Input>>,
        mut emit: impl FnMut(RowKey, &[f64]),
    ) where
        K::Input: 'a,
    {
        let lane = &mut self.lanes[lane];
        let (width, place) = (lane.width, lane.place(symbol));
        lane.timelines.apply(place, changes, |step| {
            let Step::Settled(entry) = step else { return };
            if let Some((change, revision)) = entry.change {
                let ts_open = entry.at;
                let key = RowKey { epoch, ts_open, symbol, width, seq: 0, revision, change };
                emit(key, entry.output);
            }
        });
    }

    /// All that `epoch` did was applied: forgets what cannot change any more.
    pub fn forget(&mut self, epoch: Epoch) {
        let floor = self.clock.floor(epoch);
        self.lanes.iter_mut().for_each(|lane| lane.timelines.forget(floor));
    }
}

impl<K> Parts for Keyed<K>
where
    K: Kernel<Output = [f64]>,
    K::Input: At + Clone,
{
    fn snapshot(&mut self, _before: Epoch, of: &dyn Fn(SymbolId) -> bool, to: &mut Snapshot) {
        for lane in &mut self.lanes {
            save_symbols(&lane.index, of, to, |place, to| lane.timelines.save(place, to));
        }
    }

    fn restore(&mut self, of: &dyn Fn(SymbolId) -> bool, from: &mut Restore<'_>) {
        for lane in &mut self.lanes {
            load_symbols(of, from, |symbol, from| {
                let place = lane.place(symbol);
                lane.timelines.load(place, from);
            });
        }
    }
}
