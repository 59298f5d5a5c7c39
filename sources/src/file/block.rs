//! A block of rows of any format, and how the fields of trades are made of its columns.
//!
//! Columns are filled one after the other by tight loops; a row with a flaw gets a placeholder, and the
//! rare flawed rows are taken out at the end, with every other column of theirs that could be read.

use super::desk::{Desk, Flaw, Flaws};
use super::exact::{Field, numbers};
use super::optional;
use crate::Undecoded;
use crate::layout::{Bound, Moment, MomentError, Part, Text};
use market::{
    FixedError, Offset, Price, Reason, Scale, Side, Size, SymbolId, Time, TradeId, Trades,
    TransType,
};

/// Rows of one format.
pub(crate) trait Block {
    /// Rows in the block.
    fn rows(&self) -> usize;

    /// A column's numbers in raw units of one scale, one for each row.
    fn fixed<T>(
        &self,
        column: usize,
        scale: Scale,
        make: impl Fn(i64) -> T,
        out: &mut Vec<T>,
        flaw: impl FnMut(usize, FixedError),
    );

    /// One row's number.
    fn fixed_at(&self, column: usize, row: usize, scale: Scale) -> Result<i64, FixedError>;

    /// A column's times, where it needs no unit: integer nanoseconds, RFC 3339, timestamps.
    fn times(
        &self,
        column: usize,
        out: &mut Vec<Time>,
        flaw: impl FnMut(usize, Option<MomentError>),
    );

    /// A column's symbols.
    fn symbols(&self, column: usize, desk: &mut Desk, reason: Reason, out: &mut Vec<SymbolId>);

    /// A cell as text; empty when there is none.
    fn text<'a>(&'a self, column: usize, row: usize, scratch: &'a mut Vec<u8>) -> &'a [u8];

    /// A column's whole numbers, where that is what it holds, without an empty cell.
    fn integers(&self, _column: usize) -> Option<&[i64]> {
        None
    }

    /// A column's texts and which of them each row has, where it is kept so, without an empty cell.
    fn dictionary(&self, _column: usize) -> Option<(&[i32], Vec<&[u8]>)> {
        None
    }

    /// The row's number within its piece.
    fn row_number(&self, row: usize) -> u64;

    /// The row as it came, printable and cut.
    fn raw(&self, row: usize) -> String;

    /// What was found wrong with a row before its fields are looked at.
    fn flaws(&self, _flaws: &mut Flaws) {}
}

/// Appends the rows of `block` to `trades`, and those that have a flaw to `undecoded`.
pub(crate) fn decode<B: Block>(
    block: &B,
    bound: &Bound,
    desk: &mut Desk,
    trades: &mut Trades,
    undecoded: &mut Vec<Undecoded>,
) {
    let base = trades.len();
    desk.flaws.clear();
    block.flaws(&mut desk.flaws);
    let corrects = match &bound.trans_type {
        Some(text) => optional::trans_types(block, text, base, desk, &mut trades.trans),
        None => false,
    };
    symbols(block, &bound.symbol, Reason::Symbol, desk, &mut trades.symbol);
    times(block, &bound.ts_event, desk, &mut trades.ts_event);
    let ids = &trades.symbol[base..];
    numbers(block, &bound.price, ids, Field::PRICE, desk, Price::from_raw, &mut trades.price);
    numbers(block, &bound.size, ids, Field::SIZE, desk, Size::from_raw, &mut trades.size);
    optional::begin(base, bound, desk, trades);
    if let Some(text) = &bound.trade_id {
        trade_ids(block, text, desk, &mut trades.trade_id);
    }
    if let Some(text) = &bound.venue {
        venues(block, text, desk, &mut trades.venue);
    }
    if let Some(text) = &bound.side {
        sides(block, text, desk, &mut trades.side);
    }
    if let Some((tape, text)) = &bound.conditions {
        optional::conditions(block, (*tape, text), base, desk, &mut trades.updates);
    }
    trades.offset.extend((0..block.rows()).map(|row| Offset::from_raw(block.row_number(row))));
    optional::end(desk, trades);
    if corrects {
        optional::settle(base, desk, trades);
    }
    if !desk.flaws.is_empty() {
        take_out(block, base, &mut desk.flaws, trades, undecoded);
    }
}

fn symbols<B: Block>(
    block: &B,
    text: &Text<usize>,
    reason: Reason,
    desk: &mut Desk,
    out: &mut Vec<SymbolId>,
) {
    if let Text::Column(column) = text {
        return block.symbols(*column, desk, reason, out);
    }
    for row in 0..block.rows() {
        let found = cell(block, text, row, &mut desk.text).map(|text| desk.symbols.text(text));
        out.push(match found {
            Some(Ok(id)) => id,
            Some(Err(error)) => desk.flaws.symbol(row, reason, error),
            None => desk.flaws.unmapped(row, reason, SymbolId::default()),
        });
    }
}

