//! The whole state of an admission as bytes, symbols by their text: at any cut, the same verdicts follow.
//!
//! Taken between batches. The configuration is not in it: it is part of the lineage, and the same. Bytes are sections,
//! each behind its length: where the admission stands, and blocks of ids, which cuts write once.

use super::codec::{Reader, SnapshotError, Writer, section, sections};
use super::outlier::Level;
use super::pending::Pendings;
use super::waiting::Waiting;
use super::{Admission, AdmissionConfig, Place};
use market::{EpochLength, Later, Offset, Reason, Sealed, SymbolId, Symbols};

/// The position of who judged nothing; no record has it.
const NOWHERE: u64 = u64::MAX;

impl Admission {
    /// Its state between two batches.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.snapshot_onto(&mut bytes);
        bytes
    }

    /// Appends its state between two batches, all of it.
    pub fn snapshot_onto(&self, bytes: &mut Vec<u8>) {
        self.stand_onto(bytes);
        section(bytes, |to| self.duplicates.pour_all(to));
        section(bytes, |to| self.horizon.pour_all(&self.symbols).write(to));
    }

    /// Appends where it stands to `state`, and to `block` the ids and trades that became settled since the last cut: from
    /// `state` and the blocks that are needed, one after the other, it goes on. Trades are appended later.
    pub fn cut_onto(&mut self, state: &mut Vec<u8>, block: &mut Vec<u8>) -> Sealed {
        self.stand_onto(state);
        let is_new = self.duplicates.has_new() || self.horizon.has_new();
        let later = is_new.then(|| {
            section(block, |to| self.duplicates.pour(to));
            let poured = self.horizon.pour(&self.symbols);
            Box::new(move |block: &mut Vec<u8>| section(block, |to| poured.write(to))) as Later
        });
        let needed = self.duplicates.needed().max(self.horizon.needed());
        Sealed { later, needed }
    }

    fn stand_onto(&self, bytes: &mut Vec<u8>) {
        section(bytes, |to| self.stand(to));
    }

    fn stand(&self, to: &mut Writer) {
        to.u64(self.position.map_or(NOWHERE, Offset::raw));
        self.mark.snapshot(to);
        let known = self.levels.iter().enumerate().filter(|(_, level)| level.is_known());
        to.u64(u64::from(self.known));
        for (id, level) in known {
            to.text(&self.symbols.text(SymbolId::from_index(id as u32)));
            [level.level, level.spread, level.streak].into_iter().for_each(|word| to.i64(word));
        }
        self.duplicates.save(to, &self.symbols);
        self.horizon.save(to, &self.symbols);
        self.pending.save(to, &self.symbols);
        self.save_excluded(to);
        to.u64(self.waiting.len() as u64);
        self.waiting.iter().for_each(|waiting| waiting.snapshot(to, &self.symbols));
        let counts = &self.counts;
        let corrected = [counts.cancelled, counts.replaced, counts.excluded];
        [counts.read, counts.used, counts.late, counts.flagged]
            .into_iter()
            .chain(corrected)
            .chain(counts.refused)
            .for_each(|word| to.u64(word));
        match self.config.place {
            Place::Alone => {}
            Place::Ahead => to.u64(u64::from(self.ended)),
            Place::Behind => to.u64(counts.left_out),
        }
    }

    /// What is judged from now on stands in another log: no position of it was judged.
    pub fn forget_position(&mut self) {
        self.position = None;
    }

    /// Whether the log of one that others are read behind had ended.
    pub fn has_ended_in(bytes: &[u8]) -> bool {
        sections(bytes).is_ok_and(|sections| sections.first().and_then(|of| of.last()) == Some(&1))
    }

    /// Of what was restored from, where it stands alone: blocks are named again.
    pub fn stand_of(bytes: &[u8]) -> &[u8] {
        let first = sections(bytes).ok().and_then(|sections| sections.first().map(|of| of.len()));
        first.map_or(bytes, |length| &bytes[..length + size_of::<u64>()])
    }

    /// An admission that goes on from `bytes`, with the configuration of the one that wrote them.
    ///
    /// # Errors
    /// Refuses bytes that no snapshot has.
    pub fn restore(
        config: AdmissionConfig,
        length: EpochLength,
        symbols: Symbols,
        partition: u32,
        bytes: &[u8],
    ) -> Result<Self, SnapshotError> {
        let mut admission = Admission::new(config, length, symbols.clone(), partition);
        let sections = sections(bytes)?;
        let (stand, blocks) = sections.split_first().ok_or(SnapshotError::Short(0))?;
        let mut from = Reader::new(stand, &symbols);
        let position = from.u64()?;
        admission.position = (position != NOWHERE).then(|| Offset::from_raw(position));
        admission.mark.restore(&mut from)?;
        for _ in 0..from.count()? {
            let at = from.symbol()?.index();
            if admission.levels.len() <= at {
                admission.levels.resize(at + 1, Level::default());
            }
            let (level, spread, streak) = (from.i64()?, from.i64()?, from.i64()?);
            if level <= 0 || spread < 0 || admission.levels[at].is_known() {
                return Err(from.corrupt());
            }
            admission.levels[at] = Level { level, spread, streak };
            admission.known += 1;
        }
        let (ids, trades): (Vec<&[u8]>, Vec<&[u8]>) =
            blocks.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip();
        admission.duplicates.restore(&mut from, &ids, &symbols)?;
        admission.horizon.load(&mut from)?;
        for trades in trades {
            admission.horizon.refill(&mut Reader::new(trades, &symbols))?;
        }
        if !admission.horizon.is_whole() || blocks.len() % 2 != 0 {
            return Err(from.corrupt());
        }
        admission.pending = Pendings::load(&mut from)?;
        admission.await_again();
        admission.load_excluded(&mut from)?;
        for _ in 0..from.count()? {
            admission.waiting.push(Waiting::restore(&mut from)?);
        }
        let counts = &mut admission.counts;
        let words = [&mut counts.read, &mut counts.used, &mut counts.late, &mut counts.flagged];
        let corrected = [&mut counts.cancelled, &mut counts.replaced, &mut counts.excluded];
        for word in words.into_iter().chain(corrected) {
            *word = from.u64()?;
        }
        for reason in Reason::ALL {
            counts.refused[*reason as usize] = from.u64()?;
        }
        match admission.config.place {
            Place::Alone => {}
            Place::Ahead => admission.ended = from.u64()? == 1,
            Place::Behind => admission.counts.left_out = from.u64()?,
        }
        from.end()?;
        Ok(admission)
    }
}
