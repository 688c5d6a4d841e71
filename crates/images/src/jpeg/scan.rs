//! Decodes the coefficients of a frame scan by scan: sequential and progressive, with components interleaved in any way.

use super::frame::{Component, Frame, Process};
use super::huffman::{BitReader, HuffmanTable};
use super::scan_header::{Band, ScanComponent, ScanHeader};
use crate::defect::{Defect, DefectKind};

/// The row-major position in a block of each coefficient, in the order in which they are sent.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The coefficients of a block, row-major.
pub(super) type Block = [i16; 64];

/// The transposed block.
pub(super) fn transposed<T: Copy>(block: &[T; 64]) -> [T; 64] {
    std::array::from_fn(|i| block[i % 8 * 8 + i / 8])
}

/// The blocks of one component.
#[derive(Debug)]
pub(super) struct Plane {
    /// The size in samples.
    pub(super) width: usize,
    pub(super) height: usize,
    /// The number of blocks in a row, padded to whole units.
    pub(super) columns: usize,
    /// 64 for each block, row-major. Untouched zero pages take no memory.
    pub(super) coefficients: Vec<i16>,
    /// What has been received.
    sent: Sent,
    /// The quantization table at the start of its first scan, row-major.
    pub(super) quantization: Option<[u16; 64]>,
}

/// The lowest bit received of each coefficient of a component; `None` if none was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent([Option<u8>; 64]);

impl Default for Sent {
    fn default() -> Self {
        Self([None; 64])
    }
}

impl Sent {
    /// Adds the coefficients that a scan sends.
    pub(super) fn add(&mut self, band: Band) {
        self.0[band.first..=band.last].fill(Some(band.low));
    }

    /// Returns whether every coefficient is complete.
    pub(super) fn is_complete(&self) -> bool {
        self.0.iter().all(|&low| low == Some(0))
    }
}

/// The tables in effect for the next scan.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) quantization: [Option<[u16; 64]>; 4],
    pub(super) dc: [Option<HuffmanTable>; 4],
    pub(super) ac: [Option<HuffmanTable>; 4],
    /// The number of units between restarts, 0 for none.
    pub(super) restart: usize,
}

/// A component of a scan with its tables.
struct Part<'a> {
    plane: usize,
    h: usize,
    v: usize,
    dc: Option<&'a HuffmanTable>,
    ac: Option<&'a HuffmanTable>,
    /// The DC coefficient of the previous block.
    predicted: i32,
}

impl Plane {
    /// The planes of a frame, with all coefficients 0.
    pub(super) fn all(frame: &Frame) -> Vec<Self> {
        let (h_max, v_max) = (frame.h_max(), frame.v_max());
        let across = frame.width.div_ceil(8 * h_max);
        let down = frame.height.div_ceil(8 * v_max);
        let plane = |component: &Component| {
            let (columns, rows) = (across * component.h, down * component.v);
            Self {
                width: (frame.width * component.h).div_ceil(h_max),
                height: (frame.height * component.v).div_ceil(v_max),
                columns,
                coefficients: vec![0; 64 * columns * rows],
                sent: Sent::default(),
                quantization: None,
            }
        };
        frame.components.iter().map(plane).collect()
    }

    /// Returns whether every bit of every coefficient was received.
    pub(super) fn is_complete(&self) -> bool {
        self.sent.is_complete()
    }
}

/// Decodes one scan into the planes.
///
/// # Errors
/// Returns an error if the header is invalid, or the data are damaged or incomplete.
pub(super) fn read(
    frame: &Frame,
    tables: &Tables,
    header: &[u8],
    data: &[u8],
    planes: &mut [Plane],
) -> Result<(), Defect> {
    let (mut parts, band) = parts(frame, tables, header)?;
    for part in &parts {
        let plane = &mut planes[part.plane];
        let table = frame.components[part.plane].table;
        plane.quantization = plane.quantization.or(tables.quantization[table]);
        plane.sent.add(band);
    }
    // A single component is sent without padding to whole units.
    let (across, down) = match parts.as_mut_slice() {
        [alone] => {
            (alone.h, alone.v) = (1, 1);
            (planes[alone.plane].width.div_ceil(8), planes[alone.plane].height.div_ceil(8))
        }
        _ => (frame.width.div_ceil(8 * frame.h_max()), frame.height.div_ceil(8 * frame.v_max())),
    };
    let mut decoder = Decoder { process: frame.process, band, bits: BitReader::of(data), end_of_bands: 0 };
    let total = across * down;
    for unit in 0..total {
        if tables.restart > 0 && unit > 0 && unit % tables.restart == 0 {
            decoder.bits.restart(((unit / tables.restart - 1) % 8) as u8)?;
            decoder.end_of_bands = 0;
            parts.iter_mut().for_each(|part| part.predicted = 0);
        }
        let (column, row) = (unit % across, unit / across);
        for part in &mut parts {
            for v in 0..part.v {
                for h in 0..part.h {
                    let plane = &mut planes[part.plane];
                    let at = (row * part.v + v) * plane.columns + column * part.h + h;
                    let block = &mut plane.coefficients.as_chunks_mut().0[at];
                    decoder.block(part, block);
                }
            }
        }
        decoder.bits.check().map_err(|defect| match defect.kind {
            DefectKind::Truncated => {
                Defect::truncated(format!("the scan ends after {unit} of {total} units"))
            }
            _ => defect,
        })?;
    }
    Ok(())
}

