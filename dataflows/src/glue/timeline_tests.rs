//! Laws of the timeline: any order of changes ends as the clean run, and says only what changed.

use super::*;
use operators::{Restore, Snapshot};
use proptest::prelude::*;
use std::collections::BTreeMap;

const SECOND: i64 = Time::SECOND;

#[derive(Clone, Debug, PartialEq)]
struct Input(i64, i64);

impl At for Input {
    fn at(&self) -> Time {
        Time::from_ns(self.0)
    }
}

impl Words for Input {
    fn save(&self, to: &mut Snapshot) {
        to.i64(self.0);
        to.i64(self.1);
    }

    fn load(from: &mut Restore<'_>) -> Self {
        Input(from.i64(), from.i64())
    }
}

/// A kernel with an endless memory: every output depends on every input before it. Its state has so many words
/// more that say nothing.
#[derive(Clone, Default)]
struct Chain {
    state: u64,
    ballast: usize,
}

impl Kernel for Chain {
    type Input = Input;
    type Output = [f64];

    fn update(&mut self, input: &Input, output: &mut [f64]) {
        self.state =
            (self.state.rotate_left(7) ^ input.1 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        output[0] = (self.state >> 12) as f64;
    }

    fn snapshot(&self, to: &mut Snapshot) {
        to.u64(self.state);
        (0..self.ballast).for_each(|_| to.u64(0));
    }

    fn restore(&mut self, from: &mut Restore<'_>) {
        self.state = from.u64();
        from.skip(self.ballast);
    }
}

type Chains = Timelines<Chain, Box<[f64]>>;

const KEYS: usize = 3;

fn chains(ballast: usize) -> Chains {
    let output: Box<[f64]> = vec![0.0].into_boxed_slice();
    let mut chains = Timelines::new("1s".parse().expect("a width"), output);
    (0..KEYS).for_each(|_| chains.add(Chain { state: 0, ballast }));
    chains
}

/// Inputs by second, those that are there.
type Inputs = BTreeMap<i64, i64>;

fn clean(inputs: &Inputs) -> Vec<(i64, f64)> {
    let mut chain = Chain::default();
    let mut output = [0.0];
    let step = |(&at, &value): (&i64, &i64)| {
        chain.update(&Input(at, value), &mut output);
        (at, output[0])
    };
    inputs.iter().map(step).collect()
}

/// What was handed out of a key, by second: how often, and what is there.
#[derive(Default)]
struct Said(BTreeMap<i64, (u32, Option<f64>)>);

impl Said {
    /// Takes in what is said next: it differs from what was said before, and counts on.
    fn take(&mut self, said: &Settled<'_, Box<[f64]>>) {
        let Some((change, revision)) = said.change else { return };
        let now = (change != Change::Removed).then_some(said.output[0]);
        let (times, before) = self.0.entry(said.at.ns() / SECOND).or_default();
        assert_eq!(revision, *times);
        let expected = match (*before, now) {
            (None, Some(_)) => Some(Change::Added),
            (Some(_), None) => Some(Change::Removed),
            (Some(before), Some(now)) if before != now => Some(Change::Revised),
            _ => None,
        };
        assert_eq!(Some(change), expected, "at {:?}", said.at);
        (*times, *before) = (*times + 1, now);
    }

    fn there(&self) -> Vec<(i64, f64)> {
        self.0.iter().filter_map(|(at, (_, there))| Some((*at, (*there)?))).collect()
    }
}

/// Applies changes by second, and what comes of them to `said`.
fn apply(chains: &mut Chains, key: usize, changes: &BTreeMap<i64, Option<i64>>, said: &mut Said) {
    let input = |(at, value): (&i64, &Option<i64>)| (*at, value.map(|v| Input(at * SECOND, v)));
    let inputs: Vec<(i64, Option<Input>)> = changes.iter().map(input).collect();
    let upserts = inputs.iter().map(|(at, input)| match input {
        Some(input) => Upsert::Put(input),
        None => Upsert::Remove(Time::from_ns(at * SECOND)),
    });
    let mut last = NEVER;
    chains.apply(key, upserts, |step| match step {
        Step::Rewound(at, _) => assert!(at > last),
        Step::Settled(entry) => {
            assert!(entry.at > last);
            last = entry.at;
            said.take(&entry);
        }
    });
}

/// What a key is written as.
fn saved(chains: &mut Chains, key: usize) -> Snapshot {
    let mut state = Snapshot::default();
    chains.save(key, &mut state);
    state
}

/// The same in new instances: every word is read back, and written again as it was.
fn cut(chains: &mut Chains, ballast: usize) -> Chains {
    let mut new = self::chains(ballast);
    for key in 0..KEYS {
        let state = saved(chains, key);
        let mut from = state.reader();
        new.load(key, &mut from);
        assert!(from.rest().is_empty());
        assert_eq!(saved(&mut new, key).words(), state.words());
    }
    new
}

/// A change: which key, what of its inputs, and whether all is cut behind it.
type Turn = (usize, BTreeMap<i64, Option<i64>>, bool);

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let change = prop_oneof![3 => any::<i64>().prop_map(Some), 2 => Just(None)];
    let changes = prop::collection::btree_map(0i64..60, change, 1..5);
    prop::collection::vec((0..KEYS, changes, prop::bool::weighted(0.1)), 1..150)
}

