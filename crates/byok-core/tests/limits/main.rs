//! The app's limits as a whole: exact under concurrency, nested, corrected afterwards, in fair order.

mod exact;
mod nested;
mod support;
mod waiting;
