//! The law of the grid: whatever is asked of it is answered as a sorted map of all cells answers.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// More than the marks of two words.
const KEYS: usize = 150;

#[derive(Clone, Debug)]
enum Step {
    /// Writes the cell of a key, so long after what was forgotten, and marks it.
    Write(i64, usize, u32),
    /// Takes the marks away.
    Drain,
    /// Takes the marks away and forgets so much more.
    Forget(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let write = (1i64..6, 0usize..KEYS, any::<u32>());
    prop_oneof![
        12 => write.prop_map(|(at, key, value)| Step::Write(at, key, value)),
        1 => Just(Step::Drain),
        1 => (0i64..4).prop_map(Step::Forget),
    ]
}

type Cells = BTreeMap<(usize, i64), u32>;

/// Takes the marks away, which are on these cells.
fn drain(grid: &mut Grid<u32>, cells: &Cells, marks: &mut BTreeSet<(usize, i64)>) {
    let mut drained = Vec::new();
    grid.drain_touched(|key, start, cell| drained.push(((key, start.ns()), *cell)));
    let marked: Vec<_> = marks.iter().map(|place| (*place, cells[place])).collect();
    assert_eq!(drained, marked);
    marks.clear();
}

/// Everything that can be asked of a key and a time.
fn ask(grid: &mut Grid<u32>, cells: &Cells, key: usize, at: i64) {
    let time = Time::from_ns(at);
    let of = |(&(_, start), &cell): (&(usize, i64), &u32)| (Time::from_ns(start), cell);
    let before = cells.range((key, i64::MIN)..=(key, at)).next_back().map(of);
    let from = cells.range((key, at)..=(key, i64::MAX)).next().map(of);
    assert_eq!(grid.last(time, key).map(|(start, cell)| (start, *cell)), before);
    assert_eq!(grid.first(time, key).map(|(start, cell)| (start, *cell)), from);
    assert_eq!(grid.get_mut(time, key).map(|cell| *cell), cells.get(&(key, at)).copied());
    assert_eq!(grid.has(time, key), cells.contains_key(&(key, at)));
    let starts: BTreeSet<i64> = cells.keys().map(|(_, start)| *start).collect();
    assert_eq!(grid.columns(), starts.len());
    let column = starts.range(..at).count();
    let next = from.map(|(start, cell)| (starts.range(..start.ns()).count(), start, cell));
    assert_eq!(grid.next(column, key).map(|(at, start, cell)| (at, start, *cell)), next);
    let all: Vec<u32> = cells.range((key, i64::MIN)..=(key, i64::MAX)).map(|it| *it.1).collect();
    assert_eq!(grid.cells_from(Time::from_ns(i64::MIN), key).copied().collect::<Vec<_>>(), all);
}

proptest! {
    #[test]
    fn a_grid_answers_as_a_map_does(
        steps in prop::collection::vec((step(), 0usize..KEYS, 0i64..8), 1..200),
    ) {
        let mut grid = Grid::default();
        let (mut cells, mut marks, mut floor) = (Cells::new(), BTreeSet::new(), 0);
        for (step, key, ahead) in steps {
            match step {
                Step::Write(ahead, key, value) => {
                    let at = floor + ahead;
                    let column = grid.column(Time::from_ns(at));
                    *grid.cell_or(column, key, || 0) = value;
                    cells.insert((key, at), value);
                    prop_assert_eq!(grid.touch(column, key), marks.insert((key, at)));
                    ask(&mut grid, &cells, key, at);
                }
                Step::Drain => drain(&mut grid, &cells, &mut marks),
                Step::Forget(more) => {
                    drain(&mut grid, &cells, &mut marks);
                    floor += more;
                    let mut gone = Vec::new();
                    grid.forget(Time::from_ns(floor), |key, cell| gone.push((key, *cell)));
                    let old = cells.iter().filter(|((_, start), _)| *start <= floor);
                    let mut expected: Vec<_> = old.map(|((key, _), cell)| (*key, *cell)).collect();
                    gone.sort_unstable();
                    expected.sort_unstable();
                    prop_assert_eq!(gone, expected);
                    cells.retain(|(_, start), _| *start > floor);
                }
            }
            ask(&mut grid, &cells, key, floor + ahead);
            let dirty = marks.iter().any(|(marked, _)| *marked == key);
            prop_assert_eq!(grid.is_dirty(key), dirty);
        }
        drain(&mut grid, &cells, &mut marks);
    }
}
