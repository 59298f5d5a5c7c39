//! Ids on their way into checkpoints: a full block never changes, so it is written once, by the first cut behind it; what
//! every cut writes anew is where each stream stands, with the ids of the block that grows.
//!
//! ```text
//!   cut 1           cut 2           cut 3            restored from cut 3: its state, and what the pours that
//!   state           state           state            are still needed hold of blocks that had not left
//!   pour: b0 b1     pour: b2        pour: b3 b4
//! ```
//! Blocks leave about in the order in which they filled, so the pours that are needed are the last ones.

use super::codec::{Reader, SnapshotError, Writer};
use super::duplicates::Duplicates;
use super::stream::{BLOCK_TRADES, Block, Stream, Unordered};
use market::{Symbols, Time};
use std::collections::VecDeque;

impl Stream {
    /// Appends all of it.
    pub(super) fn snapshot(&self, to: &mut Writer, symbols: &Symbols) {
        self.save(to, symbols);
        to.u64(self.blocks.len() as u64);
        self.blocks.iter().for_each(|block| self.pour(block, to));
    }

    /// Reads back what [`Stream::snapshot`] appended.
    pub(super) fn restore(from: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let (mut stream, open) = Stream::load(from)?;
        for _ in 0..from.count()? {
            stream.refill(from, true)?;
        }
        stream.reopen(open);
        Ok(stream)
    }

    /// Appends where it stands: all but its full blocks.
    pub(super) fn save(&self, to: &mut Writer, symbols: &Symbols) {
        to.text(&symbols.text(self.symbol));
        to.text(self.venue.map(|venue| symbols.text(venue)).as_deref().unwrap_or_default());
        to.u64(self.greatest);
        to.i64(self.day_ns);
        to.u64(self.blocks_gone);
        to.u64(u64::from(self.unordered.is_some()));
        self.pour(&self.open, to);
    }

    /// Reads back what [`Stream::save`] appended; the ids of the block that grows come behind those of the full ones.
    pub(super) fn load(from: &mut Reader<'_>) -> Result<(Self, Ids), SnapshotError> {
        let symbol = from.symbol()?;
        let mut stream = Stream::new(symbol, from.optional_symbol()?);
        stream.greatest = from.u64()?;
        stream.day_ns = from.i64()?;
        stream.blocks_gone = from.u64()?;
        if from.u64()? == 1 {
            stream.unordered = Some(Unordered::of(VecDeque::new()));
        }
        Ok((stream, Ids::load(from)?))
    }

    /// Appends a block and its ids.
    fn pour(&self, block: &Block, to: &mut Writer) {
        let rows = self.rows(block);
        block.save(self.unordered.is_some(), to);
        let before = |ts: i64| block.ts_max.wrapping_sub(ts) as u64;
        if let Some(unordered) = &self.unordered {
            let own = unordered.log.range(rows);
            own.clone().for_each(|(id, _)| to.u128(*id));
            to.column(own.map(|(_, ts)| before(*ts)));
        } else {
            let own = self.numbers.range(rows);
            let least = own.clone().map(|(id, _)| *id).min().unwrap_or_default();
            to.u64(least);
            to.column(own.clone().map(|(id, _)| id - least));
            to.column(own.map(|(_, ts)| before(*ts)));
        }
    }

    /// Takes in a full block, unless it had left.
    fn refill(&mut self, from: &mut Reader<'_>, is_held: bool) -> Result<(), SnapshotError> {
        let mut ids = Ids::load(from)?;
        if !is_held {
            return Ok(());
        }
        if self.unordered.is_none() && ids.is_text {
            return Err(from.corrupt());
        }
        ids.block.first = self.len();
        self.append(&ids.block, ids.rows.into_iter());
        self.blocks.push_back(ids.block);
        Ok(())
    }

    /// Notes that all of its full blocks are written.
    fn is_poured(&mut self) {
        self.poured = self.blocks_gone + self.blocks.len() as u64;
    }

    /// Takes in the block that grows, behind the full ones.
    fn reopen(&mut self, mut ids: Ids) {
        ids.block.first = self.len();
        self.append(&ids.block, ids.rows.into_iter());
        self.open = ids.block;
    }
}

/// A block, and its ids with their times.
pub(super) struct Ids {
    block: Block,
    rows: Vec<(u128, i64)>,
    is_text: bool,
}

impl Block {
    fn save(&self, is_text: bool, to: &mut Writer) {
        to.u64(u64::from(self.len) << 1 | u64::from(is_text));
        to.i64(self.day_ns / Time::DAY);
        to.i64(self.ts_max.wrapping_sub(self.day_ns));
        to.u64(self.id_min);
    }
}

