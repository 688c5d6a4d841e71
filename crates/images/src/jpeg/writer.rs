//! Writes coefficients as a file: one sequential frame with the example Huffman codes of the standard.

use super::scan::{Block, ZIGZAG};
use super::segments::{EOI, SOS};

/// A component to write.
#[derive(Debug)]
pub(super) struct WrittenComponent {
    pub(super) id: u8,
    pub(super) h: usize,
    pub(super) v: usize,
    /// The number of blocks in a row, padded to whole units.
    pub(super) columns: usize,
    /// Padded to whole units, row-major.
    pub(super) blocks: Vec<Block>,
    /// Row-major.
    pub(super) quantization: [u16; 64],
}

/// Code lengths and symbols of annex K.3 for DC and AC coefficients: luma, then chroma.
const DC: [([u8; 16], &[u8]); 2] = [
    ([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ([0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
];
const AC: [([u8; 16], &[u8]); 2] = [
    (
        [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125],
        b"\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08\x23\x42\xb1\xc1\
        \x15\x52\xd1\xf0\x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\x27\x28\x29\x2a\x34\x35\x36\x37\x38\x39\
        \x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\
        \x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\
        \xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\
        \xd9\xda\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa",
    ),
    (
        [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119],
        b"\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\xa1\xb1\xc1\x09\
        \x23\x33\x52\xf0\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\x1a\x26\x27\x28\x29\x2a\x35\x36\x37\x38\
        \x39\x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\
        \x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\
        \xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\
        \xd7\xd8\xd9\xda\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa",
    ),
];

/// The maximum number of blocks in a unit of an interleaved scan.
const MAX_BLOCKS: usize = 10;

/// Writes a file of `width` x `height` pixels; `metadata` are segments to put first. `None` if a coefficient is too large for
/// the Huffman codes, which cannot happen with 8-bit samples.
pub(super) fn write(
    width: u16,
    height: u16,
    components: &[WrittenComponent],
    metadata: &[u8],
) -> Option<Vec<u8>> {
    let mut out = [&[0xff, 0xd8], metadata].concat();
    // Components keep sharing tables.
    let mut tables: Vec<&[u16; 64]> = Vec::new();
    let chosen: Vec<usize> = components
        .iter()
        .map(|component| match tables.iter().position(|table| **table == component.quantization) {
            Some(known) => known,
            None => {
                tables.push(&component.quantization);
                tables.len() - 1
            }
        })
        .collect();
    for (number, table) in tables.iter().enumerate() {
        let values = ZIGZAG.iter().map(|&place| table[usize::from(place)]);
        let wide = table.iter().any(|&step| step > 255);
        let mut payload = vec![(u8::from(wide) << 4) | number as u8];
        match wide {
            true => payload.extend(values.flat_map(u16::to_be_bytes)),
            false => payload.extend(values.map(|step| step as u8)),
        }
        segment(&mut out, 0xdb, &payload);
    }
    let mut frame = vec![8];
    frame.extend(height.to_be_bytes());
    frame.extend(width.to_be_bytes());
    frame.push(components.len() as u8);
    for (component, &table) in components.iter().zip(&chosen) {
        frame.extend([component.id, (component.h as u8) << 4 | component.v as u8, table as u8]);
    }
    segment(
        &mut out,
        0xc0 | u8::from(tables.iter().any(|table| table.iter().any(|&step| step > 255))),
        &frame,
    );
    for (class, codes) in [(0x00, DC), (0x10, AC)] {
        for (number, (counts, symbols)) in codes.iter().enumerate() {
            segment(&mut out, 0xc4, &[&[class | number as u8], counts.as_slice(), symbols].concat());
        }
    }
    let blocks: usize = components.iter().map(|component| component.h * component.v).sum();
    let all: Vec<usize> = (0..components.len()).collect();
    if components.len() > 1 && blocks <= MAX_BLOCKS {
        scan(&mut out, (width, height), components, &all)?;
    } else {
        all.chunks(1).try_for_each(|alone| scan(&mut out, (width, height), components, alone))?;
    }
    out.extend([0xff, EOI]);
    Some(out)
}

fn segment(out: &mut Vec<u8>, marker: u8, payload: &[u8]) {
    out.extend([0xff, marker]);
    out.extend((payload.len() as u16 + 2).to_be_bytes());
    out.extend(payload);
}

/// Writes one scan, of all components or of one.
fn scan(out: &mut Vec<u8>, size: (u16, u16), components: &[WrittenComponent], part: &[usize]) -> Option<()> {
    // The first component is luma or a color channel.
    let codes = |component: usize| usize::from(component > 0 && components.len() == 3);
    let mut header = vec![part.len() as u8];
    part.iter().for_each(|&i| header.extend([components[i].id, 0x11 * codes(i) as u8]));
    header.extend([0, 63, 0]);
    segment(out, SOS, &header);
    let h_max = components.iter().map(|component| component.h).max()?;
    let v_max = components.iter().map(|component| component.v).max()?;
    let (width, height) = (usize::from(size.0), usize::from(size.1));
    let (across, down) = match part {
        &[alone] => {
            let WrittenComponent { h, v, .. } = components[alone];
            ((width * h).div_ceil(h_max).div_ceil(8), (height * v).div_ceil(v_max).div_ceil(8))
        }
        _ => (width.div_ceil(8 * h_max), height.div_ceil(8 * v_max)),
    };
    let codebooks = [0, 1].map(|i| (codebook(&DC[i]), codebook(&AC[i])));
    let mut bits = BitWriter { out, buffer: 0, count: 0 };
    let mut predicted = [0; 4];
    for (row, column) in (0..down).flat_map(|row| (0..across).map(move |column| (row, column))) {
        for &i in part {
            let component = &components[i];
            let (h, v) = if part.len() == 1 { (1, 1) } else { (component.h, component.v) };
            for (y, x) in (0..v).flat_map(|y| (0..h).map(move |x| (y, x))) {
                let block = &component.blocks[(row * v + y) * component.columns + column * h + x];
                let (dc, ac) = &codebooks[codes(i)];
                bits.block(block, &mut predicted[i], dc, ac)?;
            }
        }
    }
    // The last byte is padded with ones.
    bits.put(0x7f, 7);
    Some(())
}

/// The code and its length for each symbol.
type Codebook = [Option<(u16, u32)>; 256];

fn codebook((counts, symbols): &([u8; 16], &[u8])) -> Codebook {
    let mut book = [None; 256];
    let (mut code, mut symbols) = (0, symbols.iter());
    for (length, &count) in (1..).zip(counts) {
        for &symbol in symbols.by_ref().take(count.into()) {
            book[usize::from(symbol)] = Some((code, length));
            code += 1;
        }
        code <<= 1;
    }
    book
}

/// Writes bits.
struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    buffer: u32,
    count: u32,
}

impl BitWriter<'_> {
    /// Writes up to 16 bits. A zero is stuffed after each byte of ones.
    fn put(&mut self, value: u16, length: u32) {
        self.buffer = self.buffer << length | u32::from(value);
        self.count += length;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.buffer >> self.count) as u8;
            self.out.push(byte);
            if byte == 0xff {
                self.out.push(0);
            }
        }
    }

    fn block(&mut self, block: &Block, predicted: &mut i32, dc: &Codebook, ac: &Codebook) -> Option<()> {
        let first = i32::from(block[0]);
        self.value(0, first - *predicted, dc)?;
        *predicted = first;
        let mut zeros = 0;
        for &place in &ZIGZAG[1..] {
            let value = i32::from(block[usize::from(place)]);
            if value == 0 {
                zeros += 1;
                continue;
            }
            while zeros >= 16 {
                let (code, length) = ac[0xf0]?;
                self.put(code, length);
                zeros -= 16;
            }
            self.value(zeros, value, ac)?;
            zeros = 0;
        }
        if zeros > 0 {
            let (code, length) = ac[0]?;
            self.put(code, length);
        }
        Some(())
    }

    /// Writes a value after `zeros` zeros, 0 to 15.
    fn value(&mut self, zeros: usize, value: i32, book: &Codebook) -> Option<()> {
        let size = 32 - value.unsigned_abs().leading_zeros();
        let (code, length) = (*book.get(zeros << 4 | size as usize)?)?;
        self.put(code, length);
        let written = if value < 0 { value - 1 } else { value };
        if size > 0 {
            self.put((written & ((1 << size) - 1)) as u16, size);
        }
        Some(())
    }
}
