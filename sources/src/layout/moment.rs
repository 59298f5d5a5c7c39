//! Times out of text: strptime formats and days with a time after midnight, in a named zone.
//!
//! Zones come from the embedded database. What a day's zone does is looked up once a day: a day
//! without a transition is its first instant and an offset. A local time that a transition skips is
//! moved behind it, one that a transition repeats is the first of the two.

use jiff::civil::{Date, Time as Civil};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use market::Time;

/// A zone and, where times are formatted, the format.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    zone: TimeZone,
    format: Option<String>,
}

/// Why a text is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MomentError {
    /// It does not look as it should.
    Malformed,
    /// It lies outside 64 bits of nanoseconds.
    Range,
}

/// The last day that was looked up.
#[derive(Clone, Debug, Default)]
pub(crate) struct DayCache {
    date: Option<Date>,
    text: Vec<u8>,
    first_ns: i64,
    has_transition: bool,
}

impl Clock {
    /// A clock in `zone`.
    ///
    /// # Errors
    /// Says what was wanted when the zone or the format does not exist.
    pub(super) fn new(zone: &str, format: Option<&str>) -> Result<Clock, String> {
        let found = jiff::tz::db()
            .get(zone)
            .map_err(|_| format!("wanted a time zone, as Europe/Berlin, not \"{zone}\""))?;
        if let Some(format) = format {
            let some_day = jiff::Timestamp::UNIX_EPOCH.to_zoned(found.clone());
            jiff::fmt::strtime::format(format, &some_day)
                .map_err(|error| format!("wanted a strptime format ({error})"))?;
        }
        Ok(Clock { zone: found, format: format.map(str::to_owned) })
    }

    /// Whether `text` is a day.
    pub(super) fn check_day(&self, text: &str) -> Result<(), String> {
        let day = text.parse::<Date>();
        day.map(drop).map_err(|_| format!("wanted a day as 2012-06-21, not '{text}'"))
    }

    /// The time that `text` says in the clock's format.
    pub(crate) fn parse(&self, text: &[u8], cache: &mut DayCache) -> Result<i64, MomentError> {
        let malformed = |_| MomentError::Malformed;
        let format = self.format.as_deref().unwrap_or("%Y-%m-%d %H:%M:%S%.f");
        let broken = BrokenDownTime::parse(format, text).map_err(malformed)?;
        if broken.offset().is_some() {
            let stamp = broken.to_timestamp().map_err(malformed)?;
            return i64::try_from(stamp.as_nanosecond()).map_err(|_| MomentError::Range);
        }
        let date = broken.to_date().map_err(malformed)?;
        let time = broken.to_time().map_err(malformed)?;
        let after = time.duration_since(Civil::midnight()).as_nanos();
        self.on_day(date, i64::try_from(after).map_err(|_| MomentError::Range)?, cache)
    }

    /// `after_ns` behind the midnight of the day `text`, by the wall clock.
    pub(crate) fn after_midnight(
        &self,
        text: &[u8],
        after_ns: i64,
        cache: &mut DayCache,
    ) -> Result<i64, MomentError> {
        if let Some(date) = cache.date.filter(|_| !text.is_empty() && cache.text == text) {
            return self.on_day(date, after_ns, cache);
        }
        let day = std::str::from_utf8(text).map_err(|_| MomentError::Malformed)?;
        let date: Date = day.parse().map_err(|_| MomentError::Malformed)?;
        let time = self.on_day(date, after_ns, cache)?;
        cache.text.clear();
        cache.text.extend_from_slice(text);
        Ok(time)
    }

    fn on_day(&self, date: Date, after_ns: i64, cache: &mut DayCache) -> Result<i64, MomentError> {
        if cache.date != Some(date) {
            self.look_up(date, cache)?;
        }
        if !cache.has_transition || !(0..Time::DAY).contains(&after_ns) {
            return cache.first_ns.checked_add(after_ns).ok_or(MomentError::Range);
        }
        let local = Civil::midnight() + jiff::SignedDuration::from_nanos(after_ns);
        let zoned = date.to_datetime(local).to_zoned(self.zone.clone());
        let stamp = zoned.map_err(|_| MomentError::Range)?.timestamp();
        i64::try_from(stamp.as_nanosecond()).map_err(|_| MomentError::Range)
    }

    fn look_up(&self, date: Date, cache: &mut DayCache) -> Result<(), MomentError> {
        let range = |_| MomentError::Range;
        let first = date.to_zoned(self.zone.clone()).map_err(range)?.timestamp();
        let next = date.tomorrow().and_then(|day| day.to_zoned(self.zone.clone()));
        let next = next.map_err(range)?.timestamp();
        // A transition at midnight itself makes the first instant later than 00:00.
        let starts_at_midnight = self.zone.to_datetime(first).time() == Civil::midnight();
        let change = self.zone.following(first).next();
        cache.first_ns = i64::try_from(first.as_nanosecond()).map_err(|_| MomentError::Range)?;
        cache.has_transition =
            !starts_at_midnight || change.is_some_and(|change| change.timestamp() < next);
        cache.text.clear();
        cache.date = Some(date);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(zone: &str, text: &str, expected: &str) {
        let clock = Clock::new(zone, Some("%d-%m-%Y %H:%M:%S%.f")).unwrap();
        let ns = clock.parse(text.as_bytes(), &mut DayCache::default()).unwrap();
        assert_eq!(Time::from_ns(ns).to_string(), expected, "{text} in {zone}");
    }

    #[test]
    fn local_times_are_found_in_their_zone() {
        check("Europe/Berlin", "08-11-2021 09:01:00.589", "2021-11-08T08:01:00.589Z");
        check("UTC", "08-11-2021 09:01:00", "2021-11-08T09:01:00Z");
        // The night that clocks go forward and the one they go back.
        check("Europe/Berlin", "28-03-2021 01:30:00", "2021-03-28T00:30:00Z");
        check("Europe/Berlin", "28-03-2021 02:30:00", "2021-03-28T01:30:00Z");
        check("Europe/Berlin", "28-03-2021 04:00:00", "2021-03-28T02:00:00Z");
        check("Europe/Berlin", "31-10-2021 02:30:00", "2021-10-31T00:30:00Z");
        check("Europe/Berlin", "31-10-2021 12:00:00", "2021-10-31T11:00:00Z");
    }

    #[test]
    fn a_day_and_seconds_after_its_midnight() {
        let clock = Clock::new("America/New_York", None).unwrap();
        let cache = &mut DayCache::default();
        for _ in 0..2 {
            let ns = clock.after_midnight(b"2012-06-21", 34_200_004_241_176, cache).unwrap();
            assert_eq!(Time::from_ns(ns).to_string(), "2012-06-21T13:30:00.004241176Z");
        }
        assert_eq!(clock.after_midnight(b"21.6.", 0, cache), Err(MomentError::Malformed));
        assert_eq!(clock.after_midnight(b"9999-01-01", 0, cache), Err(MomentError::Range));
    }
}
