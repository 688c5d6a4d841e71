//! A reader for MATLAB's MAT files, version 5, limited to what `meta.mat` of the development kit needs: arrays of structs with
//! text or number fields. Follows "MAT-File Format" (The MathWorks). Every length is checked before it is used.

use std::io::Read;

use crate::{Error, Result};

/// The size of the file header: text and a version.
const HEADER: usize = 128;

/// The maximum size of an unpacked element: the kit's file has less than one million bytes.
const MAX_SIZE: u64 = 64 << 20;

// Data types.
const INT8: u32 = 1;
const UINT8: u32 = 2;
const INT16: u32 = 3;
const UINT16: u32 = 4;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const SINGLE: u32 = 7;
const DOUBLE: u32 = 9;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
const UTF8: u32 = 16;

// Array classes.
const STRUCT: u8 = 2;
const CHAR: u8 = 4;

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Numbers(Vec<f64>),
    /// A value that is not needed.
    Other,
}

/// A struct: the names and values of its fields.
pub(super) type Struct = Vec<(String, Value)>;

/// Reads the structs of the first array of that name.
///
/// # Errors
/// Returns an error if the file is in another format, is truncated, or has no such array.
pub(super) fn structs(file: &[u8], name: &str) -> Result<Vec<Struct>> {
    if file.len() < HEADER || file[126..128] != *b"IM" || file[124..126] != [0, 1] {
        return Err(broken("it does not start like a little-endian MAT file of version 5"));
    }
    let mut rest = &file[HEADER..];
    while !rest.is_empty() {
        let (kind, data, after) = element(rest)?;
        let unpacked;
        let (kind, data) = if kind == COMPRESSED {
            unpacked = inflate(data)?;
            let (kind, data, _) = element(&unpacked)?;
            (kind, data)
        } else {
            (kind, data)
        };
        if kind == MATRIX
            && let Some(records) = records(data, name)?
        {
            return Ok(records);
        }
        rest = after;
    }
    Err(broken(&format!("no array of structs named `{name}`")))
}

fn broken(what: &str) -> Error {
    Error::data(format!("not the MAT file of a development kit: {what}"))
}

fn inflate(data: &[u8]) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    let read = flate2::read::ZlibDecoder::new(data).take(MAX_SIZE + 1).read_to_end(&mut unpacked);
    read.map_err(|error| broken(&format!("cannot unpack a compressed element: {error}")))?;
    if unpacked.len() as u64 > MAX_SIZE {
        return Err(broken(&format!("an element unpacks to more than {MAX_SIZE} bytes")));
    }
    Ok(unpacked)
}

/// Splits off the first element: its type, its data, and the rest.
fn element(bytes: &[u8]) -> Result<(u32, &[u8], &[u8])> {
    let word = |at: usize| -> Result<u32> {
        let word = bytes.get(at..at + 4).ok_or_else(|| broken("it is truncated"))?;
        Ok(u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
    };
    let first = word(0)?;
    // Up to four bytes are stored in the tag itself.
    if first >> 16 != 0 {
        let len = (first >> 16) as usize;
        if len > 4 || bytes.len() < 8 {
            return Err(broken("a small element has more than four bytes"));
        }
        return Ok((first & 0xffff, &bytes[4..4 + len], &bytes[8..]));
    }
    let len = word(4)? as usize;
    let data = bytes.get(8..).and_then(|rest| rest.get(..len)).ok_or_else(|| broken("it is truncated"))?;
    // Compressed elements are not padded, others to eight bytes; the last may lack the padding.
    let padded = if first == COMPRESSED { len } else { len.div_ceil(8) * 8 };
    Ok((first, data, &bytes[(8 + padded).min(bytes.len())..]))
}

/// Splits off the next element, which must have this type.
fn expect<'a>(rest: &mut &'a [u8], kind: u32, what: &str) -> Result<&'a [u8]> {
    let (found, data, after) = element(rest)?;
    if found != kind {
        return Err(broken(&format!("{what} has type {found}, expected {kind}")));
    }
    *rest = after;
    Ok(data)
}

