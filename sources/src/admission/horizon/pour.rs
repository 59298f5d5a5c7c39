//! Blocks on their way into checkpoints: a block that grows no more is written once, by the first cut behind it, and on
//! the thread that writes; what every cut writes anew is what was made of trades, and the rows of the block that grows.

use super::Horizon;
use super::block::Block;
use super::edits::Edits;
use crate::admission::codec::{Reader, SnapshotError, Writer};
use market::{Offset, Price, Side, Size, SymbolId, Symbols, Time, TradeId, Trades, Updates};
use std::collections::HashMap;

/// Blocks that are written once.
pub(in crate::admission) struct Poured {
    blocks: Vec<Block>,
    symbols: Symbols,
}

impl Poured {
    /// Appends them.
    pub fn write(&self, to: &mut Writer) {
        to.u64(self.blocks.len() as u64);
        self.blocks.iter().for_each(|block| save(block, to, &self.symbols));
    }
}

impl Horizon {
    /// Whether blocks grow no more that no pour holds.
    pub fn has_new(&self) -> bool {
        let poured = self.pours.back().copied().unwrap_or(0);
        self.sealed().next_back().is_some_and(|block| block.end() > poured)
    }

    /// The blocks that no earlier pour holds.
    pub fn pour(&mut self, symbols: &Symbols) -> Poured {
        let poured = self.pours.back().copied().unwrap_or(0);
        let blocks: Vec<Block> =
            self.sealed().filter(|block| block.end() > poured).cloned().collect();
        self.pours.push_back(blocks.last().map_or(poured, Block::end));
        Poured { blocks, symbols: symbols.clone() }
    }

    /// All blocks that grow no more.
    pub fn pour_all(&self, symbols: &Symbols) -> Poured {
        Poured { blocks: self.sealed().cloned().collect(), symbols: symbols.clone() }
    }

    /// How many of the last pours are still needed.
    pub fn needed(&mut self) -> usize {
        let first = self.first();
        while self.pours.front().is_some_and(|&end| end <= first) {
            self.pours.pop_front();
        }
        self.pours.len()
    }

    /// Rows may follow in the last block: they are written anew each time.
    fn sealed(&self) -> impl DoubleEndedIterator<Item = &Block> {
        self.blocks.iter().take(self.blocks.len().saturating_sub(1))
    }

    /// The number of the first trade that is held.
    fn first(&self) -> u64 {
        self.blocks.front().map_or(self.kept, |block| block.first)
    }

    /// Appends all but the blocks that grow no more.
    pub fn save(&self, to: &mut Writer, symbols: &Symbols) {
        to.u64(self.kept);
        to.u64(self.first());
        to.i64(self.lost);
        to.u64(self.left_early);
        self.edits.save(to, symbols);
        to.u64(u64::from(!self.blocks.is_empty()));
        self.blocks.back().into_iter().for_each(|block| save(block, to, symbols));
    }

    /// Reads back what [`Horizon::save`] appended, into one that kept nothing.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.kept = from.u64()?;
        let first = from.u64()?;
        self.lost = from.i64()?;
        self.left_early = from.u64()?;
        self.edits = Edits::load(from)?;
        if from.u64()? == 1 {
            let mut block = load(from)?;
            if block.end() != self.kept || first > block.first {
                return Err(from.corrupt());
            }
            block.is_own = true;
            self.blocks.push_back(block);
        } else if first != self.kept {
            return Err(from.corrupt());
        }
        self.wanted = first;
        Ok(())
    }

    /// Takes in what a pour holds, oldest first.
    pub fn refill(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for _ in 0..from.count()? {
            let block = load(from)?;
            let place = self.blocks.len().saturating_sub(1);
            // What had left by then is passed over.
            if block.end() <= self.wanted {
                continue;
            }
            if block.first != self.wanted {
                return Err(from.corrupt());
            }
            self.wanted = block.end();
            self.blocks.insert(place, block);
        }
        self.pours.push_back(self.wanted);
        Ok(())
    }

    /// Whether all blocks are there.
    pub fn is_whole(&self) -> bool {
        self.wanted == self.blocks.back().map_or(self.kept, |block| block.first)
    }
}

/// Symbols of a block by its own numbers.
#[derive(Default)]
struct Dictionary {
    places: HashMap<SymbolId, u64>,
    symbols: Vec<SymbolId>,
}

impl Dictionary {
    fn place(&mut self, symbol: SymbolId) -> u64 {
        *self.places.entry(symbol).or_insert_with(|| {
            self.symbols.push(symbol);
            self.symbols.len() as u64 - 1
        })
    }
}

