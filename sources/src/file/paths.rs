//! Paths and patterns into files: those of a pattern by the bytes of their paths.

use super::FileError;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Files a run may read.
const FILES_MAX: usize = 100_000;

/// The files that `paths` name, in their order; a path that is no file is a pattern.
pub(super) fn expand(paths: &[String]) -> Result<Vec<PathBuf>, FileError> {
    let mut files = Vec::new();
    for given in paths {
        let path = PathBuf::from(given);
        if path.is_file() {
            files.push(path);
        } else if path.is_dir() {
            return Err(FileError::Folder { given: given.clone() });
        } else if given.contains(['*', '?', '[']) {
            files.extend(matches_of(given)?);
        } else {
            return Err(unreadable(given, &path));
        }
    }
    if files.len() > FILES_MAX {
        return Err(FileError::Many { count: files.len(), most: FILES_MAX });
    }
    let mut seen = HashSet::new();
    if let Some(path) = files.iter().find(|path| !seen.insert(path.as_path())) {
        return Err(FileError::Twice { path: path.clone() });
    }
    Ok(files)
}

fn unreadable(given: &str, path: &std::path::Path) -> FileError {
    match std::fs::metadata(path) {
        // A pipe or a device has no length and can't be read twice.
        Ok(_) => FileError::Special { given: given.to_owned() },
        Err(source) => FileError::Open { given: given.to_owned(), source },
    }
}

fn matches_of(pattern: &str) -> Result<Vec<PathBuf>, FileError> {
    let wrong = |what: String| FileError::Pattern { given: pattern.to_owned(), what };
    let mut found = Vec::new();
    for entry in glob::glob(pattern).map_err(|error| wrong(error.to_string()))? {
        let path = entry.map_err(|error| wrong(error.to_string()))?;
        if path.is_file() {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(wrong("no file has such a path".to_owned()));
    }
    let bytes = |path: &PathBuf| OsStr::new(path).as_bytes().to_vec();
    found.sort_by_key(bytes);
    Ok(found)
}
