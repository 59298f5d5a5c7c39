//! Everything reaches the worker it is for, in order, however much comes at once.

use super::*;
use crate::tick::{PartialRow, Reach};
use market::{Offset, Price, Size, Time};
use operators::bar::Partial;

/// What a worker is sent.
#[derive(Default)]
struct Sent(Vec<Partials>);

impl Push<Message<u64, Partials>> for Sent {
    fn push(&mut self, message: &mut Option<Message<u64, Partials>>) {
        self.0.extend(message.take().map(|message| message.data));
    }
}

#[test]
fn a_row_goes_to_the_worker_of_its_symbols_group() {
    const PEERS: usize = 3;
    let symbols = Symbols::default();
    let ids: Vec<_> =
        (0..40).map(|number| symbols.intern(format!("S{number}").as_bytes()).unwrap()).collect();
    let row = |number: usize| {
        let mut partial = Partial::new(Time::from_ns(0));
        let size = Size::from_raw(number as i64 + 1);
        partial.add(Time::from_ns(0), Offset::from_raw(0), Price::from_raw(1), size);
        let symbol = ids[number % ids.len()];
        PartialRow { epoch: number as i64, symbol, partition: 0, base: 0, partial }
    };
    // More than one message for each.
    let rows: Vec<_> = (0..PEERS * (2 * ROWS_MAX + 1_000)).map(row).collect();
    let reach = |base| Reach { at: 0, base, until: Time::from_ns(0) };
    let reaches: Vec<_> = (0..PEERS as u32).map(|to| (to, reach(to + 7))).collect();
    let names = Names::Here(symbols.clone());
    let mut all =
        Partials { rows: rows.clone(), reaches: reaches.clone(), names, ..Partials::default() };

    let mut route = Route::new(symbols.clone(), PEERS);
    let mut sent = [(); PEERS].map(|()| Sent::default());
    route.partition(&mut all, &0, &mut sent);
    route.flush(&0, &mut sent);
    for (worker, Sent(messages)) in sent.into_iter().enumerate() {
        assert!(messages.iter().all(|message| message.rows.len() <= ROWS_MAX));
        assert!(messages.iter().all(|message| matches!(message.names, Names::Here(_))));
        let is_its = |row: &&PartialRow| usize::from(symbols.group(row.symbol)) % PEERS == worker;
        let expected: Vec<_> = rows.iter().filter(is_its).copied().collect();
        assert!(expected.len() > ROWS_MAX, "{} rows for worker {worker}", expected.len());
        let got: Vec<_> = messages.iter().flat_map(|message| &message.rows).copied().collect();
        assert!(got == expected, "worker {worker}: {} rows", got.len());
        let got: Vec<_> = messages.iter().flat_map(|message| &message.reaches).copied().collect();
        assert_eq!(got, [reaches[worker]]);
    }
}
