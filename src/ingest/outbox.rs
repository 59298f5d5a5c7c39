//! Rows on their way into the partitions of a topic: gathered into messages, encoded, handed to the producer.

use super::{Ingest, IngestError};
use kafka::{Headers, Producer, Record, Sent};
use market::{SymbolId, Symbols, Time, TradeId, Trades, TransType, stable_hash};
use sources::{Encoder, Undecoded};
use std::time::Duration;

/// How long a record waits for others to make a batch with, in milliseconds.
const LINGER_MS: u32 = 5;
/// The venue that stands for none.
const NO_VENUE: &[u8] = b"-";

pub(super) struct Outbox {
    producer: Producer,
    encoder: Encoder,
    topic: String,
    headers: Headers,
    batch: usize,
    /// Rows that wait, by partition.
    waiting: Vec<Trades>,
    /// By symbol.
    partitions: Vec<Option<u32>>,
    /// The partition whose turn it is, where symbols keep none.
    turn: Option<usize>,
    no_venue: SymbolId,
    value: Vec<u8>,
}

impl Outbox {
    pub(super) fn open(
        ingest: &Ingest,
        partitions: i32,
        symbols: &Symbols,
    ) -> Result<Self, IngestError> {
        Ok(Outbox {
            producer: Producer::open(&ingest.settings, LINGER_MS)?,
            encoder: Encoder::new(ingest.codec, symbols),
            topic: ingest.topic.clone(),
            headers: Headers::of(&[("schema", "trade/1")]),
            batch: ingest.batch.max(1),
            waiting: vec![Trades::default(); usize::try_from(partitions).unwrap_or(1)],
            partitions: Vec::new(),
            turn: (!ingest.keyed).then_some(0),
            no_venue: symbols.intern(NO_VENUE).unwrap_or_default(),
            value: Vec::new(),
        })
    }

    /// Adds a row to what waits for its partition, and sends a message that is full.
    pub(super) fn push(&mut self, trades: &Trades, row: usize) -> Result<(), IngestError> {
        let symbol = trades.symbol[row];
        let partition = self.partition_of(symbol);
        let waiting = &mut self.waiting[partition];
        let trans = trades.trans_of(row);
        if trans != TransType::New || !waiting.trans.is_empty() {
            waiting.trans.resize(waiting.len(), TransType::New);
            waiting.trans.push(trans);
        }
        waiting.ts_event.push(trades.ts_event[row]);
        waiting.symbol.push(symbol);
        waiting.price.push(trades.price[row]);
        waiting.size.push(trades.size[row]);
        waiting.trade_id.push(trades.trade_id.get(row).copied().unwrap_or(TradeId::NONE));
        waiting.venue.push(trades.venue.get(row).copied().unwrap_or(self.no_venue));
        waiting.side.push(trades.side.get(row).copied().unwrap_or_default());
        if waiting.len() >= self.batch {
            self.send(partition)?;
        }
        Ok(())
    }

    /// A symbol keeps its partition, where there are keys.
    fn partition_of(&mut self, symbol: SymbolId) -> usize {
        if let Some(turn) = &mut self.turn {
            return std::mem::replace(turn, (*turn + 1) % self.waiting.len());
        }
        let at = symbol.index();
        if at >= self.partitions.len() {
            self.partitions.resize(at + 1, None);
        }
        if let Some(partition) = self.partitions[at] {
            return partition as usize;
        }
        let count = self.waiting.len() as u64;
        let partition = stable_hash(self.encoder.text(symbol).as_bytes()) % count;
        self.partitions[at] = Some(partition as u32);
        partition as usize
    }

    fn send(&mut self, partition: usize) -> Result<(), IngestError> {
        let rows = self.waiting[partition].len();
        if rows == 0 {
            return Ok(());
        }
        self.value.clear();
        self.encoder.encode(&self.waiting[partition], 0..rows, &mut self.value)?;
        // A message of several rows may hold several symbols: it has no key and is addressed by number.
        let key = match rows {
            1 if self.turn.is_none() => {
                Some(self.encoder.text(self.waiting[partition].symbol[0]).as_bytes())
            }
            _ => None,
        };
        self.producer.send(&Record {
            topic: &self.topic,
            partition: Some(partition as i32),
            key,
            value: Some(&self.value),
            headers: Some(&self.headers),
            timestamp_ms: None,
        })?;
        self.waiting[partition].clear();
        Ok(())
    }

    /// Sends all that waits.
    pub(super) fn send_all(&mut self) -> Result<(), IngestError> {
        (0..self.waiting.len()).try_for_each(|partition| self.send(partition))
    }

    /// Tells the time to every partition where nothing waits, behind all that was pushed; what waits since
    /// before `since` is sent first, and what waits no longer tells it by itself. Returns how many were told.
    pub(super) fn heartbeat(&mut self, time: Time, since: Time) -> Result<u64, IngestError> {
        let mut told = 0;
        for partition in 0..self.waiting.len() {
            match self.waiting[partition].ts_event.first() {
                Some(&first) if first >= since => continue,
                _ => self.send(partition)?,
            }
            self.value.clear();
            Encoder::heartbeat(time, &mut self.value);
            self.hand(partition)?;
            told += 1;
        }
        Ok(told)
    }

    /// Sends a record that cannot be decoded as it came.
    pub(super) fn pass_on(&mut self, record: &Undecoded) -> Result<(), IngestError> {
        let partition = match record.symbol {
            Some(symbol) => self.partition_of(symbol),
            None => (stable_hash(record.raw.as_bytes()) % self.waiting.len() as u64) as usize,
        };
        self.send(partition)?;
        self.value.clear();
        self.value.extend_from_slice(record.raw.as_bytes());
        self.hand(partition)
    }

    /// Hands the value over, without a key.
    fn hand(&mut self, partition: usize) -> Result<(), IngestError> {
        self.producer.send(&Record {
            topic: &self.topic,
            partition: Some(partition as i32),
            key: None,
            value: Some(&self.value),
            headers: None,
            timestamp_ms: None,
        })?;
        Ok(())
    }

    /// Whether all that was sent is acknowledged, after waiting for it up to `wait`.
    pub(super) fn is_acknowledged(&self, wait: Duration) -> Result<bool, IngestError> {
        Ok(self.producer.flush(wait)?)
    }

    pub(super) fn sent(&self) -> Sent {
        self.producer.sent()
    }
}
