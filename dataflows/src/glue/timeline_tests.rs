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

/// A kernel with an endless memory: every output depends on every input before it.
#[derive(Clone, Default)]
struct Chain(u64);

impl Kernel for Chain {
    type Input = Input;
    type Output = [f64];

    fn update(&mut self, input: &Input, output: &mut [f64]) {
        self.0 = (self.0.rotate_left(7) ^ input.1 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        output[0] = (self.0 >> 12) as f64;
    }

    fn snapshot(&self, to: &mut Snapshot) {
        to.u64(self.0);
    }

    fn restore(&mut self, from: &mut Restore<'_>) {
        self.0 = from.u64();
    }
}

fn clean(inputs: &BTreeMap<i64, i64>) -> Vec<(i64, f64)> {
    let mut chain = Chain::default();
    let mut output = [0.0];
    let step = |(&at, &value): (&i64, &i64)| {
        chain.update(&Input(at, value), &mut output);
        (at, output[0])
    };
    inputs.iter().map(step).collect()
}

proptest! {
    #[test]
    fn any_order_of_changes_ends_as_the_clean_run(
        changes in prop::collection::vec(
            (0usize..3, prop::collection::btree_map(0i64..60, any::<i64>(), 1..4)), 1..150,
        ),
        horizon in 1i64..40,
        leap in 1i64..30,
    ) {
        let output: Box<[f64]> = vec![0.0].into_boxed_slice();
        let mut timelines = Timelines::new("1s".parse().expect("a width"), output.clone());
        let mut restored = Timelines::new("1s".parse().expect("a width"), output);
        let mut inputs = vec![BTreeMap::new(); 3];
        let mut said: Vec<BTreeMap<i64, (f64, u32)>> = vec![BTreeMap::new(); 3];
        (0..3).for_each(|_| timelines.add(Chain::default()));
        let mut head = 0;
        for (key, steps) in changes {
            // Times wander ahead by leaps and fall back by less than the horizon.
            let seconds = |step: i64| (head - horizon + 1 + step % (horizon + leap)).max(0);
            let changes: BTreeMap<i64, i64> =
                steps.into_iter().map(|(step, value)| (seconds(step), value)).collect();
            head = head.max(*changes.keys().last().expect("a change"));
            inputs[key].extend(&changes);
            let batch: Vec<Input> = changes.iter().map(|(&at, &v)| Input(at * SECOND, v)).collect();
            timelines.apply(key, batch.iter(), |entry| {
                if !entry.changed {
                    return;
                }
                let new = (entry.output[0], entry.revision);
                let old = said[key].insert(entry.at.ns() / SECOND, new);
                let expected = old.map_or(0, |(_, revision)| revision + 1);
                assert_eq!(entry.revision, expected);
                assert!(old.is_none_or(|(output, _)| output.to_bits() != new.0.to_bits()));
            });
            timelines.forget(Time::from_ns((head - horizon + 1) * SECOND));
            let outputs: Vec<(i64, f64)> = said[key].iter().map(|(at, said)| (*at, said.0)).collect();
            prop_assert_eq!(outputs, clean(&inputs[key]));
            prop_assert!(timelines.entries.columns() as i64 <= horizon + COPY_EVERY + 1);
            // A key that is saved and loaded goes on as it would have.
            let mut state = Snapshot::default();
            timelines.save(key, &mut state);
            restored.add(Chain::default());
            let mut from = state.reader();
            restored.load(restored.len() - 1, &mut from);
            prop_assert!(from.rest().is_empty());
            let mut again = Snapshot::default();
            restored.save(restored.len() - 1, &mut again);
            prop_assert_eq!(again.words(), state.words());
        }
    }
}
