//! Laws of the live view: its last word on a symbol is what the log says, however it was read and taken.

use super::*;
use crate::live::{LiveView, Newest};
use market::Bar;
use std::sync::Arc;

fn widths() -> Vec<Width> {
    ["15s", "30s", "10s", "1min", "session"].map(|text| text.parse().unwrap()).to_vec()
}

/// The last value of each symbol.
type Told = BTreeMap<SymbolId, (Newest, Vec<Bar>)>;

fn take(view: &LiveView, told: &mut Told) {
    view.take(|newest, bars| {
        told.insert(newest.symbol, (*newest, bars.to_vec()));
    });
}

fn show(view: &Arc<LiveView>) -> TickPath {
    let mut path = TickPath::new(plan(), 3);
    path.show(view);
    path
}

/// What is told of `ticks`, cut at `cuts`; taken at every second of them, restored at the one numbered `restored`.
/// And where the ticks behind it begin.
fn told(
    ticks: &[(Epoch, SymbolId, Tick)],
    cuts: &[usize],
    restored: Option<usize>,
) -> (Told, usize) {
    let view = Arc::new(LiveView::new(widths()));
    let (mut path, mut all, mut out) = (show(&view), Told::new(), TickOutput::default());
    let (mut from, mut behind) = (0, 0);
    for (number, &cut) in cuts.iter().chain([&ticks.len()]).enumerate() {
        let cut = cut.clamp(from, ticks.len());
        path.fold(&batch(&ticks[from..cut]), &mut out);
        path.tell();
        if number % 2 == 0 {
            take(&view, &mut all);
        }
        from = cut;
        if restored == Some(number) {
            let mut snapshot = Snapshot::default();
            path.snapshot(&mut snapshot);
            path = show(&view);
            path.restore(&mut snapshot.reader());
            take(&view, &mut all);
            all.clear();
            behind = cut;
        }
    }
    take(&view, &mut all);
    (all, behind)
}

/// The bars that hold the newest trade of a symbol, folded from the whole log.
fn expected(ticks: &[(Epoch, SymbolId, Tick)], symbol: SymbolId) -> Vec<Bar> {
    let own = || ticks.iter().filter(|(_, of, _)| *of == symbol).map(|(_, _, tick)| tick);
    let newest = own().map(|tick| tick.ts).max().unwrap();
    let bar = |width: &Width| {
        let open = width.open_of(newest);
        let mut partial = Partial::new(open);
        own()
            .filter(|tick| width.open_of(tick.ts) == open)
            .for_each(|tick| partial.add(tick.ts, tick.at, tick.price, tick.size));
        partial.bar()
    };
    widths().iter().map(bar).collect()
}

proptest! {
    #[test]
    fn the_last_word_is_the_newest_trade_and_the_bars_that_hold_it(
        steps in steps(), mut cuts in prop::collection::vec(0usize..300, 0..6),
    ) {
        cuts.sort_unstable();
        let ticks = admit(&steps);
        let (told, _) = told(&ticks, &cuts, None);
        let symbols: std::collections::BTreeSet<_> = ticks.iter().map(|(_, symbol, _)| *symbol).collect();
        prop_assert_eq!(told.keys().copied().collect::<std::collections::BTreeSet<_>>(), symbols);
        for (symbol, (newest, bars)) in told {
            let own = ticks.iter().filter(|(_, of, _)| *of == symbol).map(|(_, _, tick)| tick);
            let last = own.max_by_key(|tick| (tick.ts, tick.at)).unwrap();
            let Tick { ts: ts_event, at, price, size, .. } = *last;
            prop_assert_eq!(newest, Newest { symbol, ts_event, partition: 3, at, price, size });
            prop_assert_eq!(bars, expected(&ticks, symbol));
        }
    }

    #[test]
    fn a_bar_that_goes_on_from_a_checkpoint_is_whole_or_not_told(
        steps in steps(), mut cuts in prop::collection::vec(0usize..300, 1..6), number in 0usize..6,
    ) {
        cuts.sort_unstable();
        let ticks = admit(&steps);
        let (told, behind) = told(&ticks, &cuts, Some(number % cuts.len()));
        let epoch = ticks[..behind].last().map_or(Epoch::MIN, |(epoch, ..)| *epoch);
        let floor = EpochLength::SECOND.start(epoch).ns().saturating_sub(HORIZON);
        let touched: std::collections::BTreeSet<_> =
            ticks[behind..].iter().map(|(_, symbol, _)| *symbol).collect();
        prop_assert_eq!(told.keys().copied().collect::<std::collections::BTreeSet<_>>(), touched);
        for (symbol, (_, bars)) in told {
            for ((width, bar), whole) in widths().iter().zip(bars).zip(expected(&ticks, symbol)) {
                if bar.trade_count > 0 {
                    prop_assert_eq!(bar, whole);
                } else {
                    // Of what began within the horizon a checkpoint holds everything.
                    prop_assert!(whole.ts_open.ns() < floor, "{} is not told", width);
                }
            }
        }
    }
}

#[test]
fn what_was_not_taken_is_replaced() {
    let ticks = admit(&[(10, None, 0, 1), (10, None, 1, 2), (10, None, 0, 3)]);
    let view = Arc::new(LiveView::new(widths()));
    let mut path = show(&view);
    let woken = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = woken.clone();
    view.wake_by(Arc::new(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }));
    view.wait();
    for tick in &ticks {
        path.fold(&batch(std::slice::from_ref(tick)), &mut TickOutput::default());
        path.tell();
    }
    // Whoever waits is woken once.
    assert_eq!(woken.load(std::sync::atomic::Ordering::SeqCst), 1);
    let mut told = Vec::new();
    view.take(|newest, bars| {
        told.push((newest.symbol.index(), newest.price.raw(), bars[0].trade_count))
    });
    assert_eq!((told, view.replaced()), (vec![(0, 4, 2), (1, 3, 1)], 1));
    view.take(|_, _| panic!("everything was taken"));
}