impl Ids {
    /// Reads back what [`Stream::pour`] appended.
    fn load(from: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let word = from.u64()?;
        let (len, is_text) = (word >> 1, word & 1 == 1);
        let len =
            u32::try_from(len).ok().filter(|len| *len <= BLOCK_TRADES).ok_or(from.corrupt())?;
        let day_ns = from.i64()?.saturating_mul(Time::DAY);
        let ts_max = day_ns.wrapping_add(from.i64()?);
        let id_min = from.u64()?;
        let mut ids = Vec::with_capacity(len as usize);
        for _ in 0..if is_text { len } else { 0 } {
            ids.push(from.u128()?);
        }
        if !is_text {
            let least = from.u64()?;
            ids.extend(from.column(len)?.map(|id| u128::from(least.wrapping_add(id))));
        }
        let times = from.column(len)?.map(|before| ts_max.wrapping_sub(before as i64));
        let rows = ids.into_iter().zip(times).collect();
        Ok(Ids { block: Block { len, day_ns, ts_max, id_min, first: 0 }, rows, is_text })
    }
}

impl Duplicates {
    /// Appends where its streams stand: all but the blocks that [`Duplicates::pour`] appends.
    pub(super) fn save(&self, to: &mut Writer, symbols: &Symbols) {
        [self.swept as u64, self.held, self.left_early].into_iter().for_each(|word| to.u64(word));
        to.u64(self.streams.len() as u64);
        self.streams.iter().for_each(|stream| stream.save(to, symbols));
    }

    /// Whether blocks filled since the last pour.
    pub(super) fn has_new(&self) -> bool {
        (self.first_new() as usize) < self.filled.len()
    }

    fn first_new(&self) -> u64 {
        self.pours.back().map_or(0, |end| end.saturating_sub(self.filled_gone))
    }

    /// Appends the blocks that filled since the last call.
    pub(super) fn pour(&mut self, to: &mut Writer) {
        self.append(self.first_new() as usize, |stream| stream.poured, to);
        self.streams.iter_mut().for_each(Stream::is_poured);
        self.pours.push_back(self.filled_gone + self.filled.len() as u64);
    }

    /// How many of the last pours are still needed.
    pub(super) fn needed(&mut self) -> usize {
        self.skip();
        while self.pours.front().is_some_and(|&end| end <= self.filled_gone) {
            self.pours.pop_front();
        }
        self.pours.len()
    }

    /// Appends all blocks, and remembers nothing of it.
    pub(super) fn pour_all(&self, to: &mut Writer) {
        self.append(0, |_| 0, to);
    }

    /// Appends the blocks that no earlier pour holds, stream by stream, as they lie in memory; before them in which
    /// order they filled.
    fn append(&self, first: usize, before: impl Fn(&Stream) -> u64, to: &mut Writer) {
        let is_held =
            |(stream, block): &&(u32, u64)| self.streams[*stream as usize].has_block(*block);
        let filled = self.filled.range(first..).filter(is_held);
        to.u64(filled.clone().count() as u64);
        for &(stream, block) in filled {
            to.u64(u64::from(stream));
            to.u64(block);
        }
        for (number, stream) in self.streams.iter().enumerate() {
            let new = before(stream).saturating_sub(stream.blocks_gone) as usize;
            if new < stream.blocks.len() {
                to.u64(number as u64);
                to.u64(stream.blocks_gone + new as u64);
                to.u64((stream.blocks.len() - new) as u64);
                stream.blocks.range(new..).for_each(|block| stream.pour(block, to));
            }
        }
    }

    /// Reads back what [`Duplicates::save`] appended, and what pours did, oldest first.
    pub(super) fn restore(
        &mut self,
        from: &mut Reader<'_>,
        pours: &[&[u8]],
        symbols: &Symbols,
    ) -> Result<(), SnapshotError> {
        self.swept = from.u64()? as usize;
        self.held = from.u64()?;
        self.left_early = from.u64()?;
        let mut open = Vec::new();
        for number in 0..from.count()? {
            let (stream, ids) = Stream::load(from)?;
            self.streams.push(stream);
            self.index(number as u32);
            open.push(ids);
        }
        for pour in pours {
            self.refill(&mut Reader::new(pour, symbols))?;
            self.pours.push_back(self.filled.len() as u64);
        }
        for (stream, ids) in self.streams.iter_mut().zip(open) {
            stream.reopen(ids);
            stream.is_poured();
        }
        let held: u64 = self.streams.iter().map(Stream::len).sum();
        (held == self.held).then_some(()).ok_or(from.corrupt())
    }

    fn refill(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let mut filled = Vec::new();
        for _ in 0..from.count()? {
            let stream = u32::try_from(from.u64()?).map_err(|_| from.corrupt())?;
            filled.push((stream, from.u64()?));
        }
        while !from.is_over() {
            let number = from.u64()? as usize;
            let stream = self.streams.get_mut(number).ok_or(from.corrupt())?;
            let first = from.u64()?;
            for at in 0..from.count()? as u64 {
                // What had left by then is passed over.
                let place = first.saturating_add(at).checked_sub(stream.blocks_gone);
                if place.is_some_and(|place| place != stream.blocks.len() as u64) {
                    return Err(from.corrupt());
                }
                stream.refill(from, place.is_some())?;
            }
        }
        for (stream, block) in filled {
            let own = self.streams.get(stream as usize).ok_or(from.corrupt())?;
            if own.has_block(block) {
                self.filled.push_back((stream, block));
            }
        }
        Ok(())
    }
}
