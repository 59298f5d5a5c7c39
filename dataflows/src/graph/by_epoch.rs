//! The one operator shape beyond the exchange: nothing is applied before its epoch is complete.
//!
//! ```text
//!  input parcels -> stage.receive      frontier passes e -> stage.apply(e), e by e -> output parcels
//! ```
//!
//! The operator holds one capability, which follows the input's frontier: what an activation makes goes
//! out in a few parcels at that capability, each row with its own epoch.

use crate::checkpoint::{Cuts, Piece};
use crate::wire::{Names, Parcel, RowParcel, Shared};
use market::{Bar, Body, Epoch, RowKey, SymbolId, Symbols, Width};
use operators::{Restore, Snapshot};
use std::ops::Range;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::ParallelizationContract;
use timely::dataflow::operators::Operator;
use timely::progress::frontier::MutableAntichain;

/// A stage of the graph without timely: it takes containers, and applies epochs in order.
pub trait Stage<C> {
    /// Takes a container of changes that wait for their epochs.
    fn receive(&mut self, container: C);
    /// The next epoch in which something is to do.
    fn next_epoch(&self) -> Option<Epoch>;
    /// Applies `epoch`, of which everything was received.
    fn apply(&mut self, epoch: Epoch, out: &mut Output);
    /// The input has ended and every epoch was applied.
    fn finish(&mut self, _out: &mut Output) {}
    /// Appends what it holds of the symbols that `of` chooses, once everything before `before` was applied and
    /// nothing else.
    fn save(&mut self, before: Epoch, of: &dyn Fn(SymbolId) -> bool, to: &mut Snapshot);
    /// Takes in, of a part that [`Stage::save`] wrote, the symbols that `of` chooses.
    fn load(&mut self, of: &dyn Fn(SymbolId) -> bool, from: &mut Restore<'_>);
}

/// Parcels under way, one for each width.
pub struct Output {
    table: u32,
    stride: usize,
    symbols: Symbols,
    parcels: Vec<RowParcel>,
    other: Vec<Parcel>,
    /// Rows of the longest parcel so far, at most [`RESERVE_MAX`]: one as long need not move while it grows.
    reserve: usize,
}

/// Activations that a cut is spread over, so that none of them lasts long.
const SLICES: usize = 16;

/// Rows that room is made for before it is known how many come.
pub(crate) const RESERVE_MAX: usize = 2_048;

impl Output {
    /// Rows of table `table`: bars where `stride` is 0, else floats.
    pub fn new(table: u32, stride: usize, symbols: &Symbols) -> Self {
        let symbols = symbols.clone();
        Output { table, stride, symbols, parcels: Vec::new(), other: Vec::new(), reserve: 0 }
    }

    fn parcel(&mut self, width: Width) -> &mut RowParcel {
        let at = self.parcels.iter().position(|parcel| parcel.width == width);
        let at = at.unwrap_or_else(|| {
            let rows = self.reserve;
            let body = match self.stride {
                0 => Body::Bars(Vec::with_capacity(rows)),
                stride => Body::Floats { stride, values: Vec::with_capacity(rows * stride) },
            };
            let (table, keys) = (self.table, Vec::with_capacity(rows));
            let names = Names::Here(self.symbols.clone());
            self.parcels.push(RowParcel { table, width, keys, body, names });
            self.parcels.len() - 1
        });
        &mut self.parcels[at]
    }

    /// Adds a row of a bar.
    #[inline]
    pub fn bar(&mut self, key: RowKey, bar: &Bar) {
        let parcel = self.parcel(key.width);
        parcel.keys.push(key);
        if let Body::Bars(bars) = &mut parcel.body {
            bars.push(*bar);
        }
    }

    /// Adds a row of floats.
    #[inline]
    pub fn floats(&mut self, key: RowKey, row: &[f64]) {
        let parcel = self.parcel(key.width);
        parcel.keys.push(key);
        if let Body::Floats { values, .. } = &mut parcel.body {
            values.extend_from_slice(row);
        }
    }

