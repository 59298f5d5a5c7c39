//! What tells one input file from another, without reading all of it.

use super::fail;
use market::PartitionError;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of either end that are looked at.
const END_BYTES: u64 = 1 << 16;

/// A file's path, length and a hash of its first and last 64 KiB. When it was written is no part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    /// As it was given or matched.
    pub path: PathBuf,
    /// In bytes.
    pub length: u64,
    /// FNV-1a of both ends.
    pub hash: u64,
}

impl FileIdentity {
    pub(super) fn of(path: &Path) -> Result<Self, PartitionError> {
        let io = |error: std::io::Error| fail(path, &error.to_string());
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut bytes = vec![0; length.min(END_BYTES) as usize];
        file.read_exact_at(&mut bytes, 0).map_err(io)?;
        let first = fnv(0xcbf2_9ce4_8422_2325, &bytes);
        file.read_exact_at(&mut bytes, length.saturating_sub(END_BYTES)).map_err(io)?;
        Ok(FileIdentity { path: path.to_owned(), length, hash: fnv(first, &bytes) })
    }
}

fn fnv(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
