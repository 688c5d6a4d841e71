//! Huffman codes and the bits that they are read from.

use super::Defect;

/// Codes up to this long are looked up at once.
const LOOKUP_BITS: u32 = 9;

/// One table of codes.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// By the next [`LOOKUP_BITS`] bits: the code's length in the upper byte and its symbol in the lower, or 0.
    lookup: [u16; 1 << LOOKUP_BITS],
    /// For each length, the first code that is longer, filled up to 16 bits.
    limits: [u32; 17],
    /// For each length, what added to a code makes the index of its symbol.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl Table {
    /// The table with `counts[i]` codes of `i + 1` bits.
    ///
    /// # Errors
    /// When there are more codes of a length than bits can tell apart.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self, Defect> {
        let mut table = Self {
            lookup: [0; 1 << LOOKUP_BITS],
            limits: [0; 17],
            offsets: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut index) = (0u32, 0usize);
        for (length, &count) in (1u32..).zip(counts) {
            let count = usize::from(count);
            table.offsets[length as usize] = index as i32 - code as i32;
            for _ in 0..count {
                if code >> length != 0 {
                    return Err(Defect::broken("a Huffman table with too many codes"));
                }
                if length <= LOOKUP_BITS {
                    let shift = LOOKUP_BITS - length;
                    let first = (code << shift) as usize;
                    let entry = (length as u16) << 8 | u16::from(symbols[index]);
                    table.lookup[first..first + (1 << shift)].fill(entry);
                }
                code += 1;
                index += 1;
            }
            table.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok(table)
    }
}

/// The bits of one stretch of entropy-coded data, which ends at a marker. Beyond the end, zeros are read.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, from the uppermost.
    buffer: u64,
    /// How many of them are filled.
    count: u32,
    /// How many zeros were added at the end of the data.
    padding: u32,
    /// Whether something was read that makes no sense.
    is_invalid: bool,
}

impl<'a> Bits<'a> {
    pub(super) fn of(data: &'a [u8]) -> Self {
        Self { data, at: 0, buffer: 0, count: 0, padding: 0, is_invalid: false }
    }

    /// Goes over to the data after the next restart marker, which has to be of this number, 0 to 7.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn restart(&mut self, number: u8) -> Result<(), Defect> {
        // Bytes that were read ahead are no markers: the buffer ends at the first.
        let marker = loop {
            match self.data.get(self.at..) {
                Some([0xff, 0xff, ..]) => self.at += 1,
                Some([0xff, 0x00, ..]) => self.at += 2,
                Some(&[0xff, marker, ..]) => break Some(marker),
                Some([_, ..]) => self.at += 1,
                _ => break None,
            }
        };
        match marker {
            Some(marker) if marker == 0xd0 + number => {
                *self = Self { at: self.at + 2, ..Self::of(self.data) };
                Ok(())
            }
            Some(marker) => Err(Defect::truncated(format!(
                "restart marker {} follows where {number} should",
                marker.wrapping_sub(0xd0)
            ))),
            None => Err(Defect::truncated(format!("restart marker {number} is missing"))),
        }
    }

    /// Fills the buffer to at least 57 bits.
    #[inline]
    fn fill(&mut self) {
        if let Some(word) = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_be_bytes(*word);
            // No byte of it is 255: no byte of its inverse is zero.
            let inverse = !word;
            if inverse.wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080 == 0 {
                let bytes = (64 - self.count) / 8;
                if bytes > 0 {
                    let kept = if bytes == 8 { word } else { word >> (64 - 8 * bytes) << (64 - 8 * bytes) };
                    self.buffer |= kept >> self.count;
                    self.at += bytes as usize;
                    self.count += 8 * bytes;
                }
                return;
            }
        }
        while self.count <= 56 {
            let byte = self.next_byte();
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next byte of data, or a zero after the last.
    fn next_byte(&mut self) -> u8 {
        loop {
            match self.data.get(self.at..) {
                Some(&[byte, ..]) if byte != 0xff => {
                    self.at += 1;
                    return byte;
                }
                Some([0xff, 0x00, ..]) => {
                    self.at += 2;
                    return 0xff;
                }
                Some([0xff, 0xff, ..]) => self.at += 1,
                _ => {
                    self.padding = self.padding.saturating_add(8);
                    return 0;
                }
            }
        }
    }

    /// The next `n` bits, 0 to 16, as a number.
    #[inline]
    pub(super) fn take(&mut self, n: u32) -> i32 {
        if n == 0 {
            return 0;
        }
        if self.count < n {
            self.fill();
        }
        let value = (self.buffer >> (64 - n)) as i32;
        self.drop(n);
        value
    }

    #[inline]
    fn drop(&mut self, n: u32) {
        self.buffer <<= n;
        self.count -= n;
    }

    /// The next `n` bits as JPEG writes signed numbers: those without the first bit are negative.
    #[inline]
    pub(super) fn take_signed(&mut self, n: u32) -> i32 {
        let value = self.take(n);
        if n > 0 && value < 1 << (n - 1) { value - (1 << n) + 1 } else { value }
    }

    /// The symbol of the next code; 0 where the bits are no code of the table, which [`Self::check`] tells.
    #[inline]
    pub(super) fn symbol(&mut self, table: &Table) -> u8 {
        if self.count < 32 {
            self.fill();
        }
        let entry = table.lookup[(self.buffer >> (64 - LOOKUP_BITS)) as usize];
        if entry != 0 {
            self.drop(u32::from(entry >> 8));
            return entry as u8;
        }
        self.long_symbol(table)
    }

    #[cold]
    fn long_symbol(&mut self, table: &Table) -> u8 {
        let bits = (self.buffer >> 48) as u32;
        let length = (LOOKUP_BITS + 1..=16).find(|&length| bits < table.limits[length as usize]);
        let symbol = length.and_then(|length| {
            let index = (bits >> (16 - length)) as i32 + table.offsets[length as usize];
            table.symbols.get(usize::try_from(index).ok()?).copied()
        });
        match (symbol, length) {
            (Some(symbol), Some(length)) => {
                self.drop(length);
                symbol
            }
            _ => {
                self.is_invalid = true;
                0
            }
        }
    }

    /// Whether everything so far was there, and made sense.
    ///
    /// # Errors
    /// When it was not.
    #[inline]
    pub(super) fn check(&self) -> Result<(), Defect> {
        match (self.is_invalid, self.padding > self.count) {
            (false, false) => Ok(()),
            // Codes that are wrong because zeros follow the data are not wrong in the data.
            (true, false) if self.padding == 0 => Err(Defect::broken("bits that are no Huffman code")),
            _ => Err(Defect::truncated("a scan ends early")),
        }
    }

    /// Remembers that what was read makes no sense.
    #[cold]
    pub(super) fn refuse(&mut self) {
        self.is_invalid = true;
    }
}
