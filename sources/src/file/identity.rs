//! What tells one input file from another, without reading all of it.

use super::fail;
use market::PartitionError;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Blocks that are looked at: the first, the last, and those between at even distances.
const BLOCKS: u64 = 1 << 10;
const BLOCK_BYTES: u64 = 1 << 12;

/// A file's path, length and a hash: of all of it up to 4 MiB, else of as much, spread evenly over it; so
/// a change of a few bytes in a longer one may pass. When it was written is no part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    /// As it was given or matched.
    pub path: PathBuf,
    /// In bytes.
    pub length: u64,
    /// FNV-1a of the blocks.
    pub hash: u64,
}

impl FileIdentity {
    pub(super) fn of(path: &Path) -> Result<Self, PartitionError> {
        let io = |error: std::io::Error| fail(path, &error.to_string());
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let step = length.saturating_sub(BLOCK_BYTES).div_ceil(BLOCKS - 1).max(BLOCK_BYTES);
        let mut bytes = [0; BLOCK_BYTES as usize];
        let mut hash = 0xcbf2_9ce4_8422_2325;
        for block in 0..BLOCKS {
            let start = (block * step).min(length.saturating_sub(BLOCK_BYTES));
            let block = &mut bytes[..(length - start).min(BLOCK_BYTES) as usize];
            file.read_exact_at(block, start).map_err(io)?;
            hash = fnv(hash, block);
            if start + BLOCK_BYTES >= length {
                break;
            }
        }
        Ok(FileIdentity { path: path.to_owned(), length, hash })
    }
}

fn fnv(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