proptest! {
    #[test]
    fn any_order_of_changes_ends_as_the_clean_run(
        turns in turns(),
        horizon in 1i64..40,
        leap in 1i64..30,
        ballast in prop::sample::select(vec![0, 20, 60, 1_000]),
    ) {
        let mut chains = chains(ballast);
        let mut inputs = vec![Inputs::new(); KEYS];
        let mut said: Vec<Said> = (0..KEYS).map(|_| Said::default()).collect();
        let mut head = 0;
        for (key, steps, is_cut) in turns {
            // Times wander ahead by leaps and fall back by less than the horizon.
            let seconds = |step: i64| (head - horizon + 1 + step % (horizon + leap)).max(0);
            let changes: BTreeMap<i64, Option<i64>> =
                steps.into_iter().map(|(step, value)| (seconds(step), value)).collect();
            head = head.max(*changes.keys().last().expect("a change"));
            inputs[key].extend(changes.iter().filter_map(|(at, value)| Some((*at, (*value)?))));
            inputs[key].retain(|at, _| changes.get(at) != Some(&None));
            apply(&mut chains, key, &changes, &mut said[key]);
            chains.forget(Time::from_ns((head - horizon + 1) * SECOND));
            prop_assert_eq!(said[key].there(), clean(&inputs[key]));
            prop_assert!(chains.entries.columns() as i64 <= horizon + chains.copy_every + 1);
            let new = cut(&mut chains, ballast);
            if is_cut {
                chains = new;
            }
        }
    }

    #[test]
    fn a_copy_takes_no_more_than_the_inputs_between(state in 1usize..100_000, input in 1usize..300) {
        let every = copy_every(state, input) as usize;
        prop_assert!(every.is_power_of_two() && COPY_EVERY.contains(&every));
        prop_assert!(state <= every * input || every == *COPY_EVERY.end());
        prop_assert!(state > every / 2 * input || every == *COPY_EVERY.start());
    }
}

#[test]
fn in_order_there_is_one_copy_for_so_many_inputs() {
    for (ballast, every) in [(0, 4), (20, 8), (1_000, 64)] {
        let mut chains = chains(ballast);
        assert_eq!(chains.copy_every, every);
        for at in 0..1_000 {
            let changes = BTreeMap::from([(at, Some(at))]);
            apply(&mut chains, 0, &changes, &mut Said::default());
            chains.forget(Time::from_ns((at - 200) * SECOND));
        }
        assert!(chains.copies.columns() as i64 <= (200 + every) / every + 1);
    }
}

#[test]
fn what_was_never_handed_out_is_added_when_it_changes() {
    let entry = |at: i64| Entry::Live { said: 0, input: Input(at * SECOND, at) };
    let line = Line {
        newest: Time::from_ns(2 * SECOND),
        state: vec![7],
        entries: vec![entry(1), entry(2)],
    };
    let (mut words, mut chains) = (Snapshot::default(), chains(0));
    line.save(&mut words);
    chains.load(0, &mut words.reader());
    let mut changes = Vec::new();
    for change in [
        Upsert::Remove(Time::from_ns(2 * SECOND)),
        Upsert::Put(&Input(SECOND, 5)),
        Upsert::Put(&Input(2 * SECOND, 5)),
        Upsert::Remove(Time::from_ns(SECOND)),
    ] {
        chains.apply(0, [change].into_iter(), |step| {
            if let Step::Settled(Settled { at, change: Some((change, revision)), .. }) = step {
                changes.push((at.ns() / SECOND, revision, change));
            }
        });
    }
    use Change::{Added, Removed, Revised};
    assert_eq!(changes, [(1, 0, Added), (2, 0, Added), (1, 1, Removed), (2, 1, Revised)]);
}

#[test]
fn that_an_input_can_go_takes_no_memory() {
    let input = size_of::<market::Bar>();
    assert_eq!(size_of::<Entry<market::Bar>>(), input + align_of::<market::Bar>());
}
