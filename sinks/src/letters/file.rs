//! The file of refused records: one JSON line each, rotated by size, the oldest file dropped.
//!
//! What it holds is a function of the log: the mark says how many letters of which epoch are on disk,
//! a rerun leaves those out, and a file ends before the line that would not fit. A rotation that was
//! cut short is completed when the store is opened again: intent first, then renames that each need
//! their target to be free, then the new state.

use super::file_name;
use crate::batch::{Rhythm, failed, is_done};
use crate::marks::Marks;
use market::{DeadLetter, Epoch, Rows, Sink, SinkError, TableSpec, Time};
use serde_json::{Map, Value};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

/// How much of the refused records is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LetterLimits {
    /// Bytes of one file.
    pub bytes: u64,
    /// Files kept, the newest included.
    pub files: usize,
    /// When what was written is made durable.
    pub rhythm: Rhythm,
}

impl Default for LetterLimits {
    fn default() -> Self {
        LetterLimits { bytes: 64 << 20, files: 4, rhythm: Rhythm::default() }
    }
}

/// A point that can be made durable: everything before `before`, and the first `since` letters after.
#[derive(Clone, Copy, Debug, Default)]
struct Boundary {
    before: Option<Epoch>,
    since: u64,
    len: u64,
}

/// Writes refused records; rows are not its business.
pub struct LetterSink {
    folder: PathBuf,
    marks: Marks,
    limits: LetterLimits,
    mark: Option<Epoch>,
    out: BufWriter<File>,
    len: u64,
    /// Letters not before `boundary.before` that are on disk or on the way to it.
    since: u64,
    /// Letters still to come that an earlier run wrote.
    skip: u64,
    boundary: Boundary,
    /// Letters that rotation dropped.
    dropped: u64,
    written: usize,
    flushes: u32,
    dirty: bool,
}

impl LetterSink {
    /// Opens the file in the store at `store`, cut to its mark.
    ///
    /// # Errors
    /// Fails when it cannot be opened or a rotation cannot be completed.
    pub fn open(store: &Path, lineage: &str, limits: LetterLimits) -> Result<Self, SinkError> {
        Self::restore(store, lineage, limits)
            .map_err(failed(format!("dead letters: {}", store.display())))
    }

