//! Limits that protect against decompression bombs, checked before any memory is allocated.

use crate::defect::{Defect, DefectKind};

/// The maximum number of pixels in an image.
pub const MAX_PIXELS: usize = 100_000_000;

/// The maximum number of scans in a progressive JPEG. Each scan costs a pass over the whole image.
pub(crate) const MAX_SCANS: usize = 100;

/// Checks the size that a file header declares.
pub(crate) fn check_size(width: usize, height: usize) -> Result<(), Defect> {
    if width == 0 || height == 0 || width.saturating_mul(height) > MAX_PIXELS {
        return Err(Defect::new(
            DefectKind::Unsupported,
            format!("image of {width} x {height} pixels: expected between 1 and {MAX_PIXELS} pixels"),
        ));
    }
    Ok(())
}
