//! The SQLite sink: rows wait in memory and go out sorted by key, many epochs in one transaction that
//! also moves the mark.
//!
//! A transaction holds every row before the mark it sets: of several revisions of a key the last in the
//! table, those before it in the table's past. How the log was cut into transactions does not show.
//! A run that comes again leaves out what lies before the mark. Rows beyond the last flush are never
//! committed: where they outgrow memory they wait in an open transaction that ends with the next flush
//! or is rolled back.

use super::declare::declare;
use super::dialect::Sqlite;
use super::insert::{Inserter, insert_letters};
use super::past::keeps_since;
use super::schema::Table;
use crate::batch::{Rhythm, done_rows, failed, is_done, rows_from};
use market::{DeadLetter, Epoch, KEY_GROUPS, Rows, Sink, SinkError, TableSpec, Time};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashSet;
use std::path::Path;

/// Bytes of a letter that count as a row.
const ROW_BYTES: usize = 128;
/// Letters kept in the table, the first ones; the file holds the newest.
const LETTERS_MAX: u64 = 1_000_000;
/// Prepared statements kept: five a table, and those of marks and letters.
const STATEMENTS_MAX: usize = 128;
/// How often the past is looked through for what is to be forgotten, in the time for which it is kept: each time
/// reads all of it, and what is kept longer than wanted is kept so much longer.
const FORGETS: i64 = 64;

/// Rows, letters and the mark of one SQLite file.
pub struct SqliteSink {
    db: Connection,
    what: String,
    lineage: String,
    rhythm: Rhythm,
    generation: i64,
    /// Up to where an earlier run stored everything.
    mark: Option<Epoch>,
    /// The last flush, when it has not been committed yet.
    before: Option<Epoch>,
    flushes: u32,
    declared: HashSet<(String, Vec<String>)>,
    inserter: Inserter,
    ready: Vec<Rows>,
    early: Vec<Rows>,
    ready_letters: Vec<DeadLetter>,
    early_letters: Vec<DeadLetter>,
    /// Letters in the table.
    letters: u64,
    /// Whether rows beyond the last flush wait in an open transaction.
    spilled: bool,
    /// Whether a commit outlives the machine's power: from the first sync on.
    outlives_power: bool,
    /// Whether nothing of this lineage was stored yet.
    is_new: bool,
    /// For how long versions are kept that are not valid any more; for ever, where it is not said.
    kept_ns: Option<i64>,
    /// The time of the newest row in the table or its transaction.
    known_at: Option<Time>,
    /// Versions that were not valid any more then were removed.
    forgotten: Option<Time>,
}

impl SqliteSink {
    /// Opens or makes the file, claims the next generation and reads the mark of `lineage`. The tables
    /// are there from now on, rows or none.
    ///
    /// # Errors
    /// Fails when the file cannot be opened, is no database, or has a table of another shape.
    pub fn open(path: &Path, lineage: &str, tables: &[TableSpec]) -> Result<Self, SinkError> {
        Self::open_with(path, lineage, tables, Rhythm::default())
    }

    /// As [`SqliteSink::open`], with a rhythm of one's own.
    ///
    /// # Errors
    /// As [`SqliteSink::open`].
    pub fn open_with(
        path: &Path,
        lineage: &str,
        tables: &[TableSpec],
        rhythm: Rhythm,
    ) -> Result<Self, SinkError> {
        let what = format!("sqlite: {}", path.display());
        let db = Connection::open(path).map_err(failed(&what))?;
        // WAL keeps readers beside the writer; NORMAL loses no more than whole transactions, mark included,
        // which a run that is given everything again makes good. A sync asks for more.
        let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
            PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY; PRAGMA busy_timeout = 10000;";
        db.execute_batch(pragmas).map_err(failed(&what))?;
        db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        let mut sink = SqliteSink {
            db,
            what,
            lineage: lineage.to_owned(),
            rhythm,
            generation: 0,
            mark: None,
            before: None,
            flushes: 0,
            declared: HashSet::new(),
            inserter: Inserter::default(),
            ready: Vec::new(),
            early: Vec::new(),
            ready_letters: Vec::new(),
            early_letters: Vec::new(),
            letters: 0,
            spilled: false,
            outlives_power: false,
            is_new: false,
            kept_ns: None,
            known_at: None,
            forgotten: None,
        };
        sink.claim().map_err(failed(&sink.what))?;
        for spec in tables {
            sink.declare(spec).map_err(failed(&sink.what))?;
        }
        Ok(sink)
    }

