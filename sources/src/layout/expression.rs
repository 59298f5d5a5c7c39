//! `--columns`: `field=expression` separated by commas.
//!
//! ```text
//! ts_event=time:ms            a number of s, ms, us or ns since 1970, decimals allowed
//! ts_event=day+clock:"%d-%m-%Y %H:%M:%S%.f":Europe/Berlin      strptime over parts joined by a space
//! ts_event='2012-06-21'+c1:s:America/New_York                  a day and a time after its midnight
//! price=px*0.0001   price=mid(bid,ask)   symbol='NVDA'   side=dir{1:B,-1:A}   symbol="Odd, name"
//! ```

use super::bind::nearest_of;
use super::scanner::Scanner;
use super::{Clock, LayoutError};
use market::{Scale, parse_fixed};

/// Where a text comes from. `C` is a column's name, later its number.
#[derive(Clone, Debug)]
pub(crate) enum Text<C> {
    Column(C),
    Constant(String),
    /// The column's text, exchanged by the pairs; text that no pair has is refused.
    Mapped(C, Vec<(String, String)>),
}

/// An exact decimal factor: `mantissa * 10^-decimals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Factor {
    pub(crate) mantissa: i64,
    pub(crate) decimals: u8,
}

/// Where a number comes from.
#[derive(Clone, Debug)]
pub(crate) enum Number<C> {
    Column(C),
    Scaled(C, Factor),
    /// Half the sum of two columns.
    Mid(C, C),
    Constant(String),
}

/// A part of a time that is put together from several.
#[derive(Clone, Debug)]
pub(crate) enum Part<C> {
    Column(C),
    Constant(String),
}

/// Unit of a numeric time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    /// The scale at which a number of this unit is a number of nanoseconds.
    pub(crate) fn scale(self) -> Scale {
        let digits = match self {
            Unit::Seconds => 9,
            Unit::Millis => 6,
            Unit::Micros => 3,
            Unit::Nanos => 0,
        };
        Scale::new(digits).unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Unit> {
        match text {
            "s" => Some(Unit::Seconds),
            "ms" => Some(Unit::Millis),
            "us" => Some(Unit::Micros),
            "ns" => Some(Unit::Nanos),
            _ => None,
        }
    }
}

/// Where a time comes from.
#[derive(Clone, Debug)]
pub(crate) enum Moment<C> {
    /// Integer nanoseconds or RFC 3339; in Parquet also a timestamp.
    Auto(C),
    Unit(C, Unit),
    Format {
        parts: Vec<Part<C>>,
        clock: Clock,
    },
    /// A day (`YYYY-MM-DD`) and a number of `unit` after its midnight, in the clock's zone.
    AfterMidnight {
        day: Part<C>,
        after: C,
        unit: Unit,
        clock: Clock,
    },
}

/// The fields of a trade that were mapped; the others have the columns of their own names.
#[derive(Clone, Debug)]
pub(crate) struct Expressions<C> {
    pub(crate) symbol: Option<Text<C>>,
    pub(crate) ts_event: Option<Moment<C>>,
    pub(crate) price: Option<Number<C>>,
    pub(crate) size: Option<Number<C>>,
    pub(crate) trade_id: Option<Text<C>>,
    pub(crate) side: Option<Text<C>>,
    pub(crate) venue: Option<Text<C>>,
    pub(crate) trans_type: Option<Text<C>>,
    pub(crate) conditions: Option<Text<C>>,
}

impl<C> Default for Expressions<C> {
    fn default() -> Self {
        Expressions {
            symbol: None,
            ts_event: None,
            price: None,
            size: None,
            trade_id: None,
            side: None,
            venue: None,
            trans_type: None,
            conditions: None,
        }
    }
}

const FIELDS: [&str; 10] = [
    "symbol",
    "ts_event",
    "price",
    "size",
    "trade_id",
    "side",
    "venue",
    "trans_type",
    "conditions",
    "ts_recv",
];
const STOPS: [char; 7] = [',', '+', '*', ':', '{', ')', '('];

/// Parses the text that stands in `place`.
pub(super) fn parse(place: &str, text: &str) -> Result<Expressions<String>, LayoutError> {
    let mut scanner = Scanner::new(place, text);
    let mut fields = Expressions::default();
    let mut seen: Vec<&str> = Vec::new();
    loop {
        let before = scanner.error(String::new());
        let name = scanner.until(&['=', ',']);
        let Some(&field) = FIELDS.iter().find(|field| **field == name) else {
            return Err(unknown_field(before, name));
        };
        if seen.contains(&field) {
            return Err(scanner.error(format!("wanted {field} to be named once")));
        }
        seen.push(field);
        scanner.expect("=")?;
        assign(&mut fields, field, &mut scanner)?;
        if scanner.is_at_end() {
            return Ok(fields);
        }
        scanner.expect(",")?;
    }
}

