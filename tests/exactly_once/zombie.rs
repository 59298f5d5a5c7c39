//! A run that is stopped, overtaken by another, and let go on: it writes nothing more that counts, and says so.

use super::lab::Lab;
use super::life::{Life, kill, signal};
use std::time::Duration;

#[test]
fn a_run_that_was_overtaken_writes_nothing_and_says_so() {
    let mut lab = Lab::new("kills", 3);
    lab.checkpoints = Some("kept".to_owned());
    let ingest = lab.ingest(60_000, 600.0);
    let mut chance = lab.chance();
    for round in 0..2 {
        let life = Life { processes: 1 + round % 2, ..Life::of_chance(&mut chance) };
        let mut old = lab.start_in("kills", "old", &life);
        let mark = lab.mark("kills");
        lab.wait_for("a commit", || lab.mark("kills") > mark);
        std::thread::sleep(Duration::from_millis(chance.below(1_000)));
        old.iter().for_each(|process| signal("STOP", process.id()));
        let mark = lab.mark("kills");
        // On another machine: the store of the old one is held by who stands still.
        let other = Life { processes: 1, ..Life::of_chance(&mut chance) };
        let new = lab.start_in("kills", "new", &other);
        lab.wait_for("a commit of the new run", || lab.mark("kills") > mark);
        old.iter().for_each(|process| signal("CONT", process.id()));
        let codes: Vec<_> = old.iter_mut().map(|old| old.wait().unwrap().code()).collect();
        let said = lab.said("old");
        assert_eq!(codes[0], Some(5), "{said}");
        assert!(said.contains("another run of this deployment has begun"), "{said}");
        assert!(codes[1..].iter().all(|code| *code == Some(4)), "{codes:?}: {said}");
        kill(new, &mut chance);
    }
    lab.ends_like_a_clean_one(ingest);
}

#[test]
fn a_store_that_a_stopped_run_holds_is_not_written_by_another() {
    let lab = Lab::new("held", 1);
    let ingest = lab.ingest(2_000, 2_000.0);
    let life = Life::of(1, 1);
    let old = lab.start("held", &life);
    lab.wait_for("a commit", || lab.mark("held").is_some());
    signal("STOP", old[0].id());
    let mut new = lab.start("held", &life);
    assert_eq!(new[0].wait().unwrap().code(), Some(1), "it may be free later");
    assert!(lab.said("held").contains("another run is writing to this store"));
    kill(old, &mut lab.chance());
    lab.ended(ingest);
    lab.finish("held");
}
