//! How long runs live, and how they end.

use std::process::{Child, Command};
use std::time::Duration;

/// A generator of chance whose seed is printed.
pub struct Chance(u64);

impl Chance {
    pub fn of(seed: u64) -> Self {
        Chance(seed)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// How long a run lives, and with what.
#[derive(Clone, Debug)]
pub struct Life {
    pub processes: usize,
    pub workers: u64,
    pub ms: u64,
    /// Counted from its first checkpoint, not from its start, where it comes to one.
    pub is_kept: bool,
}

impl Life {
    pub fn of_chance(chance: &mut Chance) -> Self {
        let (processes, workers) = (1 + chance.below(2) as usize, 1 + chance.below(4));
        let (ms, is_kept) = (50 + chance.below(1_800), chance.below(4) == 0);
        Life { processes, workers, ms, is_kept }
    }

    /// Of so many processes and workers, as long as it takes.
    pub fn of(processes: usize, workers: u64) -> Self {
        Life { processes, workers, ms: 0, is_kept: false }
    }
}

/// Sends a signal to a process.
pub fn signal(name: &str, pid: u32) {
    let kill = format!("kill -{name} {pid}");
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

/// Kills processes of a run, one of them first.
pub fn kill(mut children: Vec<Child>, chance: &mut Chance) {
    let first = chance.below(children.len() as u64) as usize;
    // One that has ended is no fault.
    let _ = children[first].kill();
    std::thread::sleep(Duration::from_millis(chance.below(30)));
    for child in &mut children {
        let _ = child.kill();
        child.wait().unwrap();
    }
}