    /// Keeps versions that are not valid any more for so long, counted back from the newest row: at least, and
    /// a sixty-fourth of it longer at most.
    #[must_use]
    pub fn keep_revisions_for(mut self, ns: i64) -> Self {
        self.kept_ns = Some(ns.max(0));
        self
    }

    /// Up to where everything is stored.
    pub fn mark(&self) -> Option<Epoch> {
        self.mark
    }

    fn claim(&mut self) -> rusqlite::Result<()> {
        let fixed = [
            Table::dead_letters(),
            Table::sink_progress(),
            Table::sink_owner(),
            Table::revisions_kept(),
        ];
        let sql: Vec<String> = fixed.iter().map(|table| table.create(&Sqlite)).collect();
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        self.db.execute_batch(&sql.join(";"))?;
        let known = "SELECT generation FROM sink_owner WHERE sink = 'sqlite'";
        let before: Option<i64> = self.db.query_row(known, [], |row| row.get(0)).optional()?;
        self.generation = before.unwrap_or(0).saturating_add(1);
        let claim = Table::sink_owner().upsert(&Sqlite);
        self.db.execute(&claim, params!["sqlite", self.generation])?;
        let mark = "SELECT min(epoch) FROM sink_progress WHERE sink = 'sqlite' AND lineage = ?1";
        self.mark = self.db.query_row(mark, [&self.lineage], |row| row.get(0))?;
        self.is_new = self.mark.is_none();
        let count = "SELECT count(*) FROM dead_letters";
        self.letters = self.db.query_row(count, [], |row| row.get::<_, i64>(0))?.unsigned_abs();
        self.db.execute_batch("COMMIT")
    }

    /// Makes the table and its past, or adds the columns that they lack.
    fn declare(&mut self, spec: &TableSpec) -> rusqlite::Result<()> {
        let columns: Vec<String> = spec.columns.iter().map(|column| column.name.clone()).collect();
        if !self.declared.insert((spec.name.clone(), columns)) {
            return Ok(());
        }
        let anew = self.is_new && !self.inserter.known().contains_key(&spec.name);
        self.inserter.learn(declare(&self.db, spec, anew)?);
        Ok(())
    }

    /// One transaction: every ready row and letter, the mark, and the check that nobody took over.
    fn commit(&mut self) -> Result<(), SinkError> {
        let done = self.transact();
        if done.is_err() {
            // The failure itself is what the caller hears about.
            let _ = self.db.execute_batch("ROLLBACK");
            self.before = None;
        }
        self.spilled = false;
        self.flushes = 0;
        done
    }

    fn transact(&mut self) -> Result<(), SinkError> {
        let Some(before) = self.before else { return Ok(()) };
        if !self.spilled {
            self.begin()?;
        }
        self.insert_ready().map_err(failed(&self.what))?;
        self.forget().map_err(failed(&self.what))?;
        let mark = Table::sink_progress().upsert(&Sqlite);
        let last_group = KEY_GROUPS - 1;
        self.db
            .prepare_cached(&mark)
            .and_then(|mut s| s.execute(params!["sqlite", self.lineage, 0, last_group, before]))
            .and_then(|_| self.db.execute_batch("COMMIT"))
            .map_err(failed(&self.what))?;
        self.mark = Some(before);
        self.before = None;
        Ok(())
    }

    fn begin(&mut self) -> Result<(), SinkError> {
        self.db.execute_batch("BEGIN IMMEDIATE").map_err(failed(&self.what))?;
        let owner = "SELECT generation FROM sink_owner WHERE sink = 'sqlite'";
        let owner: i64 =
            self.db.query_row(owner, [], |row| row.get(0)).map_err(failed(&self.what))?;
        if owner != self.generation {
            let _ = self.db.execute_batch("ROLLBACK");
            let (what, mine) = (&self.what, self.generation);
            let what = format!("{what}: generation {owner} has taken over from this run's {mine}");
            return Err(SinkError { what });
        }
        Ok(())
    }

