//! A file that several threads read at once: every read names its place.

use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::reader::{ChunkReader, Length};
use bytes::Bytes;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

#[derive(Clone)]
pub(super) struct ReadAt {
    file: Arc<File>,
    length: u64,
}

impl ReadAt {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(ReadAt { file: Arc::new(file), length })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

impl Length for ReadAt {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for ReadAt {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(From { file: self.file.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        // A corrupt footer may name any length: nothing is set aside for what the file does not have.
        let fits = start.checked_add(length as u64).is_some_and(|end| end <= self.length);
        if !fits {
            let what = format!("{length} bytes at {start} of a file of {}", self.length);
            return Err(ParquetError::EOF(what));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// Reads on from a place.
pub(super) struct From {
    file: Arc<File>,
    at: u64,
}

impl Read for From {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
