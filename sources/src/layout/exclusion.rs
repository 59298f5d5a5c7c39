//! Exclusions: trades that are taken out of the log from outside, by what they are.
//!
//! `symbol='NVDA' and ts_event>='2024-01-02T14:30:00Z' and ts_event<1704205900000000000 and venue in ('XNAS', 'ARCX')`:
//! conditions joined by `and` on `symbol`, `venue`, `trade_id` (`=` or `in`) and `ts_event` (`=`, `<`, `<=`, `>`, `>=`;
//! nanoseconds, or RFC 3339 in quotes). A list of ids may come beside.

use super::LayoutError;
use super::filter::{Literal, Operator, parse};
use market::{Time, TradeId};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Ids that an exclusion may list.
pub const EXCLUDED_IDS_MAX: usize = 100_000;

/// Which trades are taken out, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclusion {
    /// Names it among others.
    pub id: String,
    /// As it was given.
    pub given: String,
    /// In words.
    pub reason: String,
    /// Of these symbols; of all where none is named.
    pub symbols: Option<BTreeSet<String>>,
    /// Of these venues; of all, and of none, where none is named.
    pub venues: Option<BTreeSet<String>>,
    /// With these ids; with any, or none, where none is named.
    pub ids: Option<BTreeSet<TradeId>>,
    /// Not earlier than this.
    pub from: Time,
    /// Earlier than this.
    pub to: Time,
}

/// What an exclusion cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExclusionError {
    /// The text does not parse.
    #[error(transparent)]
    Syntax(#[from] LayoutError),
    /// A condition says what none can.
    #[error("--where = \"{given}\": {wanted}")]
    Condition {
        /// The whole text.
        given: String,
        /// What was wanted.
        wanted: String,
    },
    /// More ids than may be.
    #[error("--ids: {0} ids, at most {EXCLUDED_IDS_MAX}")]
    Ids(usize),
    /// No record of an exclusion.
    #[error("{0}: this is no exclusion")]
    Record(String),
}

impl Exclusion {
    /// Reads conditions, and the ids that stand beside them.
    ///
    /// # Errors
    /// Says what was given and what was wanted.
    pub fn parse(
        id: &str,
        given: &str,
        ids: &[String],
        reason: &str,
    ) -> Result<Self, ExclusionError> {
        let (from, to) = (Time::from_ns(i64::MIN), Time::from_ns(i64::MAX));
        let texts = [id, given, reason].map(str::to_owned);
        let [id, given, reason] = texts;
        let mut made = Exclusion { id, given, reason, from, to, ..Exclusion::default() };
        if ids.len() > EXCLUDED_IDS_MAX {
            return Err(ExclusionError::Ids(ids.len()));
        }
        for condition in parse("--where", &made.given.clone())?.conditions {
            let (operator, literals) = (condition.operator, &condition.literals);
            match condition.column.as_str() {
                "symbol" => made.symbols = Some(made.texts(operator, literals)?),
                "venue" => made.venues = Some(made.texts(operator, literals)?),
                "trade_id" => {
                    let texts = made.texts(operator, literals)?;
                    let ids = texts.iter().map(|text| TradeId::from_text(text.as_bytes()));
                    made.ids = Some(ids.collect());
                }
                "ts_event" => made.bound(operator, literals)?,
                other => {
                    let wanted = format!("{other}: wanted symbol, venue, trade_id or ts_event");
                    return Err(made.wrong(wanted));
                }
            }
        }
        if !ids.is_empty() {
            let listed = ids.iter().map(|id| TradeId::from_text(id.as_bytes()));
            made.ids.get_or_insert_default().extend(listed);
        }
        match made.from < made.to {
            true => Ok(made),
            false => Err(made.wrong("ts_event: no time is in both bounds".to_owned())),
        }
    }

    fn wrong(&self, wanted: String) -> ExclusionError {
        ExclusionError::Condition { given: self.given.clone(), wanted }
    }

    fn texts(
        &self,
        operator: Operator,
        literals: &[Literal],
    ) -> Result<BTreeSet<String>, ExclusionError> {
        if !matches!(operator, Operator::Equal | Operator::In) {
            return Err(self.wrong("symbol, venue and trade_id: wanted = or in (...)".to_owned()));
        }
        let text = |literal: &Literal| match literal {
            Literal::Text(text) => text.clone(),
            Literal::Number(number) => (number / UNIT).to_string(),
        };
        Ok(literals.iter().map(text).collect())
    }

