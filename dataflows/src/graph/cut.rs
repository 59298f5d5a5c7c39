//! What a partition gives to a checkpoint: open bars and what is in hand, what admission knows, and once what never
//! changes any more.

use super::held::{block_name, piece_name, save_letters, save_partition};
use super::reader::Reader;
use super::run::RunError;
use crate::checkpoint::{Cuts, Piece, Position};
use market::{Epoch, Sealed};
use operators::Snapshot;

impl Reader {
    /// Gives what is held to the checkpoint of `boundary`, unless it was given.
    pub(super) fn cut_at(&mut self, boundary: Option<Epoch>, cuts: &Cuts) -> Result<(), RunError> {
        let Some(boundary) = boundary.filter(|&at| self.cut < at) else { return Ok(()) };
        self.cut = boundary;
        let Piece { name, words, mut bytes } = cuts.piece(piece_name(self.number));
        let mut words = Snapshot::onto(words);
        self.path.snapshot(&mut words);
        match &self.held {
            Some(held) => held.save(self.pool.is_some(), &mut words),
            // No runs, and no bars to fold again.
            None => words.u64s(&[0, 0]),
        }
        let mut block = cuts.piece(block_name(self.number));
        let sealed = save_partition(&mut *self.partition, &mut bytes, &mut block.bytes);
        let Some(Sealed { later, needed }) = sealed else {
            return Err(RunError::NoSnapshot(self.number));
        };
        self.blocks.extend(later.map(|later| cuts.keep(block, later)));
        self.blocks.drain(..self.blocks.len().saturating_sub(needed));
        cuts.need(&self.blocks);
        bytes.extend(save_letters(self.held.as_ref(), boundary));
        let words = words.into_words();
        let offset = self.partition.position().map(market::Offset::raw);
        let position = Position { partition: self.number as u32, offset };
        cuts.give(Piece { name, words, bytes }, Some(position));
        Ok(())
    }
}
