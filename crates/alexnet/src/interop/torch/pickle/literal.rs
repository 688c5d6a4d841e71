//! Values that stand in the pickle itself: numbers, texts and bytes. Errors are texts, which [`load`](super::load) completes by
//! a position.

use super::reader::PickleReader;
use super::value::Value;

/// INT, BININT, BININT1, LONG, BININT2, LONG1, LONG4, FLOAT, BINFLOAT.
pub(super) fn number<'a>(operation: u8, reader: &mut PickleReader<'a>) -> Result<Value<'a>, String> {
    Ok(match operation {
        b'J' => Value::Int(reader.i32()?.into()),
        b'K' => Value::Int(reader.u8()?.into()),
        b'M' => Value::Int(reader.u16()?.into()),
        b'G' => Value::Float(reader.f64_big_endian()?),
        0x8a => integer(reader.sized(1)?),
        0x8b => integer(reader.sized(4)?),
        _ => return number_in_text(operation, reader.line()?),
    })
}

fn number_in_text<'a>(operation: u8, line: &str) -> Result<Value<'a>, String> {
    let value = match (operation, line) {
        (b'I', "00") => Some(Value::Bool(false)),
        (b'I', "01") => Some(Value::Bool(true)),
        (b'F', _) => line.parse().ok().map(Value::Float),
        _ => line.trim_end_matches('L').parse().ok().map(Value::Int),
    };
    value.ok_or_else(|| "a number is expected".into())
}

/// An integer in two's complement, little-endian.
fn integer(bytes: &[u8]) -> Value<'_> {
    let sign = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    let mut word = [sign; 16];
    match word.get_mut(..bytes.len()) {
        Some(low) => {
            low.copy_from_slice(bytes);
            Value::Int(i128::from_le_bytes(word))
        }
        None => Value::Bytes(bytes),
    }
}

/// STRING, BINSTRING, SHORT_BINSTRING, UNICODE, BINUNICODE, SHORT_BINUNICODE, BINUNICODE8.
pub(super) fn text<'a>(operation: u8, reader: &mut PickleReader<'a>) -> Result<Value<'a>, String> {
    let bytes = match operation {
        b'S' => reader.line()?.trim_matches(['\'', '"']).as_bytes(),
        b'V' => reader.line()?.as_bytes(),
        b'U' | 0x8c => reader.sized(1)?,
        b'T' | b'X' => reader.sized(4)?,
        _ => reader.sized(8)?,
    };
    // Names of tensors need no escapes.
    let is_escaped = matches!(operation, b'S' | b'V') && bytes.contains(&b'\\');
    Ok(match std::str::from_utf8(bytes) {
        Ok(text) if !is_escaped => Value::Text(text),
        Ok(_) | Err(_) => Value::Bytes(bytes),
    })
}

/// BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8.
pub(super) fn bytes<'a>(operation: u8, reader: &mut PickleReader<'a>) -> Result<Value<'a>, String> {
    let bytes = match operation {
        b'C' => reader.sized(1)?,
        b'B' => reader.sized(4)?,
        _ => reader.sized(8)?,
    };
    Ok(Value::Bytes(bytes))
}
