//! Folds a date of the change log to one row a key: of each key the greatest revision, from what still
//! waits in memory and from the date's sorted files.
//!
//! Rows that never were in a file go straight into `data.parquet`. At most [`FAN_IN`] files are open at a
//! time, a few pages of each in memory; more are merged in several passes. `data.parquet` is renamed
//! into place before a part is removed, and is itself an input when it is there, so a crash at any point
//! leaves every row readable and the next fold gives the same bytes.

use super::buffer::Buffer;
use super::encode::{Job, Open, Source, write_all};
use super::file::read;
use super::merge::{INPUT_ROWS, Input, Merge};
use super::sorted::Sorted;
use crate::names::Names;
use arrow_schema::{Schema, SchemaRef};
use market::Epoch;
use parquet::errors::ParquetError;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folded file of a date.
pub(super) const FOLDED: &str = "data.parquet";
/// Files merged at a time.
const FAN_IN: usize = 32;

/// Rows in memory, by the folder of their date.
pub(super) type Waiting<'a> = BTreeMap<PathBuf, &'a Buffer>;

/// Folds every date of every table below `folder`, with what waits of them.
pub(super) fn fold_all(
    folder: &Path,
    mut waiting: Waiting<'_>,
    names: &Names,
) -> Result<(), ParquetError> {
    let mut dates = Vec::new();
    for table in sorted(folder)?.iter().filter(|path| path.is_dir()) {
        for date in sorted(table)?.into_iter().filter(|path| path.is_dir()) {
            dates.push((waiting.remove(&date), Files::of(&date)?));
        }
    }
    for (date, buffer) in waiting {
        dates.push((Some(buffer), Files::of(&date)?));
    }
    dates.retain(|(buffer, files)| buffer.is_some() || !files.parts.is_empty());
    let jobs: Vec<_> = dates.iter().map(|(buffer, files)| files.job(*buffer, names)).collect();
    write_all(&jobs)?;
    dates.iter().try_for_each(|(_, files)| files.remove_parts())
}

/// The file of a date's rows in memory, of epochs before `before`, each key once with `newest`.
pub(super) fn from_memory<'a>(
    path: PathBuf,
    buffer: &'a Buffer,
    names: &'a Names,
    before: Epoch,
    newest: bool,
) -> Job<'a> {
    let open: Open<'_> = Box::new(move || {
        let rows = Sorted::new(buffer, names, before, newest);
        Ok((rows.schema(), Source::Memory(Arc::new(rows))))
    });
    Job::new(path, open)
}

/// Whether a date has no file yet.
pub(super) fn is_new(folder: &Path) -> Result<bool, ParquetError> {
    let files = Files::of(folder)?;
    Ok(files.folded.is_none() && files.parts.is_empty())
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, ParquetError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn has(path: &Path, suffix: &str) -> bool {
    path.to_string_lossy().ends_with(suffix)
}

/// The files of a date.
struct Files {
    folder: PathBuf,
    folded: Option<PathBuf>,
    parts: Vec<PathBuf>,
}

impl Files {
    /// Those in a folder; unfinished ones are removed.
    fn of(folder: &Path) -> Result<Self, ParquetError> {
        let all = sorted(folder)?;
        for unfinished in all.iter().filter(|path| has(path, ".tmp")) {
            fs::remove_file(unfinished)?;
        }
        let files = all.into_iter().filter(|path| has(path, ".parquet"));
        let (folded, parts): (Vec<_>, Vec<_>) = files.partition(|path| path.ends_with(FOLDED));
        Ok(Files { folder: folder.to_owned(), folded: folded.into_iter().next(), parts })
    }

    /// The folded file of these and of what waits.
    fn job<'a>(&'a self, buffer: Option<&'a Buffer>, names: &'a Names) -> Job<'a> {
        let to = self.folder.join(FOLDED);
        match buffer {
            Some(buffer) if self.folded.is_none() && self.parts.is_empty() => {
                from_memory(to, buffer, names, Epoch::MAX, true)
            }
            _ => Job::new(to, Box::new(move || self.merge(buffer, names))),
        }
    }

    fn merge<'a>(
        &self,
        buffer: Option<&'a Buffer>,
        names: &'a Names,
    ) -> Result<(SchemaRef, Source<'a>), ParquetError> {
        let mut inputs: Vec<PathBuf> = self.folded.iter().chain(&self.parts).cloned().collect();
        let mut pass = 0;
        while inputs.len() > FAN_IN {
            let merged = self.folder.join(format!("merged-{pass}.tmp"));
            pass += 1;
            let group: Vec<PathBuf> = inputs.drain(..FAN_IN).collect();
            write_all(&[Job::new(merged.clone(), Box::new(|| source(&group, None)))])?;
            for used in group.iter().filter(|path| has(path, ".tmp")) {
                fs::remove_file(used)?;
            }
            inputs.push(merged);
        }
        let rows = buffer.map(|buffer| Sorted::new(buffer, names, Epoch::MAX, true));
        source(&inputs, rows)
    }

    /// Removes what was folded.
    fn remove_parts(&self) -> Result<(), ParquetError> {
        for part in &self.parts {
            fs::remove_file(part)?;
        }
        for used in sorted(&self.folder)?.iter().filter(|path| has(path, ".tmp")) {
            fs::remove_file(used)?;
        }
        Ok(())
    }
}

/// The merge of sorted files and rows.
fn source<'a>(
    files: &[PathBuf],
    rows: Option<Sorted<'a>>,
) -> Result<(SchemaRef, Source<'a>), ParquetError> {
    let file = |path: &PathBuf| Ok(Input::File(read(path, INPUT_ROWS)?));
    let mut inputs = files.iter().map(file).collect::<Result<Vec<_>, ParquetError>>()?;
    inputs.extend(rows.map(|rows| Input::Memory(Arc::new(rows), 0)));
    let schema = union(inputs.iter().map(Input::schema))?;
    let merge = Merge::new(inputs, &schema)?;
    Ok((schema, Source::Merge(Box::new(merge))))
}

/// The columns of all: those of rows that were written before an indicator was added lack it.
fn union(mut schemas: impl Iterator<Item = SchemaRef>) -> Result<SchemaRef, ParquetError> {
    let none = || ParquetError::General("nothing to merge".to_owned());
    let first = schemas.next().ok_or_else(none)?;
    let mut fields: Vec<_> = first.fields().iter().cloned().collect();
    for schema in schemas.filter(|schema| *schema != first) {
        for field in schema.fields() {
            if !fields.iter().any(|known| known.name() == field.name()) {
                // Behind the values stand the revision and the time.
                fields.insert(fields.len().saturating_sub(2), field.clone());
            }
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}