/// The components of a scan with their tables, and the band that it sends.
fn parts<'a>(frame: &Frame, tables: &'a Tables, header: &[u8]) -> Result<(Vec<Part<'a>>, Band), Defect> {
    let ScanHeader { components, band } = ScanHeader::read(frame, header)?;
    let part = |ScanComponent { plane, dc, ac }: ScanComponent| {
        let table = |tables: &'a [Option<HuffmanTable>; 4], chosen: usize| {
            tables.get(chosen).and_then(Option::as_ref)
        };
        let (dc, ac) = (table(&tables.dc, dc), table(&tables.ac, ac));
        let missing = band.first == 0 && !band.is_bits() && dc.is_none() || band.last > 0 && ac.is_none();
        let component = frame.components[plane];
        if missing || tables.quantization[component.table].is_none() {
            return Err(Defect::broken("scan without its tables"));
        }
        Ok(Part { plane, h: component.h, v: component.v, dc, ac, predicted: 0 })
    };
    Ok((components.into_iter().map(part).collect::<Result<_, _>>()?, band))
}

/// Decodes blocks.
struct Decoder<'a> {
    process: Process,
    band: Band,
    bits: BitReader<'a>,
    /// How many more blocks have no more coefficients in the band.
    end_of_bands: u32,
}

impl Decoder<'_> {
    /// Decodes what the scan sends of a block. [`BitReader::check`] reports invalid data.
    fn block(&mut self, part: &mut Part<'_>, block: &mut Block) {
        match (self.process, self.band) {
            (Process::Sequential, _) => self.sequential(part, block),
            (Process::Progressive, Band { first: 0, high: 0, low, .. }) => {
                block[0] = (self.first_coefficient(part) << low) as i16;
            }
            (Process::Progressive, Band { first: 0, low, .. }) => {
                block[0] |= (self.bits.take(1) << low) as i16;
            }
            (Process::Progressive, Band { high: 0, .. }) => self.band(part, block),
            (Process::Progressive, _) => self.refined_band(part, block),
        }
    }

    #[inline]
    fn first_coefficient(&mut self, part: &mut Part<'_>) -> i32 {
        let Some(table) = part.dc else { return 0 };
        let size = self.bits.symbol(table);
        if size > 15 {
            self.bits.mark_invalid();
            return 0;
        }
        part.predicted = part.predicted.wrapping_add(self.bits.take_signed(size.into()));
        part.predicted
    }

    fn sequential(&mut self, part: &mut Part<'_>, block: &mut Block) {
        block[0] = self.first_coefficient(part) as i16;
        let Some(table) = part.ac else { return };
        let mut at = 1;
        while at < 64 {
            let symbol = self.bits.symbol(table);
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match (run, size) {
                (15, 0) => at += 16,
                (_, 0) => return,
                _ => {
                    at += run;
                    self.coefficient(block, at, size, 0);
                    at += 1;
                }
            }
        }
    }

    /// Reads a coefficient of `size` bits, shifted by `low`, and stores it at position `at` of the zigzag order.
    #[inline]
    fn coefficient(&mut self, block: &mut Block, at: usize, size: u32, low: u8) {
        let value = self.bits.take_signed(size) << low;
        match ZIGZAG.get(at) {
            Some(&place) => block[usize::from(place & 63)] = value as i16,
            None => self.bits.mark_invalid(),
        }
    }

    /// Decodes the first scan of a band.
    fn band(&mut self, part: &Part<'_>, block: &mut Block) {
        if self.end_of_bands > 0 {
            self.end_of_bands -= 1;
            return;
        }
        let Some(table) = part.ac else { return };
        let mut at = self.band.first;
        while at <= self.band.last {
            let symbol = self.bits.symbol(table);
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match (run, size) {
                (15, 0) => at += 16,
                (_, 0) => {
                    self.end_of_bands = (1 << run) - 1 + self.bits.take(run as u32) as u32;
                    return;
                }
                _ => {
                    at += run;
                    self.coefficient(block, at, size, self.band.low);
                    at += 1;
                }
            }
        }
    }

    /// Decodes one more bit of a band: of the nonzero coefficients, and of those that become nonzero now.
    fn refined_band(&mut self, part: &Part<'_>, block: &mut Block) {
        let Some(table) = part.ac else { return };
        let (bit, last) = (1i16 << self.band.low, self.band.last);
        let mut at = self.band.first;
        while self.end_of_bands == 0 && at <= last {
            let symbol = self.bits.symbol(table);
            let (run, size) = (usize::from(symbol >> 4), symbol & 15);
            let new = match (run, size) {
                (_, 1..) => Some(if self.bits.take(1) == 1 { bit } else { -bit }),
                (15, 0) => None,
                (_, 0) => {
                    self.end_of_bands = (1 << run) + self.bits.take(run as u32) as u32;
                    break;
                }
            };
            at = self.refine(block, at, Some(run));
            if let (Some(new), Some(&place)) = (new, ZIGZAG.get(at).filter(|_| at <= last)) {
                block[usize::from(place)] = new;
            }
            at += 1;
        }
        if self.end_of_bands > 0 {
            self.refine(block, at, None);
            self.end_of_bands -= 1;
        }
    }

    /// Reads one more bit of each nonzero coefficient, starting at `at`, until `zeros` zeros were skipped or the band ends.
    /// Returns the position where it stopped.
    fn refine(&mut self, block: &mut Block, mut at: usize, mut zeros: Option<usize>) -> usize {
        let bit = 1i16 << self.band.low;
        while at <= self.band.last {
            let value = &mut block[usize::from(ZIGZAG[at])];
            if *value == 0 {
                match &mut zeros {
                    Some(0) => break,
                    Some(zeros) => *zeros -= 1,
                    None => {}
                }
            } else if self.bits.take(1) == 1 && *value & bit == 0 {
                *value = value.wrapping_add(if *value > 0 { bit } else { -bit });
            }
            at += 1;
        }
        at
    }
}
