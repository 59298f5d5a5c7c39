//! What another process reads is what was written, symbols by their texts.

use super::*;
use crate::wire::{Pooled, Stamped};
use market::{Change, Epoch, EpochLength, Side, Size, Trade, TradeId, TransType, Updates};
use proptest::prelude::*;
use timely::bytes::arc::BytesMut;

/// As another process reads it.
fn sent<C: ContainerBytes>(container: &C) -> C {
    let mut bytes = Vec::new();
    container.into_bytes(&mut bytes);
    assert_eq!(bytes.len(), container.length_in_bytes());
    C::from_bytes(BytesMut::from(bytes).freeze())
}

fn letter() -> impl Strategy<Value = DeadLetter> {
    let place = (any::<Epoch>(), any::<u32>(), any::<u64>(), 0..Reason::ALL.len());
    let texts = [".{0,9}", ".{0,9}", ".{0,9}"];
    let rest = (prop::option::of(".{0,9}"), prop::option::of(any::<i64>()));
    (place, texts, rest).prop_map(|(place, [source, detail, raw], (symbol, ts_event))| {
        let (epoch, partition, offset, reason) = place;
        let (offset, reason) = (Offset::from_raw(offset), Reason::ALL[reason]);
        let ts_event = ts_event.map(Time::from_ns);
        DeadLetter { epoch, partition, source, offset, reason, detail, raw, symbol, ts_event }
    })
}

/// A table of some symbols that were seen in this order.
fn symbols(names: &[&str]) -> (Symbols, Vec<SymbolId>) {
    let symbols = Symbols::default();
    let ids = names.iter().map(|name| symbols.intern(name.as_bytes()).unwrap()).collect();
    (symbols, ids)
}

/// Trades with and without a venue and an id.
fn pooled(row: &Row, ids: &[SymbolId]) -> Pooled {
    let &(symbol, epoch, price, pool, partition) = row;
    let trade = |venue: Option<usize>, trade_id, side| Trade {
        ts_event: Time::from_ns(price ^ 1),
        symbol: ids[symbol],
        price: Price::from_raw(price),
        size: Size::from_raw(epoch),
        offset: Offset::from_raw(price.cast_unsigned()),
        trade_id,
        venue: venue.map(|at| ids[at]),
        side,
        trans: TransType::of_code(pool as u64 % 3).unwrap(),
        updates: Updates::of_code(partition as u64 % 8).unwrap(),
    };
    let text = TradeId::from_text(epoch.to_string().as_bytes());
    let trades = [trade(None, TradeId::NONE, Side::Unknown), trade(Some(2), text, Side::Bid)];
    let trades = trades.map(|trade| Stamped { epoch, trade }).to_vec();
    Pooled { pool, partition, source: format!("t/{partition}").into(), trades }
}

/// A symbol, two numbers of 64 bits and two of 32.
type Row = (usize, i64, i64, u32, u32);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0usize..3, any::<i64>(), any::<i64>(), any::<u32>(), any::<u32>());
    prop::collection::vec(row, 0..20)
}