    /// Removes what is kept no longer. The time that is forgotten up to moves in steps of its own, so that what is
    /// left does not depend on when transactions end.
    fn forget(&mut self) -> rusqlite::Result<()> {
        let (Some(kept_ns), Some(known_at)) = (self.kept_ns, self.known_at) else { return Ok(()) };
        let step = (kept_ns / FORGETS).max(1);
        let until = known_at.ns().saturating_sub(kept_ns);
        let until = Time::from_ns(until.saturating_sub(until.rem_euclid(step)));
        if self.forgotten.replace(until) == Some(until) {
            return Ok(());
        }
        for table in self.inserter.known().values() {
            let past = table.revisions();
            let newest = self.db.prepare_cached(&past.newest_before(&Sqlite))?;
            let newest: Option<i64> = { newest }.query_row([until.ns()], |row| row.get(0))?;
            if let Some(newest) = newest {
                self.db.prepare_cached(&past.forget(&Sqlite))?.execute([until.ns()])?;
                keeps_since(&self.db, &table.name, Time::from_ns(newest))?;
            }
        }
        Ok(())
    }

    fn insert_ready(&mut self) -> rusqlite::Result<()> {
        let newest = self.ready.iter().filter_map(|rows| rows.known_at.last());
        self.known_at = self.known_at.max(newest.max().copied());
        self.inserter.insert(&self.db, &self.ready)?;
        self.ready.clear();
        let room = LETTERS_MAX.saturating_sub(self.letters);
        self.letters += insert_letters(&self.db, &self.ready_letters, room)?;
        self.ready_letters.clear();
        Ok(())
    }

    /// What waits, in rows: a letter counts by its length, for it may be long.
    fn pending(rows: &[Rows], letters: &[DeadLetter]) -> usize {
        let letter = |letter: &DeadLetter| 1 + letter.raw.len() / ROW_BYTES;
        rows.iter().map(Rows::len).chain(letters.iter().map(letter)).sum()
    }

    /// Rows beyond the last flush have outgrown memory: into a transaction that stays open.
    fn spill(&mut self) -> Result<(), SinkError> {
        if !self.spilled {
            self.commit()?;
            self.begin()?;
            self.spilled = true;
        }
        self.ready.append(&mut self.early);
        self.ready_letters.append(&mut self.early_letters);
        self.insert_ready().map_err(failed(&self.what))
    }

    fn spill_if_full(&mut self) -> Result<(), SinkError> {
        match Self::pending(&self.early, &self.early_letters) {
            pending if pending > self.rhythm.early_rows_max => self.spill(),
            _ => Ok(()),
        }
    }
}

impl Sink for SqliteSink {
    fn name(&self) -> &str {
        "sqlite"
    }

    fn write(&mut self, rows: &Rows) -> Result<(), SinkError> {
        let first = done_rows(self.mark, rows);
        if first == rows.len() {
            return Ok(());
        }
        self.declare(&rows.table).map_err(failed(&self.what))?;
        self.early.push(rows_from(rows, first));
        self.spill_if_full()
    }

    fn write_letters(&mut self, letters: &[DeadLetter]) -> Result<(), SinkError> {
        let new = letters.iter().filter(|letter| !is_done(self.mark, letter.epoch));
        self.early_letters.extend(new.cloned());
        self.spill_if_full()
    }

    fn flush(&mut self, before: Epoch) -> Result<(), SinkError> {
        if is_done(self.mark, before) || self.mark == Some(before) {
            return Ok(());
        }
        self.ready.append(&mut self.early);
        self.ready_letters.append(&mut self.early_letters);
        self.before = Some(before);
        self.flushes += 1;
        let pending = Self::pending(&self.ready, &self.ready_letters);
        if self.spilled || self.rhythm.is_due(pending, self.flushes, before) {
            return self.commit();
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), SinkError> {
        if !self.outlives_power && !self.spilled {
            self.db.execute_batch("PRAGMA synchronous = FULL").map_err(failed(&self.what))?;
            self.outlives_power = true;
            // What was committed so far lies in the log that this commit makes durable.
            self.before = self.before.or(self.mark);
        }
        match self.before {
            Some(_) => self.commit(),
            None => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.commit()?;
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        self.db.query_row(checkpoint, [], |_| Ok(())).map_err(failed(&self.what))
    }
}

impl Drop for SqliteSink {
    /// A run that was stopped: what was complete is stored, the rest is not.
    fn drop(&mut self) {
        if self.spilled {
            let _ = self.db.execute_batch("ROLLBACK");
        } else {
            let _ = self.commit();
        }
    }
}
