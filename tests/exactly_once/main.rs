//! Exactly once through Kafka: trades are streamed into a topic while the processes that read it are killed at
//! moments of chance and started again with other numbers of workers and processes. What stands committed in the
//! output topics in the end, record by record and in order, is what a run leaves that nothing stopped.

mod brokers;
mod committed;
mod determinism;
mod folder;
mod history;
mod lab;
mod letters;
mod life;
mod pools;
mod servers;
mod torn;
mod zombie;

use lab::Lab;
use life::Life;

#[test]
fn fifty_kills_lose_and_double_nothing() {
    let lab = Lab::new("kills", 3);
    let ingest = lab.ingest(60_000, 1_500.0);
    let mut chance = lab.chance();
    for _ in 0..50 {
        let life = Life::of_chance(&mut chance);
        lab.live(&life, &mut chance);
    }
    lab.ends_like_a_clean_one(ingest);
    assert!(lab.gone_on("kills") > 5, "lives went on from checkpoints");
}
