//! Pictures with labels.
