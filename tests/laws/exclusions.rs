//! Exclusions: the tables end as if the trades that they name had never come, as far as the horizon reaches.

use super::log::{Feeding, HORIZON, Log, START, run};
use super::{same, tame};
use market::{Reason, Time};
use proptest::prelude::*;
use sources::Exclusion;
use std::sync::Arc;

const LATENESS: i64 = 2 * Time::SECOND;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_excluded_never_was(
        log in tame(),
        at in 0usize..300,
        symbol in 0usize..7,
        span in (-60i64..120, 1i64..200),
        cuts in prop::collection::vec(1usize..80, 1..4),
        by_id: bool,
        carry: bool,
    ) {
        prop_assume!(!log.0.is_empty());
        let at = at % log.0.len();
        let from = START + span.0 * Time::SECOND;
        let to = from + span.1 * Time::SECOND;
        let ids: Vec<String> = (0..60).map(|id: u64| (id * 3).to_string()).collect();
        let given = format!("symbol = 'S{symbol}' and ts_event >= {from} and ts_event < {to}");
        let ids = if by_id { &ids[..] } else { &[] };
        let exclusion = Exclusion::parse("a", &given, ids, "a bad feed").expect("conditions");
        // What lies before the horizon when it begins stays.
        let head = log.0[..at].iter().map(|record| record.ts).max();
        let floor = head.map_or(i64::MIN, |head| head - LATENESS - HORIZON);
        let is_named = |record: &super::log::Record| {
            record.symbol == symbol
                && (from..to).contains(&record.ts)
                && (!by_id || record.id.is_some_and(|id| id % 3 == 0 && id < 180))
        };
        let mut clean = Log::default();
        let (mut before, mut behind) = (0, 0);
        for (number, record) in log.0.iter().enumerate() {
            match is_named(record) && (number >= at || record.ts >= floor) {
                true if number < at => before += 1,
                true => behind += 1,
                false => clean.0.push(record.clone()),
            }
        }
        let exclusion = Some((at, Arc::new(exclusion)));
        let made = run(&[log], 2, carry, &Feeding { exclusion, cuts, ..Feeding::default() });
        let counts = &made.outcome.counts;
        prop_assert_eq!((counts.excluded, counts.refused[Reason::Excluded as usize]), (before, behind));
        prop_assert_eq!(counts.read, counts.used + counts.refused_total());
        if !carry {
            let clean = run(&[clean], 1, carry, &Feeding::default());
            same(&clean.final_values(), &made.final_values())?;
        }
    }
}
