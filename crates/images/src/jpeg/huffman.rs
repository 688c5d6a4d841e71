//! Huffman tables and the bit reader.

use crate::defect::Defect;

/// Codes up to this length are decoded with one lookup.
const LOOKUP_BITS: u32 = 9;

/// A table of codes.
#[derive(Clone, Debug)]
pub(super) struct HuffmanTable {
    /// Indexed by the next [`LOOKUP_BITS`] bits: the length of the code in the upper byte and its symbol in the lower, or 0.
    lookup: [u16; 1 << LOOKUP_BITS],
    /// For each length, the first longer code, left-aligned to 16 bits.
    limits: [u32; 17],
    /// For each length, the difference between the index of a symbol and its code.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl HuffmanTable {
    /// Builds the table with `counts[i]` codes of `i + 1` bits.
    ///
    /// # Errors
    /// Returns an error if there are more codes of a length than that many bits can encode.
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
                    return Err(Defect::broken("Huffman table with too many codes"));
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

/// Reads bits of entropy-coded data up to the next marker. Beyond the end it reads zeros.
#[derive(Debug)]
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, starting at the most significant one.
    buffer: u64,
    /// The number of bits in the buffer.
    count: u32,
    /// The number of zero bits added after the end of the data.
    padding: u32,
    /// Whether invalid data was read.
    is_invalid: bool,
}

impl<'a> BitReader<'a> {
    pub(super) fn of(data: &'a [u8]) -> Self {
        Self { data, at: 0, buffer: 0, count: 0, padding: 0, is_invalid: false }
    }

    /// Skips to the data after the next restart marker, which must have this number, 0 to 7.
    ///
    /// # Errors
    /// Returns an error if it has another number.
    pub(super) fn restart(&mut self, number: u8) -> Result<(), Defect> {
        // Reading ahead stops at a marker, so none has been skipped.
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
                "restart marker {} instead of {number}",
                marker.wrapping_sub(0xd0)
            ))),
            None => Err(Defect::truncated(format!("restart marker {number} is missing"))),
        }
    }

    /// Refills the buffer to at least 57 bits.
    #[inline]
    fn fill(&mut self) {
        if let Some(word) = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_be_bytes(*word);
            // No byte is 255 if no byte of the inverse is zero.
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

    /// Returns the next byte of data, or zero after the last.
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

    /// Reads the next `n` bits, 0 to 16, as a number.
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

    /// Reads the next `n` bits as a signed number in the coding of JPEG: a first bit of 0 means negative.
    #[inline]
    pub(super) fn take_signed(&mut self, n: u32) -> i32 {
        let value = self.take(n);
        if n > 0 && value < 1 << (n - 1) { value - (1 << n) + 1 } else { value }
    }

    /// Reads the next symbol; 0 if the bits are not a code of the table, which [`Self::check`] reports.
    #[inline]
    pub(super) fn symbol(&mut self, table: &HuffmanTable) -> u8 {
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
    fn long_symbol(&mut self, table: &HuffmanTable) -> u8 {
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

    /// Checks that everything read so far was present and valid.
    ///
    /// # Errors
    /// Returns an error if it was not.
    #[inline]
    pub(super) fn check(&self) -> Result<(), Defect> {
        match (self.is_invalid, self.padding > self.count) {
            (false, false) => Ok(()),
            // Codes that are invalid only because of the added zeros mean that data is missing.
            (true, false) if self.padding == 0 => Err(Defect::broken("invalid Huffman code")),
            _ => Err(Defect::truncated("the scan ends early")),
        }
    }

    /// Records that the data is invalid.
    #[cold]
    pub(super) fn mark_invalid(&mut self) {
        self.is_invalid = true;
    }
}
