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
use super::stream::{Block, Stream, Unordered};
use market::{Symbols, Time};
use std::collections::VecDeque;
use std::ops::Range;

impl Stream {
    /// Appends all of it.
    pub(super) fn snapshot(&self, to: &mut Writer, symbols: &Symbols) {
        self.save(to, symbols);
        to.u64(self.blocks.len() as u64);
        let mut from = 0;
        for block in &self.blocks {
            from = self.pour(block, from, to);
        }
    }

    /// Reads back what [`Stream::snapshot`] appended.
    pub(super) fn restore(from: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let (mut stream, open) = Stream::load(from)?;
        for _ in 0..from.count()? {
            stream.refill(from, true)?;
        }
        stream.append(&open);
        Ok(stream)
    }

    /// Appends where it stands: all but its full blocks.
    pub(super) fn save(&self, to: &mut Writer, symbols: &Symbols) {
        to.text(&symbols.text(self.symbol));
        to.text(self.venue.map(|venue| symbols.text(venue)).as_deref().unwrap_or_default());
        to.u64(self.greatest);
        to.i64(self.day_ns);
        [self.blocks_gone, self.steps, self.kept].into_iter().for_each(|word| to.u64(word));
        to.u64(u64::from(self.unordered.is_some()));
        self.pour(&self.open, self.len() as usize - self.open.len as usize, to);
    }

    /// Reads back what [`Stream::save`] appended; the ids of the block that grows come behind those of the full ones.
    pub(super) fn load(from: &mut Reader<'_>) -> Result<(Self, Ids), SnapshotError> {
        let symbol = from.symbol()?;
        let mut stream = Stream::new(symbol, from.optional_symbol()?);
        stream.greatest = from.u64()?;
        stream.day_ns = from.i64()?;
        stream.blocks_gone = from.u64()?;
        stream.steps = from.u64()?;
        stream.kept = from.u64()?;
        if from.u64()? == 1 {
            stream.unordered = Some(Unordered::of(VecDeque::new()));
        }
        let (block, ids) = Block::load(from)?;
        stream.open = block;
        Ok((stream, ids))
    }

    /// Appends a block, whose ids stand from `first` on; where those of the next one do.
    fn pour(&self, block: &Block, first: usize, to: &mut Writer) -> usize {
        let rows = first..first + block.len as usize;
        block.save(self.unordered.is_some(), to);
        let mut earlier = block.ts_max;
        let mut time = |to: &mut Writer, ts: i64| {
            to.i64(ts.wrapping_sub(std::mem::replace(&mut earlier, ts)));
        };
        if let Some(unordered) = &self.unordered {
            for &(id, ts) in unordered.log.range(rows.clone()) {
                to.u128(id);
                time(to, ts);
            }
        } else {
            let mut below = block.id_min;
            for &(id, ts) in self.rising.range(rows.clone()) {
                to.i64(id.wrapping_sub(std::mem::replace(&mut below, id)) as i64);
                time(to, ts);
            }
        }
        rows.end
    }

    /// Takes in a full block, unless it had left.
    fn refill(&mut self, from: &mut Reader<'_>, is_held: bool) -> Result<(), SnapshotError> {
        let (block, ids) = Block::load(from)?;
        if !is_held {
            return Ok(());
        }
        if self.unordered.is_none() && ids.is_text {
            return Err(from.corrupt());
        }
        self.append(&ids);
        self.blocks.push_back(block);
        self.poured = self.len() as usize;
        Ok(())
    }

    fn append(&mut self, ids: &Ids) {
        match &mut self.unordered {
            Some(unordered) => ids.rows.iter().for_each(|&(id, ts)| unordered.add(id, ts)),
            None => self.rising.extend(ids.rows.iter().map(|&(id, ts)| (id as u64, ts))),
        }
    }
}

/// The ids of a block with their times.
pub(super) struct Ids {
    rows: Vec<(u128, i64)>,
    is_text: bool,
}

impl Block {
    fn save(&self, is_text: bool, to: &mut Writer) {
        to.u64(u64::from(self.len) << 1 | u64::from(is_text));
        to.i64(self.day_ns / Time::DAY);
        to.i64(self.ts_max.wrapping_sub(self.day_ns));
        to.u64(self.id_min);
        to.u64(self.id_max.wrapping_sub(self.id_min));
        to.i64(self.id_reach.wrapping_sub(self.id_max) as i64);
    }