/// Whole numbers are taken as they are; what is negative or text goes the way of text.
fn trade_ids<B: Block>(block: &B, text: &Text<usize>, desk: &mut Desk, out: &mut Vec<TradeId>) {
    if let Text::Column(column) = text
        && let Some(ids) = block.integers(*column)
    {
        let number = |&id: &i64| match u64::try_from(id) {
            Ok(id) => TradeId::from_number(id),
            Err(_) => TradeId::from_text(id.to_string().as_bytes()),
        };
        return out.extend(ids.iter().map(number));
    }
    let make = |id: &[u8]| Some(TradeId::from_text(id));
    texts(block, text, "trade_id: wanted a mapped value", desk, out, make);
}

fn sides<B: Block>(block: &B, text: &Text<usize>, desk: &mut Desk, out: &mut Vec<Side>) {
    texts(block, text, "side: wanted A, B, N or nothing", desk, out, side);
}

/// The value of each row where every text of the column's dictionary has one.
fn by_dictionary<B: Block, T: Copy>(
    block: &B,
    text: &Text<usize>,
    make: impl FnMut(&[u8]) -> Option<T>,
    out: &mut Vec<T>,
) -> bool {
    let Text::Column(column) = text else { return false };
    let Some((keys, values)) = block.dictionary(*column) else { return false };
    let Some(made) = values.into_iter().map(make).collect::<Option<Vec<T>>>() else { return false };
    let base = out.len();
    out.extend(keys.iter().map_while(|&key| made.get(key as usize)));
    let whole = out.len() == base + block.rows();
    if !whole {
        out.truncate(base);
    }
    whole
}

/// An empty venue is the venue `-`, so that the column has a value for every row.
fn venues<B: Block>(block: &B, text: &Text<usize>, desk: &mut Desk, out: &mut Vec<SymbolId>) {
    let Desk { symbols, text: scratch, flaws, .. } = desk;
    let mut id_of = |venue: &[u8]| symbols.text(if venue.is_empty() { b"-" } else { venue });
    if by_dictionary(block, text, |venue| id_of(venue).ok(), out) {
        return;
    }
    for row in 0..block.rows() {
        let found = cell(block, text, row, scratch).map(&mut id_of);
        out.push(match found {
            Some(Ok(id)) => id,
            Some(Err(error)) => flaws.symbol(row, Reason::Field, error),
            None => flaws.unmapped(row, Reason::Field, SymbolId::default()),
        });
    }
}

fn texts<B: Block, T: Blank + Copy>(
    block: &B,
    text: &Text<usize>,
    wanted: &str,
    desk: &mut Desk,
    out: &mut Vec<T>,
    make: impl Fn(&[u8]) -> Option<T>,
) {
    if by_dictionary(block, text, &make, out) {
        return;
    }
    for row in 0..block.rows() {
        let value = cell(block, text, row, &mut desk.text);
        match value.and_then(&make) {
            Some(made) => out.push(made),
            None => {
                let given = value.map_or_else(|| "an unmapped value".to_owned(), shown);
                let detail = format!("{wanted}, not {given}");
                match T::IS_SPARE {
                    true => desk.flaws.push_spare(row, Reason::Field, detail),
                    false => desk.flaws.push(row, Reason::Field, detail),
                }
                out.push(T::BLANK);
            }
        }
    }
}

/// What stands for a value that could not be read, until its row is taken out.
trait Blank {
    const BLANK: Self;
    /// Whether a cancel can do without it.
    const IS_SPARE: bool;
}

impl Blank for TradeId {
    const BLANK: TradeId = TradeId::NONE;
    const IS_SPARE: bool = false;
}

impl Blank for Side {
    const BLANK: Side = Side::Unknown;
    const IS_SPARE: bool = true;
}

fn side(text: &[u8]) -> Option<Side> {
    match text {
        b"A" => Some(Side::Ask),
        b"B" => Some(Side::Bid),
        b"N" | b"" => Some(Side::Unknown),
        _ => None,
    }
}

/// The text that an expression has in a row; nothing when no pair of a map has it.
pub(super) fn cell<'a, B: Block>(
    block: &'a B,
    text: &'a Text<usize>,
    row: usize,
    scratch: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    match text {
        Text::Column(column) => Some(block.text(*column, row, scratch)),
        Text::Constant(constant) => Some(constant.as_bytes()),
        Text::Mapped(column, pairs) => {
            let value = block.text(*column, row, scratch);
            let pair = pairs.iter().find(|(from, _)| from.as_bytes() == value);
            pair.map(|(_, to)| to.as_bytes())
        }
    }
}

