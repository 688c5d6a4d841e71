//! The views of an evaluation in words.

use alexnet::net::Views;

pub(super) fn describe(views: Views) -> &'static str {
    match views {
        Views::Center => "1 (center)",
        Views::Ten => "10 (corners and center, mirrored)",
    }
}