    /// Reads back what [`Stream::pour`] appended.
    fn load(from: &mut Reader<'_>) -> Result<(Self, Ids), SnapshotError> {
        let word = from.count()?;
        let (len, is_text) = (word >> 1, word & 1 == 1);
        let day_ns = from.i64()?.saturating_mul(Time::DAY);
        let ts_max = day_ns.wrapping_add(from.i64()?);
        let id_min = from.u64()?;
        let id_max = id_min.wrapping_add(from.u64()?);
        let id_reach = id_max.wrapping_add(from.i64()? as u64);
        let (mut id, mut ts, mut rows) = (id_min, ts_max, Vec::new());
        for _ in 0..len {
            let text = if is_text { Some(from.u128()?) } else { None };
            id = if is_text { 0 } else { id.wrapping_add(from.i64()? as u64) };
            ts = ts.wrapping_add(from.i64()?);
            rows.push((text.unwrap_or(u128::from(id)), ts));
        }
        let len = u32::try_from(len).map_err(|_| from.corrupt())?;
        Ok((Block { len, day_ns, ts_max, id_min, id_max, id_reach }, Ids { rows, is_text }))
    }
}

impl Duplicates {
    /// Appends where its streams stand: all but the blocks that [`Duplicates::pour`] appends.
    pub(super) fn save(&self, to: &mut Writer, symbols: &Symbols) {
        [self.swept as u64, self.held, self.left_early].into_iter().for_each(|word| to.u64(word));
        to.u64(self.streams.len() as u64);
        self.streams.iter().for_each(|stream| stream.save(to, symbols));
    }

    /// Appends the blocks that filled since the last call; whether there are any.
    pub(super) fn pour(&mut self, to: &mut Writer) -> bool {
        let first =
            self.pours.back().map_or(0, |end| end.saturating_sub(self.filled_gone) as usize);
        let (rows, mut streams) = (first..self.filled.len(), std::mem::take(&mut self.streams));
        let is_some = self.append(rows, to, |number, block, to| {
            let stream = &mut streams[number];
            let Some(of) = stream.block(block) else { return false };
            stream.poured = stream.pour(of, stream.poured, to);
            true
        });
        self.streams = streams;
        if is_some {
            self.pours.push_back(self.filled_gone + self.filled.len() as u64);
        }
        is_some
    }

    /// How many of the last pours are still needed.
    pub(super) fn needed(&mut self) -> usize {
        self.skip();
        while self.pours.front().is_some_and(|&end| end <= self.filled_gone) {
            self.pours.pop_front();
        }
        self.pours.len()
    }

    /// Appends all blocks, and remembers nothing of it; whether there are any.
    pub(super) fn pour_all(&self, to: &mut Writer) -> bool {
        let mut poured = vec![0; self.streams.len()];
        self.append(0..self.filled.len(), to, |number, block, to| {
            let stream = &self.streams[number];
            let Some(of) = stream.block(block) else { return false };
            poured[number] = stream.pour(of, poured[number], to);
            true
        })
    }

    /// Appends those of the filled blocks that `pour` appends, each behind its stream and number.
    fn append(
        &self,
        filled: Range<usize>,
        to: &mut Writer,
        mut pour: impl FnMut(usize, u64, &mut Writer) -> bool,
    ) -> bool {
        let before = to.bytes.len();
        for &(stream, block) in self.filled.range(filled) {
            let start = to.bytes.len();
            to.u64(u64::from(stream));
            to.u64(block);
            if !pour(stream as usize, block, to) {
                to.bytes.truncate(start);
            }
        }
        to.bytes.len() > before
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
        self.streams.iter_mut().zip(&open).for_each(|(stream, ids)| stream.append(ids));
        let held: u64 = self.streams.iter().map(Stream::len).sum();
        (held == self.held).then_some(()).ok_or(from.corrupt())
    }

    fn refill(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        while !from.is_over() {
            let number = u32::try_from(from.u64()?).map_err(|_| from.corrupt())?;
            let block = from.u64()?;
            let stream = self.streams.get_mut(number as usize).ok_or(from.corrupt())?;
            let is_held = block >= stream.blocks_gone;
            if is_held && block - stream.blocks_gone != stream.blocks.len() as u64 {
                return Err(from.corrupt());
            }
            stream.refill(from, is_held)?;
            if is_held {
                self.filled.push_back((number, block));
            }
        }
        Ok(())
    }
}
