//! The views of an evaluation in words.

pub(super) fn describe(views: usize) -> &'static str {
    if views == 1 { "1 (center)" } else { "10 (corners and center, mirrored)" }
}
