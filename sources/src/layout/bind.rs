//! A layout bound to the columns that a file has: names become numbers, or are refused with the
//! nearest name.

use super::expression::{Expressions, Moment, Number, Part, Text, Unit};
use super::filter::Condition;
use super::{Layout, LayoutError, LayoutNames};
use crate::Tape;
use std::collections::HashMap;

/// Columns an error lists at most.
const LISTED_MAX: usize = 40;

/// What the fields of a trade are called where nothing else is said.
const DEFAULT_NAMES: [&str; 8] =
    ["symbol", "ts_event", "price", "size", "trade_id", "side", "venue", "trans_type"];
/// The one that is read by the rules of a tape alone.
const CONDITIONS: &str = "conditions";

/// What becomes of the columns of one file.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) symbol: Text<usize>,
    pub(crate) ts_event: Moment<usize>,
    pub(crate) price: Number<usize>,
    pub(crate) size: Number<usize>,
    pub(crate) trade_id: Option<Text<usize>>,
    pub(crate) side: Option<Text<usize>>,
    pub(crate) venue: Option<Text<usize>>,
    pub(crate) trans_type: Option<Text<usize>>,
    pub(crate) conditions: Option<(Tape, Text<usize>)>,
    pub(crate) filter: Vec<Condition<usize>>,
}

impl<C: Copy> Text<C> {
    /// The column it is of.
    pub(crate) fn column(&self) -> Option<C> {
        match self {
            Text::Column(column) | Text::Mapped(column, _) => Some(*column),
            Text::Constant(_) => None,
        }
    }
}

impl<C: Clone> Text<C> {
    fn map<D, E>(&self, of: &mut impl FnMut(&C) -> Result<D, E>) -> Result<Text<D>, E> {
        Ok(match self {
            Text::Column(column) => Text::Column(of(column)?),
            Text::Constant(text) => Text::Constant(text.clone()),
            Text::Mapped(column, pairs) => Text::Mapped(of(column)?, pairs.clone()),
        })
    }
}

impl<C: Clone> Number<C> {
    fn map<D, E>(&self, of: &mut impl FnMut(&C) -> Result<D, E>) -> Result<Number<D>, E> {
        Ok(match self {
            Number::Column(column) => Number::Column(of(column)?),
            Number::Scaled(column, factor) => Number::Scaled(of(column)?, *factor),
            Number::Mid(bid, ask) => Number::Mid(of(bid)?, of(ask)?),
            Number::Constant(text) => Number::Constant(text.clone()),
        })
    }
}

impl<C: Clone> Part<C> {
    fn map<D, E>(&self, of: &mut impl FnMut(&C) -> Result<D, E>) -> Result<Part<D>, E> {
        Ok(match self {
            Part::Column(column) => Part::Column(of(column)?),
            Part::Constant(text) => Part::Constant(text.clone()),
        })
    }
}

impl<C: Clone> Moment<C> {
    fn map<D, E>(&self, of: &mut impl FnMut(&C) -> Result<D, E>) -> Result<Moment<D>, E> {
        Ok(match self {
            Moment::Auto(column) => Moment::Auto(of(column)?),
            Moment::Unit(column, unit) => Moment::Unit(of(column)?, *unit),
            Moment::Format { parts, clock } => {
                let parts = parts.iter().map(|part| part.map(of)).collect::<Result<_, E>>()?;
                Moment::Format { parts, clock: clock.clone() }
            }
            Moment::AfterMidnight { day, after, unit, clock } => Moment::AfterMidnight {
                day: day.map(of)?,
                after: of(after)?,
                unit: *unit,
                clock: clock.clone(),
            },
        })
    }
}

impl Layout {
    /// For messages, which may lack what is optional, and whose own time comes in nanoseconds: a unit of
    /// milliseconds said of it is taken off.
    pub(crate) fn of_messages(&self) -> Layout {
        let mut layout = Layout { open: true, ..self.clone() };
        if let Some(Moment::Unit(name, Unit::Millis)) = &self.fields.ts_event
            && name == "@timestamp"
        {
            layout.fields.ts_event = Some(Moment::Auto(name.clone()));
        }
        layout
    }

    /// The names that are mapped or filtered by, each once, in the order of the fields.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let mut of = |name: &String| {
            if !names.contains(name) {
                names.push(name.clone());
            }
            Ok::<(), std::convert::Infallible>(())
        };
        let fields = &self.fields;
        // Conditions that are not looked at need no column.
        let conditions = self.tape.and(fields.conditions.as_ref());
        let texts = [&fields.trade_id, &fields.side, &fields.venue, &fields.trans_type];
        let _ = fields.symbol.iter().try_for_each(|text| text.map(&mut of).map(drop));
        let _ = fields.ts_event.iter().try_for_each(|moment| moment.map(&mut of).map(drop));
        let numbers = [&fields.price, &fields.size].into_iter().flatten();
        let _ = numbers.into_iter().try_for_each(|number| number.map(&mut of).map(drop));
        let texts = texts.into_iter().flatten().chain(conditions);
        let _ = texts.into_iter().try_for_each(|text| text.map(&mut of).map(drop));
        let conditions = self.filter.iter().flat_map(|filter| &filter.conditions);
        let _ = conditions.into_iter().try_for_each(|condition| of(&condition.column));
        names
    }
}

