//! `tidemill query`: one reading statement against the embedded store.

use super::args::QueryArgs;
use super::{Failure, store_folder};
use sinks::{Format, QueryError};

/// Answers it.
pub(super) fn query(args: &QueryArgs) -> Result<u8, Failure> {
    let format: Format = match args.json {
        true => Format::Json,
        false => args.format.parse().map_err(Failure::usage)?,
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let answered = sinks::query(&store_folder(args.data.as_deref())?, &args.sql, format, &mut out);
    match answered
        .and_then(|rows| std::io::Write::flush(&mut out).map(|()| rows).map_err(Into::into))
    {
        Ok(_) => Ok(0),
        Err(QueryError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(0),
        Err(error) if error.is_usage() => Err(Failure::usage(error)),
        Err(error) => Err(Failure::failed(error)),
    }
}
