//! Progress on standard error: a line that is drawn over on a terminal, a line every ten seconds
//! elsewhere; nothing for runs that are done before the first.

use crate::engine::grouped;
use dataflows::Progress;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const TERMINAL_EVERY: Duration = Duration::from_millis(200);
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Shows progress until it is dropped.
pub(super) struct Shown {
    done: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Shown {
    /// Shows `progress` from now on.
    pub fn start(progress: Arc<Progress>) -> Self {
        let (done, stopped) = channel();
        let thread = std::thread::spawn(move || show(&progress, &stopped));
        Shown { done: Some(done), thread: Some(thread) }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(thread) = self.thread.take() {
            // It only prints; a run does not fail because of it.
            let _ = thread.join();
        }
    }
}

fn show(progress: &Progress, stopped: &Receiver<()>) {
    let mut drawn = Drawn::start();
    while stopped.recv_timeout(drawn.every) == Err(RecvTimeoutError::Timeout) {
        drawn.draw(progress.counts().read, progress.part());
    }
}

/// A line of progress, drawn at most as often as is good for its reader and wiped when it is dropped.
pub(super) struct Drawn {
    terminal: bool,
    every: Duration,
    began: Instant,
    last: Duration,
    wipe: bool,
}

impl Drawn {
    /// Nothing is drawn yet.
    #[expect(clippy::disallowed_methods, reason = "progress is shown by the command's clock")]
    pub fn start() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let every = if terminal { TERMINAL_EVERY } else { PLAIN_EVERY };
        Drawn { terminal, every, began: Instant::now(), last: Duration::ZERO, wipe: false }
    }

    /// Draws how far it is, if the last line is old enough.
    pub fn draw(&mut self, read: u64, part: Option<f64>) {
        let elapsed = self.began.elapsed();
        // A little earlier than due, so that a reader that waited exactly that long draws.
        if elapsed - self.last < self.every * 9 / 10 {
            return;
        }
        let line = line(read, part, elapsed);
        let mut err = std::io::stderr().lock();
        let _ =
            if self.terminal { write!(err, "\r\x1b[2K{line}") } else { writeln!(err, "{line}") };
        let _ = err.flush();
        (self.last, self.wipe) = (elapsed, self.terminal);
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        if self.wipe {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[2K");
        }
    }
}

fn line(read: u64, part: Option<f64>, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(1e-9);
    let rate = grouped((read as f64 / seconds) as u64);
    let mut line = format!("{} read, {rate}/s", grouped(read));
    if let Some(part) = part.filter(|part| (1e-4..=1.0).contains(part)) {
        let left = seconds * (1.0 - part) / part;
        let filled = (part * 24.0) as usize;
        let bar = "█".repeat(filled) + &"░".repeat(24 - filled);
        line = format!("{bar} {:3.0}%  {line}, {} left", part * 100.0, clock(left));
    }
    line
}

fn clock(seconds: f64) -> String {
    let seconds = seconds.min(359_999.0) as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_rate_and_time_left() {
        let text = line(1_000_000, Some(0.25), Duration::from_secs(2));
        assert_eq!(text, "██████░░░░░░░░░░░░░░░░░░  25%  1,000,000 read, 500,000/s, 6 s left");
        assert_eq!(line(10, None, Duration::from_secs(1)), "10 read, 10/s");
        assert_eq!([59.0, 61.0, 3700.0].map(clock), ["59 s", "1:01 min", "1:01 h"]);
    }
}
