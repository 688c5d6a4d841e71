//! Slices: length checks, and how much of one a thread processes at a time.

use std::ops::Range;

/// Elements that a memory-bound kernel hands to a thread at a time: 64 KiB of `f32`, large enough to hide the cost of
/// scheduling and small compared with a layer.
pub(crate) const GRAIN: usize = 16 * 1024;

/// Panics unless a slice has the length that the operation's shape requires: `$len`, or `$count` times `$len`.
macro_rules! check_len {
    ($slice:ident, $len:expr) => {
        assert_eq!($slice.len(), $len, "length of `{}`", stringify!($slice))
    };
    ($slice:ident, $count:expr, $len:expr) => {
        // A product that wrapped could be the length of the slice.
        assert_eq!(Some($slice.len()), usize::checked_mul($count, $len), "length of `{}`", stringify!($slice))
    };
}
pub(crate) use check_len;

/// Cuts a range into at most `parts` of nearly equal length, each but the last a multiple of `unit`.
pub(crate) fn even(range: Range<usize>, parts: usize, unit: usize) -> impl Iterator<Item = Range<usize>> {
    let step = range.len().div_ceil(parts.max(1)).next_multiple_of(unit).max(1);
    let end = range.end;
    range.step_by(step).map(move |start| start..(start + step).min(end))
}

/// Fills `to` from the start of `from`; the paper's run of four RGB pixels without a call to `memcpy`.
#[inline]
pub(crate) fn copy_short<T: Copy>(from: &[T], to: &mut [T]) {
    match (from.first_chunk::<12>(), to.len()) {
        (Some(from), 12) => to.copy_from_slice(from),
        (_, len) => to.copy_from_slice(&from[..len]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_parts_cover_the_range() {
        let parts: Vec<_> = even(3..103, 7, 6).collect();
        assert_eq!(parts.first(), Some(&(3..21)));
        assert_eq!(parts.last(), Some(&(93..103)));
        assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(even(0..0, 0, 1).count(), 0);
    }
}
