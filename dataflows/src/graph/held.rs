//! A batch in hand of which some epochs may not be entered yet: folded run by run, kept in a checkpoint.

use crate::checkpoint::Restored;
use crate::wire::{Parcel, Shared};
use market::{
    Admitted, DeadLetter, Epoch, Offset, Partition, Price, Run, Sealed, Side, Size, Time, Touched,
    Trade, TradeId, TransType, Updates,
};
use operators::{Restore, Snapshot};
use timely::bytes::arc::BytesMut;
use timely::dataflow::channels::ContainerBytes;

/// An admitted batch, as far as it is not folded.
pub(super) struct Held {
    pub batch: Box<Admitted>,
    /// The next run.
    pub next: usize,
    /// Letters of the batch, which have gone out: a cut before their epoch sends them again.
    pub letters: Vec<DeadLetter>,
}

impl Held {
    pub fn new(mut batch: Box<Admitted>) -> Self {
        let letters = std::mem::take(&mut batch.letters);
        Held { batch, next: 0, letters }
    }

    /// The next run, if there is one.
    pub fn run(&self) -> Option<&Run> {
        self.batch.runs.get(self.next)
    }

    /// Appends what is left: runs, and their rows as the fold takes them; those of a pool whole.
    pub fn save(&self, is_pooled: bool, to: &mut Snapshot) {
        let runs = &self.batch.runs[self.next..];
        to.u64(runs.len() as u64);
        for run in runs {
            to.i64(run.epoch);
            to.u64(u64::from(run.rows.end - run.rows.start));
            for row in run.rows.clone().map(|row| row as usize) {
                let trades = &self.batch.trades;
                to.i64(trades.ts_event[row].ns());
                to.symbol(trades.symbol[row]);
                to.i64(trades.price[row].raw());
                to.i64(trades.size[row].raw());
                to.u64(trades.offset[row].raw());
                to.u64(u64::from(trades.updates.get(row).copied().unwrap_or_default().code()));
                if is_pooled {
                    save_rest(&trades.row(row), to);
                }
            }
        }
        to.u64(self.batch.touched.len() as u64);
        for touched in &self.batch.touched {
            to.symbol(touched.symbol);
            to.i64(touched.ts.ns());
        }
    }

    /// Reads back what [`Held::save`] wrote.
    pub fn load(is_pooled: bool, from: &mut Restore<'_>) -> Self {
        let mut batch = Box::<Admitted>::default();
        for _ in 0..from.u64() {
            let (epoch, rows) = (from.i64(), from.u64() as u32);
            let start = batch.trades.len() as u32;
            batch.runs.push(Run { epoch, rows: start..start + rows });
            for _ in 0..rows {
                let mut trade = Trade {
                    ts_event: Time::from_ns(from.i64()),
                    symbol: from.symbol(),
                    price: Price::from_raw(from.i64()),
                    size: Size::from_raw(from.i64()),
                    offset: Offset::from_raw(from.u64()),
                    trade_id: TradeId::NONE,
                    venue: None,
                    side: Side::Unknown,
                    trans: TransType::New,
                    updates: updates_of(from.u64()),
                };
                if is_pooled {
                    load_rest(&mut trade, from);
                }
                // Of a batch all trades have a venue, or none.
                batch.trades.push(&trade, trade.symbol);
            }
        }
        for _ in 0..from.u64() {
            let symbol = from.symbol();
            batch.touched.push(Touched { symbol, ts: Time::from_ns(from.i64()) });
        }
        Held { batch, next: 0, letters: Vec::new() }
    }
}

fn updates_of(code: u64) -> Updates {
    Updates::of_code(code).expect("what a trade counts for was saved")
}

/// What of a trade the fold has no use for.
fn save_rest(trade: &Trade, to: &mut Snapshot) {
    to.i128(trade.trade_id.raw().cast_signed());
    to.symbol(trade.venue.unwrap_or(trade.symbol));
    to.u64(u64::from(trade.venue.is_some()));
    to.u64(trade.side as u64 | (trade.trans as u64) << 8);
}

/// Reads back what [`save_rest`] wrote.
fn load_rest(trade: &mut Trade, from: &mut Restore<'_>) {
    trade.trade_id = TradeId::from_raw(from.i128().cast_unsigned());
    let venue = from.symbol();
    trade.venue = (from.u64() == 1).then_some(venue);
    let packed = from.u64();
    trade.side = Side::of_code(packed & 0xff).expect("a side was saved");
    trade.trans = TransType::of_code(packed >> 8).expect("a transaction type was saved");
}

/// The letters of `held` that belong to `epoch` or later, as bytes.
pub(super) fn save_letters(held: Option<&Held>, epoch: Epoch) -> Vec<u8> {
    let letters = held.into_iter().flat_map(|held| &held.letters);
    let letters = letters.filter(|letter| letter.epoch >= epoch).cloned().collect();
    let mut bytes = Vec::new();
    Shared::from(Parcel::Letters(letters)).into_bytes(&mut bytes);
    bytes
}

/// Reads back what [`save_letters`] wrote.
pub(super) fn load_letters(bytes: &[u8]) -> Parcel {
    let bytes = BytesMut::from(bytes.to_vec()).freeze();
    let shared = Shared::from_bytes(bytes);
    std::sync::Arc::unwrap_or_clone(shared.0)
}

/// The name of a partition's piece.
pub(super) fn piece_name(number: usize) -> String {
    format!("tick/{number}")
}

/// The name of what its cuts write once: another one, so that its small buffers are not lent to the other piece.
pub(super) fn block_name(number: usize) -> String {
    format!("blocks/{number}")
}

/// Appends what the partition itself saves, behind its length, and to `block` what it saves once; nothing where it
/// cannot.
pub(super) fn save_partition(
    partition: &mut dyn Partition,
    to: &mut Vec<u8>,
    block: &mut Vec<u8>,
) -> Option<Sealed> {
    let start = to.len() + size_of::<u64>();
    to.resize(start, 0);
    let sealed = partition.cut(to, block);
    let length = (to.len() - start) as u64;
    to[start - size_of::<u64>()..start].copy_from_slice(&length.to_le_bytes());
    sealed
}

/// What the partition itself saved, and the letters behind it.
pub(super) fn saved_of(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_first_chunk().expect("a whole piece has a length");
    rest.split_at(u64::from_le_bytes(*length) as usize)
}

/// What a checkpoint holds of partition `number` itself, and behind that its blocks.
pub(crate) fn saved(from: &Restored, number: usize) -> Option<Vec<u8>> {
    let name = piece_name(number);
    let mut pieces = from.bundles.iter().flat_map(|bundle| bundle.pieces(&name));
    let mut saved = pieces.next().map(|(_, bytes)| saved_of(bytes).0.to_vec())?;
    from.blocks(&block_name(number)).for_each(|(_, block)| saved.extend_from_slice(block));
    Some(saved)
}