/// Appends the admitted rows of a block, column by column.
fn save(block: &Block, to: &mut Writer, symbols: &Symbols) {
    let trades = &*block.trades;
    let rows: Vec<usize> = block.rows().collect();
    to.u64(block.first);
    to.u64(rows.len() as u64);
    let mut dictionary = Dictionary::default();
    let places: Vec<u64> = rows.iter().map(|&row| dictionary.place(trades.symbol[row])).collect();
    let venues: Vec<u64> = match trades.venue.is_empty() {
        true => Vec::new(),
        false => rows.iter().map(|&row| dictionary.place(trades.venue[row])).collect(),
    };
    to.u64(dictionary.symbols.len() as u64);
    dictionary.symbols.iter().for_each(|symbol| to.text(&symbols.text(*symbol)));
    to.column(places.iter().copied());
    above(&rows, |row| trades.ts_event[row].ns(), to);
    above(&rows, |row| trades.price[row].raw(), to);
    above(&rows, |row| trades.size[row].raw(), to);
    above(&rows, |row| trades.offset[row].raw().cast_signed(), to);
    save_ids(trades, &rows, to);
    to.u64(u64::from(!venues.is_empty()));
    if !venues.is_empty() {
        to.column(venues.iter().copied());
    }
    optional(&trades.side, &rows, |side| side as u64, to);
    optional(&trades.updates, &rows, |updates| u64::from(updates.code()), to);
}

/// How far each value lies above the least of them, and that.
fn above(rows: &[usize], value: impl Fn(usize) -> i64 + Clone, to: &mut Writer) {
    let least = rows.iter().map(|&row| value(row)).min().unwrap_or(0);
    to.i64(least);
    to.column(rows.iter().map(|&row| value(row).wrapping_sub(least).cast_unsigned()));
}

/// Numbers like other columns; where one is text, or there is none, all as they are.
fn save_ids(trades: &Trades, rows: &[usize], to: &mut Writer) {
    let ids = || rows.iter().filter_map(|&row| trades.trade_id.get(row));
    let small = |id: &TradeId| i64::try_from(id.raw()).is_ok();
    let kind = match trades.trade_id.is_empty() {
        true => 0,
        false if ids().all(small) => 1,
        false => 2,
    };
    to.u64(kind);
    match kind {
        1 => above(rows, |row| trades.trade_id[row].raw() as i64, to),
        2 => ids().for_each(|id| to.u128(id.raw())),
        _ => {}
    }
}

fn optional<T: Copy>(
    column: &[T],
    rows: &[usize],
    code: impl Fn(T) -> u64 + Clone,
    to: &mut Writer,
) {
    to.u64(u64::from(!column.is_empty()));
    if !column.is_empty() {
        to.column(rows.iter().map(|&row| code(column[row])));
    }
}

/// Reads back what [`save`] appended.
fn load(from: &mut Reader<'_>) -> Result<Block, SnapshotError> {
    let first = from.u64()?;
    let rows = u32::try_from(from.count()?).map_err(|_| from.corrupt())?;
    let mut known = Vec::new();
    for _ in 0..from.count()? {
        known.push(from.symbol()?);
    }
    let symbol = |place: u64| known.get(place as usize).copied();
    let column = |from: &mut Reader<'_>| -> Result<Vec<SymbolId>, SnapshotError> {
        let places = from.column(rows)?;
        places.map(|place| symbol(place).ok_or(from.corrupt())).collect()
    };
    let mut trades = Trades { symbol: column(from)?, ..Trades::default() };
    trades.ts_event = lifted(rows, from)?.map(Time::from_ns).collect();
    trades.price = lifted(rows, from)?.map(Price::from_raw).collect();
    trades.size = lifted(rows, from)?.map(Size::from_raw).collect();
    trades.offset = lifted(rows, from)?.map(|raw| Offset::from_raw(raw.cast_unsigned())).collect();
    trades.trade_id = load_ids(rows, from)?;
    trades.venue = match from.u64()? {
        1 => column(from)?,
        _ => Vec::new(),
    };
    trades.side = codes(rows, Side::of_code, from)?;
    trades.updates = codes(rows, Updates::of_code, from)?;
    Ok(Block::whole(trades, first))
}

fn lifted<'a>(
    rows: u32,
    from: &mut Reader<'a>,
) -> Result<impl Iterator<Item = i64> + use<'a>, SnapshotError> {
    let least = from.i64()?;
    Ok(from.column(rows)?.map(move |above| least.wrapping_add(above.cast_signed())))
}

fn load_ids(rows: u32, from: &mut Reader<'_>) -> Result<Vec<TradeId>, SnapshotError> {
    match from.u64()? {
        0 => Ok(Vec::new()),
        1 => Ok(lifted(rows, from)?.map(|id| TradeId::from_number(id.cast_unsigned())).collect()),
        _ => (0..rows).map(|_| Ok(TradeId::from_raw(from.u128()?))).collect(),
    }
}

fn codes<T>(
    rows: u32,
    of: impl Fn(u64) -> Option<T>,
    from: &mut Reader<'_>,
) -> Result<Vec<T>, SnapshotError> {
    match from.u64()? {
        0 => Ok(Vec::new()),
        _ => from.column(rows)?.map(|code| of(code).ok_or(from.corrupt())).collect(),
    }
}
