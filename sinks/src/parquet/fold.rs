//! Folds a date of the change log to one row a key: of each key the greatest revision, unless that removed the
//! row, from what still waits in memory and from the date's sorted files.
//!
//! ```text
//! nothing was removed   files and memory --> data.parquet;              the parts are removed
//! something was         files and memory --> part-merged.parquet,       the other parts are removed;
//!                       part-merged.parquet --> data.parquet, without removals; it is removed
//! ```
//! Rows that never were in a file go straight into `data.parquet`. At most [`FAN_IN`] files are open at a
//! time, a few pages of each in memory; more are merged in several passes. `data.parquet` is renamed
//! into place before a part is removed, and is itself an input when it is there, so a crash at any point
//! leaves every row readable and the next fold gives the same bytes. The second way is there because the folded
//! file does not tell what was removed: a part that a crash left would bring an older row back, when the part
//! that removes it is gone already. One file is there or not.

use super::buffer::{Buffer, DELETED, END_COLUMNS, deleted};
use super::encode::{Job, Open, Source, write_all};
use super::file::{may_remove, read};
use super::merge::{INPUT_ROWS, Input, Merge};
use super::sorted::{Keep, Sorted};
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
/// All of a date's files in one, removals included.
const MERGED: &str = "part-merged.parquet";
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
            dates.push(Fold::of(&date, waiting.remove(&date))?);
        }
    }
    for (date, buffer) in waiting {
        dates.push(Fold::of(&date, Some(buffer))?);
    }
    dates.retain(|fold| fold.buffer.is_some() || !fold.files.parts.is_empty());
    let jobs: Vec<_> = dates.iter().map(|fold| fold.job(names)).collect();
    write_all(&jobs)?;
    dates.iter().try_for_each(Fold::remove_parts)?;
    let merged: Vec<&Path> =
        dates.iter().filter(|fold| fold.in_two).map(|fold| &*fold.files.folder).collect();
    let jobs: Vec<_> = merged.iter().map(|date| from_merged(date)).collect();
    write_all(&jobs)?;
    merged.iter().try_for_each(|date| Ok(fs::remove_file(date.join(MERGED))?))
}

/// The folded file of a date whose files were merged into one.
fn from_merged(date: &Path) -> Job<'static> {
    let files = [date.join(MERGED)];
    Job::new(date.join(FOLDED), Box::new(move || source(&files, None, true)))
}

/// The file of those of a date's rows in memory that are wanted, of epochs before `before`.
pub(super) fn from_memory<'a>(
    path: PathBuf,
    buffer: &'a Buffer,
    names: &'a Names,
    before: Epoch,
    keep: Keep,
) -> Job<'a> {
    let open: Open<'_> = Box::new(move || {
        let rows = Sorted::new(buffer, names, before, keep);
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
}

/// A date that is folded.
struct Fold<'a> {
    files: Files,
    /// What waits of it.
    buffer: Option<&'a Buffer>,
    /// Whether it is merged into one file first.
    in_two: bool,
}

impl<'a> Fold<'a> {
    fn of(folder: &Path, buffer: Option<&'a Buffer>) -> Result<Self, ParquetError> {
        let files = Files::of(folder)?;
        let mut in_two = !files.parts.is_empty() && buffer.is_some_and(Buffer::removes);
        for part in &files.parts {
            in_two = in_two || may_remove(part)?;
        }
        Ok(Fold { files, buffer, in_two })
    }

    /// The folded file of all of it, or what that is made of then.
    fn job<'b>(&'b self, names: &'b Names) -> Job<'b> {
        let Files { folder, folded, parts } = &self.files;
        match self.buffer {
            Some(buffer) if folded.is_none() && parts.is_empty() => {
                from_memory(folder.join(FOLDED), buffer, names, Epoch::MAX, Keep::Valid)
            }
            _ => {
                let to = folder.join(if self.in_two { MERGED } else { FOLDED });
                Job::new(to, Box::new(move || self.merge(names)))
            }
        }
    }

    fn merge<'b>(&'b self, names: &'b Names) -> Result<(SchemaRef, Source<'b>), ParquetError> {
        let Files { folder, folded, parts } = &self.files;
        let mut inputs: Vec<PathBuf> = folded.iter().chain(parts).cloned().collect();
        let mut pass = 0;
        while inputs.len() > FAN_IN {
            let merged = folder.join(format!("merged-{pass}.tmp"));
            pass += 1;
            let group: Vec<PathBuf> = inputs.drain(..FAN_IN).collect();
            // The other files may hold older rows of a key that was removed in one of these.
            write_all(&[Job::new(merged.clone(), Box::new(|| source(&group, None, false)))])?;
            for used in group.iter().filter(|path| has(path, ".tmp")) {
                fs::remove_file(used)?;
            }
            inputs.push(merged);
        }
        let newest = |buffer| Sorted::new(buffer, names, Epoch::MAX, Keep::Newest);
        source(&inputs, self.buffer.map(newest), !self.in_two)
    }

    /// Removes what was merged.
    fn remove_parts(&self) -> Result<(), ParquetError> {
        let is_result = |path: &Path| self.in_two && path.ends_with(MERGED);
        for part in self.files.parts.iter().filter(|path| !is_result(path)) {
            fs::remove_file(part)?;
        }
        for used in sorted(&self.files.folder)?.iter().filter(|path| has(path, ".tmp")) {
            fs::remove_file(used)?;
        }
        Ok(())
    }
}

