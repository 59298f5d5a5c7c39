//! What tells one set of input files from another: the partitions they form, and of each file its name,
//! its length and a hash of its ends. Folders and times of change are left out, so files may be moved.

use crate::config::hash;
use sources::{FileError, Files};

/// Files that are named one by one; of more, the hash of all is the fact.
const NAMED_MAX: usize = 32;

/// One fact a file, in the order of the log.
pub(super) fn identity(files: &Files) -> Result<Vec<(String, String)>, FileError> {
    let partitions = files.partitions().iter().enumerate();
    let numbers =
        partitions.flat_map(|(number, partition)| partition.files.iter().map(move |_| number));
    let identities = files.identity()?;
    let fact = |(number, file): (usize, &sources::FileIdentity)| {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        (format!("input {number}"), format!("{name} of {} bytes {:016x}", file.length, file.hash))
    };
    let facts: Vec<_> = numbers.zip(&identities).map(fact).collect();
    if facts.len() > NAMED_MAX {
        let all = format!("{facts:?}");
        let fact = format!("{} files {:032x}", facts.len(), hash(all.as_bytes()));
        return Ok(vec![("input".to_owned(), fact)]);
    }
    Ok(facts)
}
