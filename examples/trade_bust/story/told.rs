//! What is told, and of which records and bars.

use super::tape::at;

/// The chapter that is told with a chart.
pub const BUST: &str = "13:48:39  A print that never should have been, busted";

/// Before all chapters.
pub const OPENING: &str = "\
Times are UTC: New York opens at 13:30. A bar is known 2 s after its end, by the
lateness of this source. Each table is what `tidemill query --as-of` answers.";

/// Of the dead letters.
pub const REFUSED: &str = "\
A bust that says once more what was done, and one of a trade that nobody has
reported: it waits for its trade for one horizon, here until the tape ends.";

/// At the end.
pub const ENDING: &str = "\
Take the cancelled trades out of the tape, edit the replaced ones in their
place, sort by time, and run the engine over that. The values are the same. Only
`revision`, `known_at` and the past of the tables tell of the detours.";

/// Something that happened on the tape.
pub struct Chapter {
    pub title: &'static str,
    pub what: &'static str,
    /// Its records.
    pub records: &'static [&'static str],
    /// The bars where it shows, from and to.
    pub bars: (&'static str, &'static str),
    /// When they are asked for.
    pub known: &'static [i64],
}

/// All of them, in order.
pub const CHAPTERS: &[Chapter] = &[
    Chapter {
        title: "13:30:01  The opening print, and the official open beside it",
        what: "\
The auction's print (O X) opens the bar. The listing market says it once more as
the official open (Q), which counts for nothing: its shares were counted. What
traded before the open (T) counts for volume alone and makes no bar.",
        records: &["open", "official"],
        bars: ("13:25", "13:31"),
        known: &[at(13, 32, 10, 0)],
    },
    Chapter {
        title: BUST,
        what: "\
A decimal slipped: 1013.50 where the market is at 101. It is the last print of
its minute, so the bar's high and close, and the RSI is nearly 100. It is
busted 40 s later.",
        records: &["slip", "bust"],
        bars: ("13:46", "13:47"),
        known: &[at(13, 48, 20, 0), at(13, 48, 50, 0)],
    },
    Chapter {
        title: "13:49:10  An average-price print",
        what: "\
25,000 shares at the average of a day's work (B), far below the market. It
counts for the volume alone: the low stays where the market was.",
        records: &["average"],
        bars: ("13:48", "13:49"),
        known: &[at(13, 50, 10, 0)],
    },
    Chapter {
        title: "13:51:41  A price is corrected",
        what: "\
Two digits were swapped, 105.10 for 101.50, and that was the bar's high. The
replace carries the trade in full. The close is another trade's: the RSI stays.",
        records: &["swapped", "swapped back"],
        bars: ("13:50", "13:50"),
        known: &[at(13, 51, 30, 0), at(13, 51, 50, 0)],
    },
    Chapter {
        title: "13:54:30  A trade moves into another minute",
        what: "\
Its time was a quarter of a second off, and the minute ends there: the open of
13:53 becomes the close of 13:52, and both RSI change.",
        records: &["moved", "moved back"],
        bars: ("13:52", "13:53"),
        known: &[at(13, 54, 20, 0), at(13, 54, 40, 0)],
    },
    Chapter {
        title: "13:55:49  A trade comes 49 s late",
        what: "\
A new record, but of a minute that is over: the bar is revised as if it had come
in time, and the RSI follows its close.",
        records: &["late"],
        bars: ("13:54", "13:54"),
        known: &[at(13, 55, 40, 0), at(13, 56, 0, 0)],
    },
    Chapter {
        title: "13:56:25  A cancel overtakes its trade",
        what: "\
The cancel came by a faster line and waited. The trade is used and taken back at
once: no bar has ever seen its 103.02.",
        records: &["overtaking", "overtaken"],
        bars: ("13:56", "13:56"),
        known: &[at(13, 57, 10, 0)],
    },
];
