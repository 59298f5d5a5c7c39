//! Whether files are one log: each begins where the one before has ended.
//!
//! Only the first and the last records are read, of compressed text everything (it has no end to go
//! to). Files follow one another in the order they were given, never another. Corrections say nothing of it: they
//! have no time, or that of a trade before.

use super::desk::{Desk, Spare};
use super::feed::{Bell, Plan, Planned};
use super::open::open;
use super::{FileError, FilePartition, each};
use crate::layout::Layout;
use market::{PartitionError, Symbols, Time, Trades, TransType};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The logs that the files are: one, or one each.
pub(super) fn logs(
    files: Vec<PathBuf>,
    layout: &Layout,
    lateness_ns: i64,
    mode: FilePartition,
) -> Result<Vec<Vec<PathBuf>>, FileError> {
    if files.len() < 2 {
        return Ok(each(files));
    }
    let mut before: Option<(&PathBuf, Time)> = None;
    for path in &files {
        let Some((begins, ends)) = range(path, layout)? else { continue };
        if let Some((first, last)) = before
            && begins.ns() < last.ns().saturating_sub(lateness_ns)
        {
            if mode == FilePartition::Auto {
                return Ok(each(files));
            }
            let (first, second) = (first.clone(), path.clone());
            return Err(FileError::Overlap { first, ends: last, second, begins });
        }
        before = Some((path, ends));
    }
    Ok(vec![files])
}

/// The times of the first and the last record, the lesser first; nothing without a record.
fn range(path: &Path, layout: &Layout) -> Result<Option<(Time, Time)>, PartitionError> {
    let mut desk = Desk::new(Symbols::default(), Spare::default());
    let Some(first) = scan(path, layout, &mut desk, true)? else { return Ok(None) };
    let last = scan(path, layout, &mut desk, false)?.unwrap_or(first);
    Ok(Some((first.min(last), first.max(last))))
}

fn scan(
    path: &Path,
    layout: &Layout,
    desk: &mut Desk,
    first: bool,
) -> Result<Option<Time>, PartitionError> {
    let bell = Bell::default();
    let thread = std::thread::current();
    bell.set(Arc::new(move || thread.unpark()));
    let mut plan = open(path, layout, &bell)?;
    if !first {
        plan.skip_to_tail();
    }
    let mut found = None;
    while let Some(time) = next_time(&mut *plan, desk, first)? {
        found = time.or(found);
        if first && found.is_some() {
            break;
        }
    }
    Ok(found)
}

/// The first or last time of the next task's rows, if it has any; nothing at the end of the file.
fn next_time(
    plan: &mut dyn Plan,
    desk: &mut Desk,
    first: bool,
) -> Result<Option<Option<Time>>, PartitionError> {
    let mut task = match plan.next()? {
        Planned::Task(task) => task,
        Planned::NotYet => {
            std::thread::park();
            return Ok(Some(None));
        }
        Planned::End => return Ok(None),
    };
    let mut found = None;
    loop {
        let step = task.step(desk)?;
        for piece in step.pieces {
            found = match first {
                true => found.or_else(|| times(&piece.batch.trades).next()),
                false => times(&piece.batch.trades).next_back().or(found),
            };
            desk.spare.put(piece.batch);
        }
        if step.done || (first && found.is_some()) {
            return Ok(Some(found));
        }
    }
}

/// Of the trades alone.
fn times(trades: &Trades) -> impl DoubleEndedIterator<Item = Time> {
    let rows = (0..trades.len()).filter(|&row| trades.trans_of(row) == TransType::New);
    rows.map(|row| trades.ts_event[row])
}
