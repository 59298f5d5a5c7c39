//! Indicators against their oracle, their laws and their documentation.

mod bars;
mod docs;
mod laws;
mod ta_lib;
