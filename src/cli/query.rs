//! `tidemill query`: one reading statement against the embedded store, as it is or as it was known at a time.

use super::args::QueryArgs;
use super::{Failure, store_folder};
use market::Time;
use sinks::{Format, QueryError, query_as_of};

/// Answers it.
pub(super) fn query(args: &QueryArgs) -> Result<u8, Failure> {
    let format: Format = match args.json {
        true => Format::Json,
        false => args.format.parse().map_err(Failure::usage)?,
    };
    let at = args.as_of.as_deref().map(time).transpose()?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let folder = store_folder(args.data.as_deref())?;
    let answered = query_as_of(&folder, &args.sql, at, format, &mut out);
    match answered
        .and_then(|rows| std::io::Write::flush(&mut out).map(|()| rows).map_err(Into::into))
    {
        Ok(_) => Ok(0),
        Err(QueryError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(0),
        Err(error) if error.is_usage() => Err(Failure::usage(error)),
        Err(error) => Err(Failure::failed(error)),
    }
}

/// A time as people write it, or as the tables hold it.
fn time(text: &str) -> Result<Time, Failure> {
    let time = text.parse().map(Time::from_ns).or_else(|_| Time::parse(text));
    time.map_err(|_| {
        let wanted = "a time as 2024-01-02T14:30:00Z, or nanoseconds since 1970, is wanted";
        Failure::usage(format!("--as-of = \"{text}\": {wanted}"))
    })
}