    fn bound(&mut self, operator: Operator, literals: &[Literal]) -> Result<(), ExclusionError> {
        let wanted = || "ts_event: wanted nanoseconds, or RFC 3339 in quotes".to_owned();
        let ns = match literals {
            [Literal::Number(number)] => i64::try_from(number / UNIT).ok(),
            [Literal::Text(text)] => Time::parse(text).ok().map(Time::ns),
            _ => None,
        };
        let ns = ns.ok_or_else(|| self.wrong(wanted()))?;
        let (at, after) = (Time::from_ns(ns), Time::from_ns(ns.saturating_add(1)));
        let (from, to) = match operator {
            Operator::Equal => (at, after),
            Operator::AboveOrEqual => (at, self.to),
            Operator::Above => (after, self.to),
            Operator::Below => (self.from, at),
            Operator::BelowOrEqual => (self.from, after),
            _ => return Err(self.wrong("ts_event: wanted =, <, <=, > or >=".to_owned())),
        };
        (self.from, self.to) = (self.from.max(from), self.to.min(to));
        Ok(())
    }

    /// The record that keeps it.
    pub fn record(&self) -> Value {
        let Exclusion { id, given, reason, .. } = self;
        let ids = self.ids.iter().flatten().map(TradeId::to_string);
        let ids: Vec<String> = ids.collect();
        json!({"exclude": {"id": id, "where": given, "ids": ids, "reason": reason}})
    }

    /// Reads what [`Exclusion::record`] wrote; nothing of another kind of record.
    ///
    /// # Errors
    /// Refuses a record of that kind that is none.
    pub fn of_record(record: &Value) -> Result<Option<Self>, ExclusionError> {
        let Some(fields) = record.get("exclude") else { return Ok(None) };
        let wrong = || ExclusionError::Record(record.to_string());
        let text = |key: &str| fields[key].as_str().ok_or_else(wrong);
        let ids = fields["ids"].as_array().ok_or_else(wrong)?;
        let ids: Option<Vec<String>> = ids.iter().map(|id| Some(id.as_str()?.to_owned())).collect();
        let ids = ids.ok_or_else(wrong)?;
        Exclusion::parse(text("id")?, text("where")?, &ids, text("reason")?).map(Some)
    }
}

/// Of numbers in conditions.
const UNIT: i128 = 1_000_000_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(given: &str) -> Result<Exclusion, String> {
        Exclusion::parse("a", given, &[], "why").map_err(|error| error.to_string())
    }

    #[test]
    fn conditions_say_which_trades() {
        let made = parsed(
            "symbol='NVDA' and ts_event>='2024-01-02T14:30:00Z' and ts_event < 1704205900000000000 and venue in ('A', 'B')",
        );
        let made = made.unwrap();
        assert_eq!(made.from, Time::parse("2024-01-02T14:30:00Z").unwrap());
        assert_eq!(made.to, Time::from_ns(1_704_205_900_000_000_000));
        assert_eq!(made.symbols, Some(["NVDA".to_owned()].into()));
        assert_eq!(made.venues.as_ref().map(BTreeSet::len), Some(2));
        let by_id = parsed("symbol = 'A' and trade_id in (5, 'x')").unwrap();
        let ids = [TradeId::from_number(5), TradeId::from_text(b"x")];
        assert_eq!(by_id.ids, Some(ids.into()));
        assert_eq!(Exclusion::of_record(&by_id.record()), Ok(Some(by_id)));
        let again = Exclusion::of_record(&made.record()).unwrap();
        assert_eq!(again, Some(made));
        assert_eq!(Exclusion::of_record(&json!({"idle": {}})), Ok(None));
    }

    #[test]
    fn what_cannot_be_is_named() {
        assert!(parsed("price > 5").unwrap_err().contains("wanted symbol, venue, trade_id"));
        assert!(parsed("symbol > 'A'").unwrap_err().contains("= or in"));
        assert!(parsed("ts_event > 'soon'").unwrap_err().contains("RFC 3339"));
        assert!(parsed("ts_event > 5 and ts_event < 5").unwrap_err().contains("both bounds"));
        assert!(parsed("").is_err() && parsed("symbol='A' or venue='B'").is_err());
        assert!(Exclusion::of_record(&json!({"exclude": {"id": 1}})).is_err());
        let many = vec![String::new(); EXCLUDED_IDS_MAX + 1];
        assert!(Exclusion::parse("a", "symbol='A'", &many, "why").is_err());
    }
}