proptest! {
    #[test]
    fn letters_and_counts_arrive(letters in prop::collection::vec(letter(), 0..5), counts: [u64; 8]) {
        let Parcel::Letters(read) = &*sent(&Shared::from(Parcel::Letters(letters.clone()))).0 else {
            panic!("letters were sent");
        };
        prop_assert_eq!(read, &letters);
        let [read, used, late, flagged, cancelled, replaced, excluded, left_out] = counts;
        let mut counts = Counts { read, used, late, flagged, cancelled, replaced, excluded, left_out, ..Counts::default() };
        counts.refused.iter_mut().zip(0..).for_each(|(count, at)| *count = read ^ at);
        let Parcel::Counts(read) = &*sent(&Shared::from(Parcel::Counts(counts.clone()))).0 else {
            panic!("counts were sent");
        };
        prop_assert_eq!(read, &counts);
    }

    #[test]
    fn rows_arrive_with_the_symbols_of_the_reader(rows in rows(), floats: bool) {
        let ((from, ids), (to, read_ids)) = (symbols(&["A", "B", "C"]), symbols(&["C", "A", "B"]));
        let width = "15s".parse().unwrap();
        let key = |row: &Row, ids: &[SymbolId]| {
            let &(symbol, epoch, ts_open, seq, revision) = row;
            let (symbol, ts_open) = (ids[symbol], Time::from_ns(ts_open));
            let change = Change::of_code(u64::from(seq % 3)).unwrap();
            RowKey { epoch, ts_open, symbol, width, seq, revision, change }
        };
        let bar = |&(_, a, b, c, d): &Row| Bar {
            ts_open: Time::from_ns(a),
            open: Price::from_raw(b),
            high: Price::from_raw(a ^ b),
            low: Price::from_raw(b ^ 1),
            close: Price::from_raw(a ^ 2),
            trade_count: u64::from(c),
            volume: i128::from(a) * i128::from(d),
            notional: i128::from(a) * i128::from(b),
        };
        let body = match floats {
            true => Body::Floats { stride: 2, values: rows.iter().flat_map(|row| [row.3.into(), 0.1]).collect() },
            false => Body::Bars(rows.iter().map(bar).collect()),
        };
        let keys = rows.iter().map(|row| key(row, &ids)).collect();
        let parcel = RowParcel { table: 7, width, keys, body, names: Names::Here(from) };
        let read = sent(&Shared::from(Parcel::Rows(parcel.clone()))).adopt(&to);
        let read = read.rows().expect("rows were sent");
        prop_assert_eq!((read.table, read.width), (7, width));
        // Symbol n of the writer is the reader's of the same name.
        let its = [read_ids[1], read_ids[2], read_ids[0]];
        let keys: Vec<RowKey> = rows.iter().map(|row| key(row, &its)).collect();
        prop_assert_eq!(&read.keys, &keys);
        prop_assert_eq!(format!("{:?}", read.body), format!("{:?}", parcel.body));
    }

    #[test]
    fn partials_arrive_with_the_symbols_of_the_reader(rows in rows()) {
        let ((from, ids), (to, read_ids)) = (symbols(&["A", "B", "C"]), symbols(&["C", "A", "B"]));
        let row = |row: &Row, ids: &[SymbolId]| {
            let &(symbol, epoch, price, partition, base) = row;
            let start = EpochLength::SECOND.start(epoch % 1_000);
            let mut partial = Partial::new(start);
            partial.add(start, Offset::from_raw(9), Price::from_raw(price), market::Size::from_raw(3));
            PartialRow { epoch, symbol: ids[symbol], partition, base, partial }
        };
        let reach = |&(to, at, until, base, _): &Row| {
            (to as u32, Reach { at, base, until: Time::from_ns(until) })
        };
        let reaches: Vec<_> = rows.iter().map(reach).collect();
        let all = rows.iter().map(|it| row(it, &ids)).collect();
        let pooled: Vec<_> = rows.iter().map(|it| self::pooled(it, &ids)).collect();
        let left = vec![(1, 2, Arc::new(vec![7; rows.len()]))];
        let names = Names::Here(from);
        let partials = Partials { rows: all, reaches: reaches.clone(), names, pooled, left: left.clone() };
        let mut read = sent(&partials);
        read.adopt(&to);
        let its = [read_ids[1], read_ids[2], read_ids[0]];
        let expected: Vec<_> = rows.iter().map(|it| row(it, &its)).collect();
        prop_assert_eq!(read.rows, expected);
        prop_assert_eq!(read.reaches, reaches);
        prop_assert_eq!(read.left, left);
        let expected: Vec<_> = rows.iter().map(|it| self::pooled(it, &its)).collect();
        prop_assert_eq!(read.pooled, expected);
    }
}