fn times<B: Block>(block: &B, moment: &Moment<usize>, desk: &mut Desk, out: &mut Vec<Time>) {
    let flaws = &mut desk.flaws;
    match moment {
        Moment::Auto(column) => block.times(*column, out, |row, error| flaws.time(row, error)),
        Moment::Unit(column, unit) => {
            let flaw = |row, error| flaws.number(row, "ts_event", Reason::Time, error);
            block.fixed(*column, unit.scale(), Time::from_ns, out, flaw);
        }
        Moment::Format { parts, clock } => {
            for row in 0..block.rows() {
                let time = join(block, parts, row, &mut desk.text, &mut desk.joined)
                    .and_then(|()| clock.parse(&desk.joined, &mut desk.day).map_err(Some));
                out.push(time_or_flaw(time, row, &mut desk.flaws));
            }
        }
        Moment::AfterMidnight { day, after, unit, clock } => {
            for row in 0..block.rows() {
                let day =
                    join(block, std::slice::from_ref(day), row, &mut desk.text, &mut desk.joined);
                let time = match (day, block.fixed_at(*after, row, unit.scale())) {
                    (Err(error), _) => Err(error),
                    (_, Err(FixedError::Empty)) => Err(None),
                    (_, Err(_)) => Err(Some(MomentError::Malformed)),
                    (Ok(()), Ok(after)) => {
                        clock.after_midnight(&desk.joined, after, &mut desk.day).map_err(Some)
                    }
                };
                out.push(time_or_flaw(time, row, &mut desk.flaws));
            }
        }
    }
}

fn time_or_flaw(time: Result<i64, Option<MomentError>>, row: usize, flaws: &mut Flaws) -> Time {
    match time {
        Ok(ns) => Time::from_ns(ns),
        Err(error) => {
            flaws.time(row, error);
            Time::default()
        }
    }
}

/// The parts of a time joined by spaces; fails with nothing when one is empty.
fn join<B: Block>(
    block: &B,
    parts: &[Part<usize>],
    row: usize,
    scratch: &mut Vec<u8>,
    joined: &mut Vec<u8>,
) -> Result<(), Option<MomentError>> {
    joined.clear();
    for (k, part) in parts.iter().enumerate() {
        let text = match part {
            Part::Column(column) => block.text(*column, row, scratch),
            Part::Constant(constant) => constant.as_bytes(),
        };
        if text.is_empty() {
            return Err(None);
        }
        if k > 0 {
            joined.push(b' ');
        }
        joined.extend_from_slice(text);
    }
    Ok(())
}

/// Takes the flawed rows out of the columns, the first flaw of each being its reason.
fn take_out<B: Block>(
    block: &B,
    base: usize,
    flaws: &mut Flaws,
    trades: &mut Trades,
    undecoded: &mut Vec<Undecoded>,
) {
    let mut bad = vec![false; block.rows()];
    for of_row in flaws.by_row() {
        let Some(Flaw { row, reason, detail, .. }) = of_row.first() else { continue };
        bad[*row] = true;
        let readable = |field: Reason| !of_row.iter().any(|flaw| flaw.field == field);
        // A cancel has no time.
        let is_timed = trades.trans_of(base + row) != TransType::Cancel;
        undecoded.push(Undecoded {
            before_row: 0,
            offset: Offset::from_raw(block.row_number(*row)),
            reason: *reason,
            detail: detail.clone(),
            raw: block.raw(*row),
            symbol: readable(Reason::Symbol).then(|| trades.symbol[base + row]),
            ts_event: (is_timed && readable(Reason::Time)).then(|| trades.ts_event[base + row]),
        });
    }
    keep(&mut trades.ts_event, base, &bad);
    keep(&mut trades.symbol, base, &bad);
    keep(&mut trades.price, base, &bad);
    keep(&mut trades.size, base, &bad);
    keep(&mut trades.offset, base, &bad);
    keep(&mut trades.trade_id, base, &bad);
    keep(&mut trades.venue, base, &bad);
    keep(&mut trades.side, base, &bad);
    keep(&mut trades.trans, base, &bad);
    keep(&mut trades.updates, base, &bad);
    optional::tidy(trades);
}

/// Keeps the rows from `base` on that are not bad; a column that is not used is empty.
pub(crate) fn keep<T>(column: &mut Vec<T>, base: usize, bad: &[bool]) {
    let mut row = 0;
    column.retain(|_| {
        let kept = row < base || !bad.get(row - base).copied().unwrap_or(false);
        row += 1;
        kept
    });
}

/// A cell as an error shows it: quoted, printable and cut.
pub(crate) fn shown(cell: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(cell).chars().take(80).collect();
    format!("{text:?}")
}
