//! Containers that travel between operators, workers and processes.

mod bytes;
mod codec;
mod parcel;
mod pooled;
mod route;

pub use parcel::{Names, Parcel, Partials, Pooled, RowParcel, Shared, Stamped, Timed};
pub use route::{Route, ToFirst, owner};