fn assign(
    fields: &mut Expressions<String>,
    field: &str,
    scanner: &mut Scanner,
) -> Result<(), LayoutError> {
    match field {
        "symbol" => fields.symbol = Some(text(scanner)?),
        "ts_event" => fields.ts_event = Some(moment(scanner)?),
        "price" => fields.price = Some(number(scanner)?),
        "size" => fields.size = Some(number(scanner)?),
        "trade_id" => fields.trade_id = Some(text(scanner)?),
        "side" => fields.side = Some(text(scanner)?),
        "venue" => fields.venue = Some(text(scanner)?),
        "trans_type" => fields.trans_type = Some(text(scanner)?),
        "conditions" => fields.conditions = Some(text(scanner)?),
        // Checked, and kept for when something reads it.
        _ => drop(moment(scanner)?),
    }
    Ok(())
}

fn unknown_field(before: LayoutError, name: &str) -> LayoutError {
    let LayoutError::Syntax { place, given, at, .. } = before else { return before };
    let nearest = nearest_of(name, FIELDS.iter().copied())
        .map_or_else(String::new, |near| format!(", nearest is \"{near}\""));
    let wanted = format!("wanted a field of a trade ({}){nearest}", FIELDS.join(", "));
    LayoutError::Syntax { place, given, at, wanted }
}

fn column(scanner: &mut Scanner) -> Result<String, LayoutError> {
    if let Some(name) = scanner.quoted('"')? {
        return Ok(name.to_owned());
    }
    match scanner.until(&STOPS) {
        "" => Err(scanner.error("wanted the name of a column".to_owned())),
        name => Ok(name.to_owned()),
    }
}

fn text(scanner: &mut Scanner) -> Result<Text<String>, LayoutError> {
    if let Some(constant) = scanner.quoted('\'')? {
        return Ok(Text::Constant(constant.to_owned()));
    }
    let column = column(scanner)?;
    if !scanner.take("{") {
        return Ok(Text::Column(column));
    }
    let mut pairs = Vec::new();
    loop {
        let from = scanner.until(&[':', '}', ',']).to_owned();
        scanner.expect(":")?;
        let to = scanner.until(&['}', ',']).to_owned();
        pairs.push((from, to));
        if !scanner.take(",") {
            scanner.expect("}")?;
            return Ok(Text::Mapped(column, pairs));
        }
    }
}

fn number(scanner: &mut Scanner) -> Result<Number<String>, LayoutError> {
    if let Some(constant) = scanner.quoted('\'')? {
        let constant = constant.to_owned();
        return match parse_fixed(constant.as_bytes(), Scale::NANO) {
            Ok(_) => Ok(Number::Constant(constant)),
            Err(_) => Err(scanner.error(format!("wanted a decimal number, not '{constant}'"))),
        };
    }
    let name = column(scanner)?;
    if name == "mid" && scanner.take("(") {
        let bid = column(scanner)?;
        scanner.expect(",")?;
        let ask = column(scanner)?;
        scanner.expect(")")?;
        return Ok(Number::Mid(bid, ask));
    }
    if !scanner.take("*") {
        return Ok(Number::Column(name));
    }
    let place = scanner.error("wanted a decimal factor with at most 12 decimals".to_owned());
    factor(scanner.until(&[','])).map(|factor| Number::Scaled(name, factor)).ok_or(place)
}

fn factor(text: &str) -> Option<Factor> {
    let twelve = Scale::new(12)?;
    let mut mantissa = parse_fixed(text.as_bytes(), twelve).ok()?;
    let mut decimals = 12;
    while decimals > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        decimals -= 1;
    }
    (mantissa != 0).then_some(Factor { mantissa, decimals })
}

fn moment(scanner: &mut Scanner) -> Result<Moment<String>, LayoutError> {
    let mut parts = vec![part(scanner)?];
    while scanner.take("+") {
        parts.push(part(scanner)?);
    }
    if !scanner.take(":") {
        return match <[Part<String>; 1]>::try_from(parts) {
            Ok([Part::Column(column)]) => Ok(Moment::Auto(column)),
            _ => Err(scanner.error("wanted \":\" and a unit or a quoted format".to_owned())),
        };
    }
    if let Some(format) = scanner.quoted('"')? {
        let zone = if scanner.take(":") { scanner.until(&[',']) } else { "UTC" };
        let clock = Clock::new(zone, Some(format)).map_err(|wanted| scanner.error(wanted))?;
        return Ok(Moment::Format { parts, clock });
    }
    let place = scanner.error("wanted one of s, ms, us, ns or a quoted format".to_owned());
    let unit = Unit::parse(scanner.until(&[':', ','])).ok_or(place)?;
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Part::Column(column)), None, _) => Ok(Moment::Unit(column, unit)),
        (Some(day), Some(Part::Column(after)), None) => {
            let zone = if scanner.take(":") { scanner.until(&[',']) } else { "UTC" };
            let clock = Clock::new(zone, None).map_err(|wanted| scanner.error(wanted))?;
            if let Part::Constant(text) = &day {
                clock.check_day(text).map_err(|wanted| scanner.error(wanted))?;
            }
            Ok(Moment::AfterMidnight { day, after, unit, clock })
        }
        _ => Err(scanner.error("wanted a column, or a day and a column".to_owned())),
    }
}

fn part(scanner: &mut Scanner) -> Result<Part<String>, LayoutError> {
    if let Some(constant) = scanner.quoted('\'')? {
        return Ok(Part::Constant(constant.to_owned()));
    }
    column(scanner).map(Part::Column)
}
