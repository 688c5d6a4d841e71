//! The header of a scan: which components it sends, and which part of their coefficients.

use super::frame::{Component, Frame, Process};
use crate::defect::Defect;

/// The part of each block's coefficients that a scan sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Band {
    pub(super) first: usize,
    pub(super) last: usize,
    /// The lowest bit sent by earlier scans, 0 if this is the first scan of the band.
    pub(super) high: u8,
    /// The lowest bit that this scan sends.
    pub(super) low: u8,
}

impl Band {
    /// Returns whether the scan sends one more bit of the DC coefficients, without Huffman codes.
    pub(super) fn is_bits(self) -> bool {
        self.first == 0 && self.high > 0
    }
}

/// A component of a scan.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScanComponent {
    /// The index of the component in the frame.
    pub(super) plane: usize,
    /// The index of its Huffman table for DC coefficients.
    pub(super) dc: usize,
    /// The index of its Huffman table for AC coefficients.
    pub(super) ac: usize,
}

/// The header of a scan.
#[derive(Debug)]
pub(super) struct ScanHeader {
    pub(super) components: Vec<ScanComponent>,
    pub(super) band: Band,
}

impl ScanHeader {
    /// Parses a scan header.
    ///
    /// # Errors
    /// Returns an error if it does not fit the frame.
    pub(super) fn read(frame: &Frame, payload: &[u8]) -> Result<Self, Defect> {
        let wrong = || Defect::broken("scan header does not fit the frame");
        let (&count, rest) = payload.split_first().ok_or_else(wrong)?;
        let (names, rest) = rest.split_at_checked(2 * usize::from(count)).ok_or_else(wrong)?;
        let &[first, last, bits] = rest else { return Err(wrong()) };
        let band = Band { first: first.into(), last: last.into(), high: bits >> 4, low: bits & 15 };
        let fits = match frame.process {
            Process::Sequential => (first, last, bits) == (0, 63, 0),
            Process::Progressive => {
                let alone = first > 0 && first <= last && last < 64 && count == 1;
                let refined = band.high == 0 || band.high == band.low + 1;
                (alone || (first, last) == (0, 0)) && band.low < 14 && refined
            }
        };
        let (pairs, _) = names.as_chunks::<2>();
        let repeated = (1..pairs.len()).any(|i| pairs[..i].iter().any(|pair| pair[0] == pairs[i][0]));
        if !fits || !(1..=4).contains(&count) || repeated {
            return Err(wrong());
        }
        let component = |&[id, chosen]: &[u8; 2]| {
            let plane = frame.components.iter().position(|component| component.id == id).ok_or_else(wrong)?;
            Ok(ScanComponent { plane, dc: usize::from(chosen >> 4), ac: usize::from(chosen & 15) })
        };
        Ok(Self { components: pairs.iter().map(component).collect::<Result<_, _>>()?, band })
    }

    /// The number of blocks that the scan covers.
    pub(super) fn blocks(&self, frame: &Frame) -> usize {
        let (h_max, v_max) = (frame.h_max(), frame.v_max());
        match self.components.as_slice() {
            &[alone] => {
                let Component { h, v, .. } = frame.components[alone.plane];
                let across = (frame.width * h).div_ceil(h_max).div_ceil(8);
                across * (frame.height * v).div_ceil(v_max).div_ceil(8)
            }
            several => {
                let units = frame.width.div_ceil(8 * h_max) * frame.height.div_ceil(8 * v_max);
                let blocks = |component: &ScanComponent| {
                    let Component { h, v, .. } = frame.components[component.plane];
                    h * v
                };
                units * several.iter().map(blocks).sum::<usize>()
            }
        }
    }
}