    fn restore(store: &Path, lineage: &str, limits: LetterLimits) -> io::Result<Self> {
        let (bytes, files) = (limits.bytes.max(1), limits.files.max(1));
        let limits = LetterLimits { bytes, files, ..limits };
        let marks = Marks::new(store, "dead_letters", lineage);
        let loaded = marks.load()?;
        let number = |key: &str| loaded.as_ref().and_then(|s| s.get(key)).and_then(Value::as_u64);
        let before = loaded.as_ref().and_then(|s| s.get("before")).and_then(Value::as_i64);
        let (since, dropped) = (number("since").unwrap_or(0), number("dropped").unwrap_or(0));
        let mut len = number("len").unwrap_or(0);
        if loaded.is_none() {
            // Letters of another lineage, or of a run that never came to a mark.
            for at in 0.. {
                match fs::remove_file(store.join(file_name(at))) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                    removed => removed?,
                }
            }
        }
        if number("rotating").is_some() {
            if let Ok(file) = OpenOptions::new().write(true).open(store.join(file_name(0))) {
                file.set_len(len)?;
            }
            shift(store, limits.files)?;
            len = 0;
            let mut state = loaded.unwrap_or_default();
            state.remove("rotating");
            state.insert("len".to_owned(), Value::from(len));
            marks.save(state)?;
        }
        let out = BufWriter::new(open_at(store, len)?);
        let boundary = Boundary { before, since, len };
        let (folder, mark, skip) = (store.to_owned(), before, since);
        let (written, flushes, dirty) = (0, 0, false);
        Ok(LetterSink {
            folder,
            marks,
            limits,
            mark,
            out,
            len,
            since,
            skip,
            boundary,
            dropped,
            written,
            flushes,
            dirty,
        })
    }

    /// Letters that rotation dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn append(&mut self, letter: &DeadLetter) -> io::Result<()> {
        let line = format!("{}\n", encode(letter));
        let bytes = line.len() as u64;
        if self.len > 0 && self.len + bytes > self.limits.bytes {
            self.rotate()?;
        }
        self.out.write_all(line.as_bytes())?;
        self.len += bytes;
        self.since += 1;
        self.written += 1;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.declare_rotation()?;
        shift(&self.folder, self.limits.files)?;
        (self.len, self.boundary.len) = (0, 0);
        self.save(false)?;
        self.out = BufWriter::new(open_at(&self.folder, 0)?);
        Ok(())
    }

    /// Makes everything so far durable, and that the files are about to move.
    fn declare_rotation(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.out.get_ref().sync_data()?;
        let before = self.boundary.before;
        self.boundary = Boundary { before, since: self.since, len: self.len };
        let chain = (0..self.limits.files).map(|at| self.folder.join(file_name(at)));
        let oldest = self.folder.join(file_name(self.limits.files - 1));
        if chain.clone().all(|path| path.exists()) {
            let lines = BufReader::new(File::open(oldest)?).split(b'\n');
            self.dropped += lines.count() as u64;
        }
        self.save(true)
    }

    fn save(&mut self, rotating: bool) -> io::Result<()> {
        let mut state = Map::new();
        if let Some(before) = self.boundary.before {
            state.insert("before".to_owned(), Value::from(before));
        }
        let numbers =
            [("since", self.boundary.since), ("len", self.boundary.len), ("dropped", self.dropped)];
        for (key, number) in numbers {
            state.insert(key.to_owned(), Value::from(number));
        }
        if rotating {
            state.insert("rotating".to_owned(), Value::from(1));
        }
        self.marks.save(state)
    }

    fn commit(&mut self) -> io::Result<()> {
        if !self.dirty {
            return Ok(());
        }
        self.out.flush()?;
        self.out.get_ref().sync_data()?;
        self.save(false)?;
        self.mark = self.boundary.before;
        (self.written, self.flushes, self.dirty) = (0, 0, false);
        Ok(())
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> SinkError + use<> {
        failed(format!("dead letters: {}", self.folder.display()))
    }
}

/// Moves every file one number up, the last of a full chain removed. Can be begun again at any point.
fn shift(folder: &Path, files: usize) -> io::Result<()> {
    let path = |at: usize| folder.join(file_name(at));
    let gap = match (0..files).find(|&at| !path(at).exists()) {
        Some(gap) => gap,
        None => {
            fs::remove_file(path(files - 1))?;
            files - 1
        }
    };
    for at in (0..gap).rev() {
        fs::rename(path(at), path(at + 1))?;
    }
    Ok(())
}