/// Parses the class, number of elements and name of an array, and returns the rest.
fn array(data: &[u8]) -> Result<(u8, usize, String, &[u8])> {
    let mut rest = data;
    let flags = expect(&mut rest, UINT32, "an array's flags")?;
    let class = *flags.first().ok_or_else(|| broken("an array has no flags"))?;
    let sizes = expect(&mut rest, INT32, "an array's size")?;
    let sizes = sizes.as_chunks::<4>().0.iter().map(|&size| i32::from_le_bytes(size));
    let count =
        sizes.map(|size| usize::try_from(size).ok()).try_fold(1usize, |all, size| all.checked_mul(size?));
    let count = count.filter(|&count| count <= data.len()).ok_or_else(|| broken("invalid array size"))?;
    let name = expect(&mut rest, INT8, "an array's name")?;
    Ok((class, count, String::from_utf8_lossy(name).into_owned(), rest))
}

/// Parses the structs of an array; `None` if it is another array.
fn records(data: &[u8], name: &str) -> Result<Option<Vec<Struct>>> {
    let (class, count, found, mut rest) = array(data)?;
    if class != STRUCT || name != found {
        return Ok(None);
    }
    let width = expect(&mut rest, INT32, "the length of field names")?;
    let width = width.first_chunk().map_or(0, |&width| i32::from_le_bytes(width));
    let width = usize::try_from(width).ok().filter(|&width| width > 0);
    let width = width.ok_or_else(|| broken("field names without a length"))?;
    let names: Vec<String> = expect(&mut rest, INT8, "field names")?
        .chunks(width)
        .map(|name| {
            String::from_utf8_lossy(name.split(|&byte| byte == 0).next().unwrap_or(name)).into_owned()
        })
        .collect();
    // A value takes at least a tag of eight bytes.
    if names.is_empty() || count.checked_mul(8 * names.len()).is_none_or(|least| least > rest.len()) {
        return Err(broken("fewer values than declared"));
    }
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let mut record = Vec::with_capacity(names.len());
        for name in &names {
            record.push((name.clone(), value(expect(&mut rest, MATRIX, name)?)?));
        }
        all.push(record);
    }
    Ok(Some(all))
}

/// Parses the value of a field.
fn value(data: &[u8]) -> Result<Value> {
    // An empty array may have no data at all.
    if data.is_empty() {
        return Ok(Value::Other);
    }
    let (class, count, _, rest) = array(data)?;
    match class {
        CHAR => {
            let (kind, data, _) = element(rest)?;
            Ok(Value::Text(text(kind, data)))
        }
        // Numbers may be stored in a shorter type.
        6..=13 if count > 0 => {
            let (kind, data, _) = element(rest)?;
            let numbers = numbers(kind, data)?;
            if numbers.len() != count {
                return Err(broken(&format!("{} numbers, expected {count}", numbers.len())));
            }
            Ok(Value::Numbers(numbers))
        }
        _ => Ok(Value::Other),
    }
}

fn text(kind: u32, data: &[u8]) -> String {
    match kind {
        UINT16 | INT16 => {
            let units: Vec<u16> =
                data.as_chunks::<2>().0.iter().map(|&unit| u16::from_le_bytes(unit)).collect();
            String::from_utf16_lossy(&units)
        }
        // Single bytes are Latin-1.
        INT8 | UINT8 => data.iter().map(|&byte| char::from(byte)).collect(),
        _ => String::from_utf8_lossy(data).into_owned(),
    }
}

fn numbers(kind: u32, data: &[u8]) -> Result<Vec<f64>> {
    let (shorts, words, longs) = (data.as_chunks::<2>().0, data.as_chunks::<4>().0, data.as_chunks::<8>().0);
    Ok(match kind {
        INT8 => data.iter().map(|&byte| f64::from(byte.cast_signed())).collect(),
        UINT8 => data.iter().map(|&byte| f64::from(byte)).collect(),
        INT16 => shorts.iter().map(|&short| f64::from(i16::from_le_bytes(short))).collect(),
        UINT16 => shorts.iter().map(|&short| f64::from(u16::from_le_bytes(short))).collect(),
        INT32 => words.iter().map(|&word| f64::from(i32::from_le_bytes(word))).collect(),
        UINT32 => words.iter().map(|&word| f64::from(u32::from_le_bytes(word))).collect(),
        SINGLE => words.iter().map(|&word| f64::from(f32::from_le_bytes(word))).collect(),
        DOUBLE => longs.iter().map(|&long| f64::from_le_bytes(long)).collect(),
        UTF8 => return Err(broken("text where numbers are expected")),
        other => return Err(broken(&format!("numbers of unknown type {other}"))),
    })
}
