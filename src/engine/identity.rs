//! What tells one set of input files from another: the partitions they form, and of each file its name,
//! its length and a hash of its ends. Folders and times of change are left out, so files may be moved.

use crate::config::hash;
use sources::{FileError, Files};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes at either end of a file that are hashed.
const END_BYTES: u64 = 64 * 1024;
/// Files that are named one by one; of more, the hash of all is the fact.
const NAMED_MAX: usize = 32;

/// One fact a file, in the order of the log.
pub(super) fn identity(files: &Files) -> Result<Vec<(String, String)>, FileError> {
    let mut facts = Vec::new();
    for (number, partition) in files.partitions().iter().enumerate() {
        for path in &partition.files {
            let given = path.display().to_string();
            let fact = of(path).map_err(|source| FileError::Open { given, source })?;
            facts.push((format!("input {number}"), fact));
        }
    }
    if facts.len() > NAMED_MAX {
        let all = format!("{facts:?}");
        let fact = format!("{} files {:032x}", facts.len(), hash(all.as_bytes()));
        return Ok(vec![("input".to_owned(), fact)]);
    }
    Ok(facts)
}

fn of(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut ends = Vec::new();
    (&mut file).take(END_BYTES).read_to_end(&mut ends)?;
    if length > END_BYTES {
        file.seek(SeekFrom::Start(END_BYTES.max(length - END_BYTES)))?;
        file.take(END_BYTES).read_to_end(&mut ends)?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(format!("{name} of {length} bytes {:032x}", hash(&ends)))
}
