//! Folds a date of the change log to one row a key: a merge of its sorted parts that keeps, of each
//! key, the greatest revision.
//!
//! At most [`FAN_IN`] files are open at a time, a few pages of each in memory; more parts are merged in
//! several passes. `data.parquet` is renamed into place before a part is removed, and is itself an input
//! when it is there, so a crash at any point leaves every row readable and the next fold gives the same
//! bytes.

use super::file::{Writer, read};
use super::merge::{Merge, Output};
use parquet::errors::ParquetError;
use std::fs;
use std::path::{Path, PathBuf};

/// The folded file of a date.
pub(super) const FOLDED: &str = "data.parquet";
/// Files merged at a time.
const FAN_IN: usize = 32;
/// Rows read from a part at a time.
const BATCH_ROWS: usize = 2_048;

/// Folds every date of every table below `folder`.
pub(super) fn fold_all(folder: &Path) -> Result<(), ParquetError> {
    for table in sorted(folder)? {
        if !table.is_dir() {
            continue;
        }
        for date in sorted(&table)? {
            if date.is_dir() {
                fold_date(&date)?;
            }
        }
    }
    Ok(())
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

fn fold_date(folder: &Path) -> Result<(), ParquetError> {
    let has = |path: &PathBuf, suffix: &str| path.to_string_lossy().ends_with(suffix);
    let all = sorted(folder)?;
    for unfinished in all.iter().filter(|path| has(path, ".tmp")) {
        fs::remove_file(unfinished)?;
    }
    let folded = folder.join(FOLDED);
    let parts: Vec<PathBuf> =
        all.into_iter().filter(|path| has(path, ".parquet") && *path != folded).collect();
    if parts.is_empty() {
        return Ok(());
    }
    let mut inputs: Vec<PathBuf> = folded.exists().then(|| folded.clone()).into_iter().collect();
    inputs.extend(parts.iter().cloned());
    let mut pass = 0;
    while inputs.len() > FAN_IN {
        let merged = folder.join(format!("merged-{pass}.tmp"));
        pass += 1;
        let group: Vec<PathBuf> = inputs.drain(..FAN_IN).collect();
        merge_files(&group, &merged)?;
        for used in group.iter().filter(|path| has(path, ".tmp")) {
            fs::remove_file(used)?;
        }
        inputs.push(merged);
    }
    merge_files(&inputs, &folded)?;
    for used in inputs.iter().filter(|path| has(path, ".tmp")).chain(&parts) {
        fs::remove_file(used)?;
    }
    Ok(())
}

/// Merges sorted files into one, the last row of each key.
fn merge_files(inputs: &[PathBuf], to: &Path) -> Result<(), ParquetError> {
    let readers =
        inputs.iter().map(|path| read(path, BATCH_ROWS)).collect::<Result<Vec<_>, _>>()?;
    let Some(schema) = readers.first().map(arrow_array::RecordBatchReader::schema) else {
        return Ok(());
    };
    let mut merge = Merge::new(readers)?;
    let mut output = Output::new(Writer::create(to, &schema)?, schema);
    merge.run(&mut output)?;
    output.finish()
}