fn open_at(folder: &Path, len: u64) -> io::Result<File> {
    let path = folder.join(file_name(0));
    let mut file =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path)?;
    if file.metadata()?.len() < len {
        let what = format!("{} is shorter than the {len} bytes stored", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    file.set_len(len)?;
    file.seek(io::SeekFrom::End(0))?;
    Ok(file)
}

/// A letter as one line of JSON.
fn encode(letter: &DeadLetter) -> Value {
    serde_json::json!({
        "epoch": letter.epoch,
        "partition": letter.partition,
        "source": letter.source,
        "offset": letter.offset.raw(),
        "file": letter.offset.file(),
        "row": letter.offset.row(),
        "reason": letter.reason.code(),
        "detail": letter.detail,
        "symbol": letter.symbol,
        "ts_event": letter.ts_event.map(Time::ns),
        "raw": letter.raw,
    })
}

impl Sink for LetterSink {
    fn name(&self) -> &str {
        "dead_letters"
    }

    fn takes(&self, _: &TableSpec) -> bool {
        false
    }

    fn write(&mut self, _: &Rows) -> Result<(), SinkError> {
        Ok(())
    }

    fn write_letters(&mut self, letters: &[DeadLetter]) -> Result<(), SinkError> {
        for letter in letters {
            if is_done(self.mark, letter.epoch) {
                continue;
            }
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.append(letter).map_err(self.failed())?;
        }
        Ok(())
    }

    fn flush(&mut self, before: Epoch) -> Result<(), SinkError> {
        if is_done(self.mark, before) || self.mark == Some(before) {
            return Ok(());
        }
        // Letters beyond this flush that an earlier run wrote are on disk already.
        self.since = self.skip;
        self.boundary = Boundary { before: Some(before), since: self.since, len: self.len };
        (self.flushes, self.dirty) = (self.flushes + 1, true);
        if self.limits.rhythm.is_due(self.written, self.flushes, before) {
            return self.commit().map_err(self.failed());
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), SinkError> {
        self.commit().map_err(self.failed())
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.commit().map_err(self.failed())
    }
}

impl Drop for LetterSink {
    /// A run that was stopped: what was complete is made durable, what was not is cut off.
    fn drop(&mut self) {
        let _ = self.commit();
        let _ = self.out.flush().and_then(|()| self.out.get_ref().set_len(self.boundary.len));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::{Offset, Reason};
    use tempfile::TempDir;

    const LIMITS: LetterLimits = LetterLimits {
        bytes: 500,
        files: 3,
        rhythm: Rhythm { rows: 1, flushes: 1, early_rows_max: 1 },
    };

    fn letter(number: u64) -> DeadLetter {
        DeadLetter {
            epoch: 0,
            partition: 0,
            source: "t.csv".to_owned(),
            offset: Offset::in_file(0, number),
            reason: Reason::Price,
            detail: "x".to_owned(),
            raw: number.to_string(),
            symbol: None,
            ts_event: None,
        }
    }

    fn content(folder: &Path) -> Vec<Option<String>> {
        let read = |at| fs::read_to_string(folder.join(file_name(at))).ok();
        (0..=LIMITS.files).map(read).collect()
    }

    fn run(folder: &Path, count: u64) -> LetterSink {
        let mut sink = LetterSink::open(folder, "L", LIMITS).unwrap();
        sink.write_letters(&(0..count).map(letter).collect::<Vec<_>>()).unwrap();
        sink
    }

    #[test]
    fn a_rotation_that_was_cut_short_is_completed() {
        const ALL: u64 = 40;
        let clean = TempDir::new().unwrap();
        run(clean.path(), ALL).flush(Epoch::MAX).unwrap();
        let expected = content(clean.path());
        assert!(expected[2].is_some() && expected[3].is_none());

        // A chain that is full when it rotates, and one that is not yet.
        for written in [3, 4, 5, 20] {
            for steps in 0..=LIMITS.files {
                let folder = TempDir::new().unwrap();
                let mut killed = run(folder.path(), written);
                killed.declare_rotation().unwrap();
                // Killed: nothing of it runs any more.
                std::mem::forget(killed);
                let path = |at: usize| folder.path().join(file_name(at));
                let is_full = (0..LIMITS.files).all(|at| path(at).exists());
                let mut moves = (0..LIMITS.files).rev().filter(|&at| path(at).exists());
                for at in moves.by_ref().take(steps).collect::<Vec<_>>() {
                    if is_full && at == LIMITS.files - 1 {
                        fs::remove_file(path(at)).unwrap();
                    } else {
                        fs::rename(path(at), path(at + 1)).unwrap();
                    }
                }
                // Killed again as soon as it was completed.
                std::mem::forget(LetterSink::open(folder.path(), "L", LIMITS).unwrap());
                let mut again = run(folder.path(), written);
                again.out.flush().unwrap();
                let rotated: Vec<_> = content(folder.path());
                assert_eq!(rotated[0].as_deref(), Some(""), "{written} {steps}");
                let lines = rotated.iter().flatten().map(|text| text.lines().count() as u64);
                assert_eq!(lines.sum::<u64>() + again.dropped(), written, "{written} {steps}");
            }
        }
    }
}
