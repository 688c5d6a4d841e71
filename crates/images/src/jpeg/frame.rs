//! The frame header: size, components and how the coefficients are sent.

use crate::defect::Defect;

/// How the coefficients are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    /// Each block at once.
    Sequential,
    /// In several passes, each of which adds frequencies or bits.
    Progressive,
}

/// One color channel of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) id: u8,
    /// The horizontal and vertical sampling factors, 1 to 4.
    pub(super) h: usize,
    pub(super) v: usize,
    /// The index of its quantization table.
    pub(super) table: usize,
}

/// The frame header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) process: Process,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) components: Vec<Component>,
}

impl Frame {
    /// Parses the segment of a start-of-frame marker.
    ///
    /// # Errors
    /// Returns an error if the segment is invalid or the variant is unsupported.
    pub(super) fn read(marker: u8, payload: &[u8]) -> Result<Self, Defect> {
        let process = match marker {
            0xc0 | 0xc1 => Process::Sequential,
            0xc2 => Process::Progressive,
            0xc3 => return Err(Defect::unsupported("lossless JPEG")),
            0xc5..=0xc7 => return Err(Defect::unsupported("hierarchical JPEG")),
            _ => return Err(Defect::unsupported("arithmetic-coded JPEG")),
        };
        let [precision, h1, h0, w1, w0, count, rest @ ..] = payload else {
            return Err(Defect::broken("frame header too short"));
        };
        match precision {
            8 => {}
            12 => return Err(Defect::unsupported("12-bit JPEG")),
            bits => return Err(Defect::broken(format!("frame with {bits} bits per sample"))),
        }
        let count = usize::from(*count);
        if !matches!(count, 1 | 3 | 4) {
            return Err(Defect::unsupported(format!("JPEG with {count} components")));
        }
        let (components, []) = rest.as_chunks::<3>() else {
            return Err(Defect::broken("frame header with a wrong length"));
        };
        if components.len() != count {
            return Err(Defect::broken("frame header with a wrong length"));
        }
        let components: Vec<Component> = components
            .iter()
            .map(|&[id, sampling, table]| Component {
                id,
                h: usize::from(sampling >> 4),
                v: usize::from(sampling & 15),
                table: usize::from(table),
            })
            .collect();
        if components.iter().any(|c| !(1..=4).contains(&c.h) || !(1..=4).contains(&c.v) || c.table > 3) {
            return Err(Defect::broken("frame header with invalid sampling factors or quantization tables"));
        }
        let height = usize::from(u16::from_be_bytes([*h1, *h0]));
        let width = usize::from(u16::from_be_bytes([*w1, *w0]));
        Ok(Self { process, width, height, components })
    }

    /// The largest horizontal sampling factor.
    pub(super) fn h_max(&self) -> usize {
        self.components.iter().map(|component| component.h).max().unwrap_or(1)
    }

    /// The largest vertical sampling factor.
    pub(super) fn v_max(&self) -> usize {
        self.components.iter().map(|component| component.v).max().unwrap_or(1)
    }

    /// The number of units (MCUs) in a scan of all components.
    pub(super) fn units(&self) -> usize {
        // With one component a unit is a block.
        let (h, v) = if self.components.len() == 1 { (1, 1) } else { (self.h_max(), self.v_max()) };
        self.width.div_ceil(8 * h) * self.height.div_ceil(8 * v)
    }
}