/// The merge of sorted files and rows.
fn source<'a>(
    files: &[PathBuf],
    rows: Option<Sorted<'a>>,
    only_valid: bool,
) -> Result<(SchemaRef, Source<'a>), ParquetError> {
    let file = |path: &PathBuf| Ok(Input::File(read(path, INPUT_ROWS)?));
    let mut inputs = files.iter().map(file).collect::<Result<Vec<_>, ParquetError>>()?;
    inputs.extend(rows.map(|rows| Input::Memory(Arc::new(rows), 0)));
    let schema = union(inputs.iter().map(Input::schema))?;
    let merge = Merge::new(inputs, &schema, only_valid)?;
    Ok((schema, Source::Merge(Box::new(merge))))
}

/// The columns of all: those of rows that were written before an indicator was added lack it, and those of programs
/// that removed no row do not say that they did not.
fn union(mut schemas: impl Iterator<Item = SchemaRef>) -> Result<SchemaRef, ParquetError> {
    let none = || ParquetError::General("nothing to merge".to_owned());
    let first = schemas.next().ok_or_else(none)?;
    let mut fields: Vec<_> = first.fields().iter().cloned().collect();
    if first.column_with_name(DELETED).is_none() {
        // Behind the values and what says that there are none stand the revision and the time.
        fields.insert(fields.len().saturating_sub(2), Arc::new(deleted()));
    }
    for schema in schemas.filter(|schema| *schema != first) {
        for field in schema.fields() {
            if !fields.iter().any(|known| known.name() == field.name()) {
                fields.insert(fields.len().saturating_sub(END_COLUMNS), field.clone());
            }
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parquet::file::{BATCH_ROWS, create};
    use arrow_array::RecordBatch;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int64Type};
    use market::{Body, Change, RowKey, Rows, Symbols, TableSpec, Time, Width};
    use tempfile::TempDir;

    /// A change of a key, by number: its revision, and whether it removes the row.
    type Row = (i64, u32, bool);

    fn buffer(rows: &[Row], names: &mut Names) -> Buffer {
        let symbols = Symbols::default();
        let symbol = symbols.intern(b"A").unwrap();
        let key = |&(key, revision, removes): &Row| {
            let change = if removes { Change::Removed } else { Change::Revised };
            let (ts_open, width) = (Time::from_ns(key), Width::SESSION);
            RowKey { epoch: 0, ts_open, symbol, width, seq: 0, revision, change }
        };
        let table = Arc::new(TableSpec::floats("factors", &["x".to_owned()]));
        let values = rows.iter().map(|row| f64::from(row.1) + 0.5).collect();
        let (keys, body) = (rows.iter().map(key).collect(), Body::Floats { stride: 1, values });
        let known_at = vec![Time::from_ns(0); rows.len()];
        let rows = Rows { table, keys, known_at, body, symbols };
        names.learn(&rows.symbols);
        let mut buffer = Buffer::new(&rows.table);
        buffer.push(&rows, 0..rows.len(), names);
        buffer
    }

    fn part(date: &Path, number: usize) -> PathBuf {
        date.join(format!("part-{number:02}.parquet"))
    }

    fn write(path: PathBuf, rows: &[Row]) {
        let mut names = Names::default();
        let buffer = buffer(rows, &mut names);
        write_all(&[from_memory(path, &buffer, &names, Epoch::MAX, Keep::Changes)]).unwrap();
    }

    /// Folds the one date of the one table below `root` with what waits; its rows.
    fn folded(root: &Path, waiting: &[Row]) -> Vec<(i64, f64)> {
        let (date, mut names) = (root.join("factors/date=1970-01-01"), Names::default());
        let buffer = buffer(waiting, &mut names);
        let waiting = (!waiting.is_empty()).then_some((date.clone(), &buffer));
        fold_all(root, waiting.into_iter().collect(), &names).unwrap();
        let files: Vec<_> = sorted(&date).unwrap();
        assert_eq!(files, [date.join(FOLDED)]);
        let mut rows = Vec::new();
        for batch in read(&files[0], BATCH_ROWS).unwrap() {
            let batch = batch.unwrap();
            let [values, deleted, revisions] = [4, 5, 6].map(|at| batch.column(at));
            assert_eq!(deleted.as_boolean().true_count(), 0);
            let values = values.as_primitive::<Float64Type>().values();
            rows.extend(
                revisions
                    .as_primitive::<Int64Type>()
                    .values()
                    .iter()
                    .zip(values)
                    .map(|(r, v)| (*r, *v)),
            );
        }
        rows
    }

    /// Three files of one date, each with changes of keys that are removed, return, or stay.
    const PARTS: [&[Row]; 3] = [
        &[(0, 0, false), (1, 0, false), (2, 0, false)],
        &[(0, 1, true), (1, 1, true), (2, 1, true)],
        &[(1, 2, false), (2, 2, false), (3, 0, false)],
    ];
    const LAST: [Row; 2] = [(2, 3, true), (4, 0, false)];
    const FOLDED_ROWS: [(i64, f64); 3] = [(2, 2.5), (0, 0.5), (0, 0.5)];

    #[test]
    fn a_fold_that_is_killed_brings_no_row_back() {
        for (kill, has_folded) in (0..16).flat_map(|kill| [(kill, false), (kill, true)]) {
            let root = TempDir::new().unwrap();
            let date = root.path().join("factors/date=1970-01-01");
            PARTS.iter().enumerate().for_each(|(at, rows)| write(part(&date, at), rows));
            if has_folded {
                fs::rename(part(&date, 0), date.join(FOLDED)).unwrap();
            }
            let mut names = Names::default();
            let buffer = buffer(&LAST, &mut names);
            let fold = Fold::of(&date, Some(&buffer)).unwrap();
            write_all(&[fold.job(&names)]).unwrap();
            // Killed when some of the parts were removed, whichever, or all and the folded file written too.
            let is_gone = |at: usize| kill & 1 << at != 0 || kill & 8 != 0;
            for at in (0..3).filter(|at| is_gone(*at)) {
                let _ = fs::remove_file(part(&date, at));
            }
            if kill & 8 != 0 {
                write_all(&[from_merged(&date)]).unwrap();
            }
            let waiting = if kill % 2 == 0 { &LAST[..] } else { &[] };
            assert_eq!(folded(root.path(), waiting), FOLDED_ROWS, "{kill}, {has_folded}");
            assert_eq!(folded(root.path(), &[]), FOLDED_ROWS);
        }
    }

    #[test]
    fn what_was_merged_before_a_kill_is_a_part_like_others() {
        let root = TempDir::new().unwrap();
        let date = root.path().join("factors/date=1970-01-01");
        write(date.join(MERGED), &[(0, 2, false)]);
        write(date.join(FOLDED), &[(0, 2, false)]);
        assert_eq!(folded(root.path(), &[(0, 3, false), (1, 0, false)]), [(3, 3.5), (0, 0.5)]);
    }

    #[test]
    fn a_date_without_a_row_is_a_file_without_one() {
        let root = TempDir::new().unwrap();
        assert_eq!(folded(root.path(), &[(0, 0, false), (0, 1, true)]), []);
        let date = root.path().join("factors/date=1970-01-01");
        let alone = fs::read(date.join(FOLDED)).unwrap();
        write(part(&date, 0), &[(0, 0, false), (0, 1, true)]);
        assert_eq!(folded(root.path(), &[]), []);
        assert_eq!(fs::read(date.join(FOLDED)).unwrap(), alone);
    }

    #[test]
    fn no_pass_of_many_forgets_what_was_removed() {
        let root = TempDir::new().unwrap();
        let date = root.path().join("factors/date=1970-01-01");
        // Names of spans of different lengths are in no order of time.
        write(part(&date, 0), &[(0, 1, true)]);
        (1..=FAN_IN).for_each(|at| write(part(&date, at), &[(0, 0, false), (at as i64, 0, false)]));
        assert_eq!(folded(root.path(), &[]), vec![(0, 0.5); FAN_IN]);
    }

    #[test]
    fn files_of_programs_that_removed_no_row_are_merged() {
        let root = TempDir::new().unwrap();
        let date = root.path().join("factors/date=1970-01-01");
        write(part(&date, 0), &[(0, 0, false), (1, 0, false)]);
        let batch = read(&part(&date, 0), BATCH_ROWS).unwrap().next().unwrap().unwrap();
        let columns: Vec<usize> = (0..batch.num_columns()).filter(|at| *at != 5).collect();
        let old: RecordBatch = batch.project(&columns).unwrap();
        let (mut writer, encoder) = create(&part(&date, 0), &old.schema()).unwrap();
        let mut group = encoder.group(0).unwrap();
        group.write(&old).unwrap();
        writer.append(group.close().unwrap()).unwrap();
        writer.finish().unwrap();
        assert!(!may_remove(&part(&date, 0)).unwrap());
        let copy = TempDir::new().unwrap();
        let old = copy.path().join("factors/date=1970-01-01");
        fs::create_dir_all(&old).unwrap();
        fs::copy(part(&date, 0), part(&old, 0)).unwrap();
        // Alone they get the column, and with others they are not removed but by those.
        assert_eq!(folded(copy.path(), &[]), [(0, 0.5), (0, 0.5)]);
        assert_eq!(folded(root.path(), &[(1, 1, true), (2, 0, false)]), [(0, 0.5), (0, 0.5)]);
    }
}
