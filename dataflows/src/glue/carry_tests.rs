//! How long a close is carried on.

use super::*;
use crate::glue::Clockwork;
use crate::tick::PartialRow;
use market::{EpochLength, Offset, Price, Size, Symbols};
use operators::bar::Partial;

#[test]
fn a_close_is_carried_on_for_a_week_whatever_others_trade() {
    const HOUR: i64 = 3_600;
    let symbols = Symbols::default();
    let [quiet, busy] = [b"A", b"B"].map(|text| symbols.intern(text).unwrap());
    let clock = Clockwork { epoch: EpochLength::SECOND, horizon_ns: Time::SECOND };
    let mut book = BarBook::new("1h".parse().unwrap(), clock, Empty::Carry);
    let mut bars = 0;
    for hour in 0..24 * 9 {
        let start = Time::from_ns(hour * HOUR * Time::SECOND);
        let until = Time::from_ns((hour + 1) * HOUR * Time::SECOND);
        let epoch = (hour + 1) * HOUR - 1;
        book.reach(&Reach { at: epoch, base: 0, until });
        for symbol in [quiet, busy].into_iter().filter(|symbol| *symbol == busy || hour == 0) {
            let mut partial = Partial::new(start);
            partial.add(start, Offset::from_raw(0), Price::from_raw(1), Size::from_raw(1));
            book.apply(&PartialRow { epoch, symbol, partition: 0, base: 0, partial });
        }
        book.settle(epoch, |key, _| bars += usize::from(key.symbol == quiet));
    }
    assert_eq!(bars, 24 * 7);
}
