//! The quantization and chroma subsampling of a JPEG, for an image that replaces it.

use super::header::{Color, Header};
use super::{exact, scan};
use crate::defect::Defect;

/// How lossy a JPEG is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coding {
    /// The luma quantization table, row-major.
    pub luma: [u16; 64],
    /// How color is coded; `None` for gray.
    pub chroma: Option<Chroma>,
}

/// How color is coded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chroma {
    /// The chroma quantization table, row-major.
    pub steps: [u16; 64],
    /// How many pixels share a chroma sample, horizontally and vertically.
    pub shared: [usize; 2],
}

/// Returns the quantization and subsampling of a JPEG, rotated by its EXIF orientation.
///
/// # Errors
/// Returns an error if the file is damaged or of an unsupported variant.
pub fn coding(bytes: &[u8]) -> Result<Coding, Defect> {
    let header = Header::read(bytes)?;
    let planes = exact::coefficients(bytes, &header.frame)?;
    let transposed = header.orientation > 4;
    let steps = |i: usize| {
        let steps = planes[i].quantization.unwrap_or([1; 64]);
        if transposed { scan::transposed(&steps) } else { steps }
    };
    let shared = |i: usize| {
        let component = header.frame.components[i];
        let shared = [header.frame.h_max() / component.h, header.frame.v_max() / component.v];
        if transposed { [shared[1], shared[0]] } else { shared }
    };
    let chroma = match header.color {
        Color::Gray => None,
        Color::YCbCr | Color::Ycck => Some(Chroma { steps: steps(1), shared: shared(1) }),
        // All components are coded like luma.
        Color::Rgb | Color::Cmyk => Some(Chroma { steps: steps(0), shared: shared(0) }),
    };
    Ok(Coding { luma: steps(0), chroma })
}