    /// Adds something else.
    pub fn other(&mut self, parcel: Parcel) {
        self.other.push(parcel);
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Shared> {
        let longest = self.parcels.iter().map(|parcel| parcel.keys.len()).max();
        self.reserve = self.reserve.max(longest.unwrap_or(0)).min(RESERVE_MAX);
        let rows = std::mem::take(&mut self.parcels).into_iter().map(Parcel::Rows);
        rows.chain(std::mem::take(&mut self.other)).map(Shared::from)
    }
}

/// Everything before this epoch is complete, as the frontier has it; `None` when the input has ended.
pub(crate) fn limit(frontier: &MutableAntichain<Epoch>) -> Option<Epoch> {
    frontier.frontier().first().copied()
}

/// Puts a stage on timely. Nothing is applied that was not granted, or of `until` or later; at a boundary its state
/// is cut.
pub fn by_epoch<'s, C, P, S>(
    input: Stream<'s, Epoch, C>,
    pact: P,
    name: &str,
    mut stage: S,
    mut out: Output,
    (cuts, until): (&Cuts, Epoch),
) -> Stream<'s, Epoch, Shared>
where
    C: timely::Container,
    P: ParallelizationContract<Epoch, C>,
    S: Stage<C> + 'static,
{
    let (cuts, piece) = (cuts.clone(), name.to_owned());
    let scope = input.scope();
    input.unary_frontier::<CapacityContainerBuilder<Shared>, _, _, _>(
        pact,
        name,
        |capability, info| {
            cuts.join(SLICES, scope.activator_for(info.address.clone()));
            let again = scope.activator_for(info.address);
            let mut capability = Some(capability);
            let mut cut = Cut { at: Epoch::MIN, slices: SLICES, symbols: 0 };
            move |(input, frontier), output| {
                input.for_each(|_, container| stage.receive(std::mem::take(container)));
                let limit = limit(frontier);
                let gate = cuts.gate();
                let mut barred = None;
                loop {
                    let next = stage.next_epoch().filter(|&epoch| epoch < until);
                    let is_before = |at: Epoch| {
                        next.is_none_or(|next| next >= at) && limit.is_none_or(|limit| limit >= at)
                    };
                    if let Some(at) = gate.boundary.filter(|&at| is_before(at))
                        && let Some(slice) = cut.next(at, &out.symbols)
                    {
                        let piece = cuts.piece(piece.clone());
                        cuts.give(filled(piece, &mut stage, at, slice), None);
                        again.activate();
                        barred = next.or(Some(at));
                        break;
                    }
                    let Some(epoch) = next else { break };
                    if limit.is_some_and(|limit| epoch >= limit) {
                        break;
                    }
                    if epoch >= gate.granted {
                        cuts.reach(epoch);
                        barred = Some(epoch);
                        break;
                    }
                    cuts.enter(epoch);
                    stage.apply(epoch, &mut out);
                }
                let Some(held) = &mut capability else { return };
                if limit.is_none() && barred.is_none() {
                    stage.finish(&mut out);
                }
                let mut session = output.session(held);
                out.drain().for_each(|mut parcel| session.give_container(&mut parcel));
                drop(session);
                match limit.into_iter().chain(barred).min() {
                    // A worker without partitions may hear of a boundary when the frontier has passed it.
                    Some(limit) => held.downgrade(&limit.max(*held.time())),
                    None => capability = None,
                }
            }
        },
    )
}

/// How far a stage is cut.
struct Cut {
    /// The last boundary.
    at: Epoch,
    /// Slices that were saved at it.
    slices: usize,
    /// Symbols of a slice.
    symbols: usize,
}

impl Cut {
    /// The symbols of the next slice to be saved at a boundary, if one is left: neighbours, because what is
    /// kept of them lies side by side.
    fn next(&mut self, boundary: Epoch, symbols: &Symbols) -> Option<Range<usize>> {
        if boundary > self.at {
            *self = Cut { at: boundary, slices: 0, symbols: symbols.len() / SLICES + 1 };
        }
        let slice = self.slices;
        self.slices = SLICES.min(slice + 1);
        let start = slice * self.symbols;
        // Of a symbol that came since nothing is held yet.
        (slice < SLICES).then_some(start..start + self.symbols)
    }
}

fn filled<C, S: Stage<C>>(
    piece: Piece,
    stage: &mut S,
    before: Epoch,
    symbols: Range<usize>,
) -> Piece {
    let mut words = Snapshot::onto(piece.words);
    stage.save(before, &|symbol| symbols.contains(&symbol.index()), &mut words);
    Piece { words: words.into_words(), ..piece }
}
