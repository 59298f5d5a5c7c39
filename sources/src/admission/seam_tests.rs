//! The law of the seam: a log cut in two anywhere, the second part beginning some records earlier, admits what the whole
//! log admits, record by record and in the same epochs.

use super::laws::{Event, T0, batch, config, events};
use crate::*;
use market::*;
use proptest::prelude::*;
use std::sync::Arc;

/// Every trade has an id of some kind, and nothing jumps or stands out: what history left undecided or refused by what
/// came before it, its second reading would judge anew.
fn calm(mut events: Vec<Event>) -> Vec<Event> {
    for (number, event) in events.iter_mut().enumerate() {
        match event {
            Event::Trade { id, .. } if *id == TradeId::NONE => {
                *id = TradeId::from_number(1_000_000 + number as u64);
            }
            _ => {}
        }
        // The first record may be of any year, and all after it would be jumps.
        if let Event::Trade { ts, .. } | Event::Beat(ts) = event
            && ts.abs_diff(T0) > 365 * Time::DAY.unsigned_abs()
        {
            *event = Event::Broken;
        }
    }
    events
}

fn rule() -> AdmissionConfig {
    let outliers = OutlierRule::new(OutlierMode::Off, 12.0, 2).unwrap();
    AdmissionConfig { max_jump_ns: 366 * Time::DAY, outliers, ..config() }
}

/// What is admitted of `events`, the first of which has the number `first`; and what was left out.
fn admitted(
    admission: &mut Admission,
    events: &[Event],
    first: usize,
    symbols: &Symbols,
) -> (Vec<(u64, Epoch)>, u64) {
    let mut found = Vec::new();
    for (number, part) in events.chunks(7).enumerate() {
        let mut decoded = batch(part, first + 7 * number, symbols, true);
        let part = admission.admit(&mut decoded);
        for run in &part.runs {
            let rows = run.rows.clone().map(|row| decoded.trades.offset[row as usize].row());
            found.extend(rows.map(|row| (row, run.epoch)));
        }
    }
    (found, admission.counts().left_out)
}

proptest! {
    #[test]
    fn a_log_in_two_parts_is_one_log(events in events(), place in 0.0..1.0f64, back in 0usize..90) {
        let (events, symbols, length) = (calm(events), Symbols::default(), EpochLength::SECOND);
        let of = |config| Admission::new(config, length, symbols.clone(), 0);
        let (one, _) = admitted(&mut of(rule()), &events, 0, &symbols);
        let cut = (events.len() as f64 * place) as usize;
        let mut before = of(AdmissionConfig { place: Place::Ahead, ..rule() });
        let (mut both, _) = admitted(&mut before, &events[..cut], 0, &symbols);
        before.finish(&mut Decoded::default());
        let bytes = before.snapshot();
        prop_assert!(Admission::has_ended_in(&bytes));
        // Another process, with ids of its own.
        let others = Symbols::default();
        others.intern(b"DD").unwrap();
        let seam = Arc::new(Seam::read(rule(), length, &others, &bytes).unwrap());
        let place = Place::Behind;
        let mut behind = Admission::new(AdmissionConfig { place, ..rule() }, length, others.clone(), 1);
        behind.follow(&seam);
        prop_assert_eq!(behind.epoch(), before.epoch());
        let from = cut - back.min(cut);
        let middle = cut + (events.len() - cut) / 2;
        // What history refused is judged anew where it comes again, and by then an id may have left the horizon.
        let used = |number: usize| one.iter().any(|(row, _)| *row == number as u64);
        let again: Vec<Event> = (from..middle)
            .map(|number| match number < cut && !used(number) {
                true => Event::Broken,
                false => events[number].clone(),
            })
            .collect();
        both.extend(admitted(&mut behind, &again, from, &others).0);
        // It goes on in another life.
        let saved = behind.snapshot();
        let left_out = behind.counts().left_out;
        let mut behind = Admission::restore(
            AdmissionConfig { place, ..rule() }, length, others.clone(), 1, &saved,
        ).unwrap();
        behind.follow(&seam);
        let (rest, counted) = admitted(&mut behind, &events[middle..], middle, &others);
        both.extend(rest);
        prop_assert_eq!(one, both);
        prop_assert!(left_out <= counted);
        let counts = behind.counts();
        prop_assert_eq!(counts.read, counts.used + counts.refused_total());
    }

    #[test]
    fn ids_that_none_can_ask_for_go(events in events(), ahead in 0i64..30) {
        let (events, symbols, length) = (calm(events), Symbols::default(), EpochLength::SECOND);
        let mut before = Admission::new(
            AdmissionConfig { place: Place::Ahead, ..rule() }, length, symbols.clone(), 0,
        );
        admitted(&mut before, &events, 0, &symbols);
        before.finish(&mut Decoded::default());
        let whole = before.snapshot();
        let Some(watermark) = before.watermark() else { return Ok(()) };
        before.pass(Time::from_ns(watermark.ns() + ahead * Time::SECOND));
        let bytes = before.snapshot();
        prop_assert!(bytes.len() <= whole.len());
        prop_assert!(Seam::read(rule(), length, &symbols, &bytes).is_ok());
        before.pass(Time::from_ns(watermark.ns() + 100 * Time::DAY));
        prop_assert!(before.snapshot().len() <= bytes.len());
    }
}
