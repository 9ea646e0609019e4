//! The Node-API binding: it knows napi and the core; no provider, no store product, no HTTP.