impl Bound {
    /// Binds `layout` where any record may have any names: to those it maps and the default ones.
    ///
    /// # Errors
    /// As [`Bound::new`].
    pub(crate) fn open(layout: &Layout) -> Result<(Bound, Vec<String>), LayoutError> {
        let mut columns = layout.names();
        for name in DEFAULT_NAMES.into_iter().chain(layout.tape.map(|_| CONDITIONS)) {
            if !columns.iter().any(|column| column == name) {
                columns.push(name.to_owned());
            }
        }
        let bound = Bound::new(layout, &columns)?;
        let needed = bound.needed();
        let names = needed.iter().map(|&column| columns[column].clone()).collect();
        let bound = bound.map(&mut |column| needed.binary_search(column).unwrap_or_default());
        Ok((bound, names))
    }

    /// Binds `layout` to the columns of a file, in their order.
    ///
    /// # Errors
    /// Names the column that is missing or ambiguous, and the nearest.
    pub(crate) fn new(layout: &Layout, columns: &[String]) -> Result<Bound, LayoutError> {
        let header = Header::new(columns);
        let fields: &Expressions<String> = &layout.fields;
        let LayoutNames { columns: place, filter, .. } = &layout.places;
        let named = &mut |name: &String| header.column(place, name);
        let required = |name: &str| header.column("input", name);
        let filtered = |condition: &Condition<String>| {
            let column = header.column(filter, &condition.column)?;
            Ok(condition.with_column(column))
        };
        let conditions = layout.filter.iter().flat_map(|filter| &filter.conditions);
        Ok(Bound {
            symbol: match &fields.symbol {
                Some(text) => text.map(named)?,
                None => Text::Column(required("symbol")?),
            },
            ts_event: match &fields.ts_event {
                Some(moment) => moment.map(named)?,
                None => Moment::Auto(required("ts_event")?),
            },
            price: match &fields.price {
                Some(number) => number.map(named)?,
                None => Number::Column(required("price")?),
            },
            size: match &fields.size {
                Some(number) => number.map(named)?,
                None => Number::Column(required("size")?),
            },
            trade_id: header.optional(place, &fields.trade_id, "trade_id")?,
            side: header.optional(place, &fields.side, "side")?,
            venue: header.optional(place, &fields.venue, "venue")?,
            trans_type: header.optional(place, &fields.trans_type, "trans_type")?,
            conditions: conditions_of(layout, &header)?,
            filter: conditions.map(filtered).collect::<Result<_, LayoutError>>()?,
        })
    }

    /// The columns that are read, by rising number.
    pub(crate) fn needed(&self) -> Vec<usize> {
        let mut needed = Vec::new();
        self.map(&mut |&column: &usize| {
            needed.push(column);
            column
        });
        needed.sort_unstable();
        needed.dedup();
        needed
    }

    /// With other numbers for the columns, as when a reader hands out only those that are needed.
    pub(crate) fn map(&self, of: &mut impl FnMut(&usize) -> usize) -> Bound {
        let wrapped = &mut |column: &usize| Ok::<usize, std::convert::Infallible>(of(column));
        let mapped = self.try_map(wrapped);
        match mapped {
            Ok(bound) => bound,
        }
    }

    fn try_map<E>(&self, of: &mut impl FnMut(&usize) -> Result<usize, E>) -> Result<Bound, E> {
        let mut filter = Vec::with_capacity(self.filter.len());
        for condition in &self.filter {
            filter.push(condition.with_column(of(&condition.column)?));
        }
        Ok(Bound {
            symbol: self.symbol.map(of)?,
            ts_event: self.ts_event.map(of)?,
            price: self.price.map(of)?,
            size: self.size.map(of)?,
            trade_id: self.trade_id.as_ref().map(|text| text.map(of)).transpose()?,
            side: self.side.as_ref().map(|text| text.map(of)).transpose()?,
            venue: self.venue.as_ref().map(|text| text.map(of)).transpose()?,
            trans_type: self.trans_type.as_ref().map(|text| text.map(of)).transpose()?,
            conditions: match &self.conditions {
                Some((tape, text)) => Some((*tape, text.map(of)?)),
                None => None,
            },
            filter,
        })
    }

    /// The column of the conditions, the only one that may hold lists.
    pub(crate) fn listed(&self) -> Option<usize> {
        self.conditions.as_ref().and_then(|(_, text)| text.column())
    }

    /// Whether a cancel must have what stands in a column: a symbol, a venue, an id, and that it is one.
    pub(crate) fn names_a_trade(&self, column: usize) -> bool {
        let optional = [&self.venue, &self.trade_id, &self.trans_type].into_iter().flatten();
        let mut texts = optional.chain([&self.symbol]);
        texts.any(|text| text.column() == Some(column))
    }
}

