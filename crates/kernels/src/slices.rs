//! Slices: length checks, and how much of one a thread processes at a time.

/// Elements that a memory-bound kernel hands to a thread at a time: 64 KiB of `f32`, large enough to hide the cost of
/// scheduling and small compared with a layer.
pub(crate) const GRAIN: usize = 16 * 1024;

/// Panics unless a slice has the length that the operation's shape requires.
macro_rules! check_len {
    ($slice:ident, $len:expr) => {
        assert_eq!($slice.len(), $len, "length of `{}`", stringify!($slice))
    };
}
pub(crate) use check_len;
