//! Containers that travel between operators, workers and processes.

mod bytes;
mod codec;
mod parcel;
mod route;

pub use parcel::{Names, Parcel, Partials, RowParcel, Shared, Timed};
pub use route::{Route, ToFirst, owner};