/// Files without conditions cannot be read by the rules of a tape: they would silently count for everything.
fn conditions_of(
    layout: &Layout,
    header: &Header<'_>,
) -> Result<Option<(Tape, Text<usize>)>, LayoutError> {
    let Some(tape) = layout.tape else { return Ok(None) };
    let text = header.optional(&layout.places.columns, &layout.fields.conditions, CONDITIONS)?;
    match text {
        Some(text) => Ok(Some((tape, text))),
        None if layout.open => Ok(None),
        None => header.column(&layout.places.tape, CONDITIONS).map(|_| None),
    }
}

/// The columns of a file by name.
struct Header<'a> {
    columns: &'a [String],
    /// The number of each name, and whether there are several.
    by_name: HashMap<&'a str, (usize, bool)>,
}

impl<'a> Header<'a> {
    fn new(columns: &'a [String]) -> Self {
        let mut by_name = HashMap::new();
        for (at, name) in columns.iter().enumerate() {
            by_name.entry(name.as_str()).and_modify(|seen: &mut (usize, bool)| seen.1 = true);
            by_name.entry(name.as_str()).or_insert((at, false));
        }
        Header { columns, by_name }
    }

    /// The number of the column that `place` names.
    fn column(&self, place: &str, name: &str) -> Result<usize, LayoutError> {
        match self.by_name.get(name) {
            Some(&(at, false)) => Ok(at),
            Some(_) => Err(LayoutError::Twice(name.to_owned())),
            None => Err(LayoutError::Unknown {
                place: place.to_owned(),
                given: name.to_owned(),
                nearest: nearest_of(name, self.columns.iter().map(String::as_str)),
                columns: self.listed(),
            }),
        }
    }

    fn optional(
        &self,
        place: &str,
        mapped: &Option<Text<String>>,
        name: &str,
    ) -> Result<Option<Text<usize>>, LayoutError> {
        match mapped {
            Some(text) => text.map(&mut |name: &String| self.column(place, name)).map(Some),
            None if self.by_name.contains_key(name) => {
                Ok(Some(Text::Column(self.column("input", name)?)))
            }
            None => Ok(None),
        }
    }

    fn listed(&self) -> String {
        let shown: Vec<&str> =
            self.columns.iter().take(LISTED_MAX).map(|name| name.as_str()).collect();
        let more = self.columns.len().saturating_sub(LISTED_MAX);
        let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{tail}", shown.join(", "))
    }
}

/// The name that takes fewest single-character changes to become `given`, if it is near at all.
pub(super) fn nearest_of<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let lower = given.to_lowercase();
    names
        .map(|name| (distance(&lower, &name.to_lowercase()), name))
        .min_by_key(|&(distance, _)| distance)
        .filter(|&(distance, _)| distance <= given.chars().count().div_ceil(2))
        .map(|(_, name)| name.to_owned())
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::super::LayoutOptions;
    use super::*;

    fn bind(columns: &str, header: &[&str]) -> Result<Bound, LayoutError> {
        let columns = (!columns.is_empty()).then(|| columns.to_owned());
        let options = LayoutOptions { columns, ..LayoutOptions::default() };
        let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
        Bound::new(&Layout::new(&options)?, &header)
    }

    #[test]
    fn names_are_found_or_the_nearest_is_named() {
        let bound = bind("", &["size", "price", "ts_event", "symbol", "side"]).unwrap();
        assert_eq!(bound.needed(), [0, 1, 2, 3, 4]);
        assert!(bound.side.is_some() && bound.venue.is_none());
        let error = bind("price=prize", &["price", "size", "symbol", "ts_event"]).unwrap_err();
        let text = "--columns: no column \"prize\", nearest is \"price\"; \
                    the file has price, size, symbol, ts_event";
        assert_eq!(error.to_string(), text);
        let error = bind("", &["symbol", "ts_event", "price"]).unwrap_err();
        assert!(error.to_string().starts_with("input: no column \"size\""));
        let error = bind("", &["symbol", "ts_event", "price", "size", "price"]).unwrap_err();
        assert_eq!(error, LayoutError::Twice("price".to_owned()));
    }

    #[test]
    fn whatever_was_given_is_told_on_one_line() {
        let options =
            LayoutOptions { columns: Some("pri\nce=\u{1b}[2J".into()), ..Default::default() };
        let error = Layout::new(&options).expect_err("no such field").to_string();
        assert!(!error.contains(char::is_control), "{error:?}");
        let error = bind("price='1', symbol=a\tb, size=c\td", &["x\ny"]).expect_err("no column");
        assert!(!error.to_string().contains(char::is_control), "{error}");
        let error = LayoutError::Twice("a\nb".to_owned()).to_string();
        assert_eq!(error, "column \"a\\nb\" is named more than once in the header");
    }
}
