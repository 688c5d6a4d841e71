//! The binary format, protobuf's wire format: reading.

use super::message::{MAX_VALUES, Message, Unknown, Value};
use super::origin::Origin;
use super::schema::{Field, FieldKind, Label, Schema};
use crate::format::decimal;
use crate::{Error, Result};

/// The largest file of the format: protobuf's implementations count bytes in 32-bit integers with sign.
pub(super) const MAX_BYTES: usize = i32::MAX as usize;

/// Wire types.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// What a file has besides the values of known fields.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    /// Fields that the schema lacks.
    pub(super) unknown: Unknown,
    /// Whether numbers in double precision were rounded.
    pub(super) rounded: bool,
}

/// Decodes a message with these fields. Memory is bounded by the size of the file, and recursion by the depth of the schema.
///
/// # Errors
/// Returns an error if the bytes are not such a message, or end in the middle. The message states the position.
pub(super) fn decode(bytes: &[u8], origin: &Origin, schema: &'static Schema) -> Result<(Message, Remarks)> {
    if bytes.len() > MAX_BYTES {
        return Err(origin
            .refuse(None, format!("{} bytes, and protobuf messages have at most {MAX_BYTES}", bytes.len()))
            .help("Caffe itself cannot read larger files: specify one that it wrote"));
    }
    let mut decoder = Decoder { origin, remarks: Remarks::default(), values: 0 };
    let message = decoder.message(&mut Reader { bytes, position: 0 }, schema, "")?;
    Ok((message, decoder.remarks))
}

/// A part of the file, with its position.
struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Reads a number of seven bits per byte; `None` if it is cut off or longer than 64 bits.
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return (shift < 63 || byte <= 1).then_some(value);
            }
        }
        None
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        self.position += count;
        Some(taken)
    }
}

/// A value as stored.
enum Stored<'a> {
    Number(u64),
    Bits64([u8; 8]),
    Bytes(Reader<'a>),
    Bits32([u8; 4]),
}

struct Decoder<'a> {
    origin: &'a Origin,
    remarks: Remarks,
    values: usize,
}

impl Decoder<'_> {
    /// Decodes the fields of a message. `path` names the message.
    fn message(&mut self, reader: &mut Reader<'_>, schema: &'static Schema, path: &str) -> Result<Message> {
        let mut message = Message::default();
        let mut seen = vec![false; schema.fields.len()];
        while !reader.bytes.is_empty() {
            let start = reader.position;
            let key = reader.varint().filter(|key| *key >> 3 != 0 && *key >> 3 < 1 << 29);
            let Some(key) = key else { return Err(self.damaged(start, path, "no valid field number")) };
            let number = (key >> 3) as u32;
            let at = schema.fields.iter().position(|field| field.number == number);
            let name = at.map_or_else(|| format!("field {number}"), |at| schema.fields[at].name.to_owned());
            let inner = if path.is_empty() { name } else { format!("{path}.{name}") };
            let stored = self.stored(reader, key & 7, start, &inner)?;
            let Some(at) = at else {
                self.remarks.unknown.add(&inner, None);
                continue;
            };
            let field = &schema.fields[at];
            if let FieldKind::Unused = field.kind {
                continue;
            }
            if let (FieldKind::Message(_), Label::Optional, true) = (field.kind, field.label, seen[at]) {
                return Err(self.damaged(start, &inner, "a second value, expected one"));
            }
            seen[at] = true;
            self.field(field, stored, start, &inner, &mut message)?;
        }
        Ok(message)
    }

    /// Reads a value by its wire type.
    fn stored<'a>(&self, reader: &mut Reader<'a>, wire: u64, start: usize, path: &str) -> Result<Stored<'a>> {
        let cut = |reader: &Reader<'_>| {
            self.damaged(start, path, &format!("{} bytes are left, which are too few", reader.bytes.len()))
        };
        match wire {
            VARINT => match reader.varint() {
                Some(value) => Ok(Stored::Number(value)),
                None => Err(cut(reader)),
            },
            FIXED64 => match reader.take(8).and_then(|bytes| bytes.try_into().ok()) {
                Some(bits) => Ok(Stored::Bits64(bits)),
                None => Err(cut(reader)),
            },
            FIXED32 => match reader.take(4).and_then(|bytes| bytes.try_into().ok()) {
                Some(bits) => Ok(Stored::Bits32(bits)),
                None => Err(cut(reader)),
            },
            BYTES => {
                let Some(length) = reader.varint() else { return Err(cut(reader)) };
                let position = reader.position;
                let left = reader.bytes.len();
                match usize::try_from(length).ok().and_then(|length| reader.take(length)) {
                    Some(bytes) => Ok(Stored::Bytes(Reader { bytes, position })),
                    None => {
                        Err(self.damaged(start, path, &format!("{length} bytes, of which {left} are left")))
                    }
                }
            }
            _ => Err(self.damaged(start, path, &format!("wire type {wire}, expected 0, 1, 2 or 5"))),
        }
    }

    fn field(
        &mut self,
        field: &'static Field,
        stored: Stored<'_>,
        start: usize,
        path: &str,
        into: &mut Message,
    ) -> Result<()> {
        let wrong =
            |decoder: &Self| decoder.damaged(start, path, "a value of another type than in caffe.proto");
        let value = match (field.kind, stored) {
            (FieldKind::Message(schema), Stored::Bytes(mut inner)) => {
                Value::Message(self.message(&mut inner, schema, path)?)
            }
            (FieldKind::Text, Stored::Bytes(inner)) => match str::from_utf8(inner.bytes) {
                Ok(text) => Value::Text(text.to_owned()),
                Err(_) => return Err(self.damaged(start, path, "not UTF-8")),
            },
            (FieldKind::Floats, Stored::Bytes(inner)) => {
                let (values, []) = inner.bytes.as_chunks::<4>() else { return Err(wrong(self)) };
                Value::Floats(values.iter().map(|bits| f32::from_le_bytes(*bits)).collect())
            }
            (FieldKind::Floats, Stored::Bits32(bits)) => Value::Floats(vec![f32::from_le_bytes(bits)]),
            (FieldKind::Doubles, Stored::Bytes(inner)) => {
                let (values, []) = inner.bytes.as_chunks::<8>() else { return Err(wrong(self)) };
                Value::Floats(values.iter().map(|bits| self.round(*bits)).collect())
            }
            (FieldKind::Doubles, Stored::Bits64(bits)) => Value::Floats(vec![self.round(bits)]),
            // Numbers of a repeated field may be packed.
            (FieldKind::Int | FieldKind::Bool | FieldKind::Enum(_), Stored::Bytes(mut inner))
                if field.label == Label::Repeated =>
            {
                while !inner.bytes.is_empty() {
                    let Some(number) = inner.varint() else { return Err(wrong(self)) };
                    let Some(value) = integral(field.kind, number) else { return Err(wrong(self)) };
                    self.store(field, value, into)?;
                }
                return Ok(());
            }
            (FieldKind::Float, Stored::Bytes(inner)) if field.label == Label::Repeated => {
                let (values, []) = inner.bytes.as_chunks::<4>() else { return Err(wrong(self)) };
                for bits in values {
                    let Some(value) = single(*bits) else { return Err(wrong(self)) };
                    self.store(field, value, into)?;
                }
                return Ok(());
            }
            (FieldKind::Int | FieldKind::Bool | FieldKind::Enum(_), Stored::Number(number)) => {
                match integral(field.kind, number) {
                    Some(value) => value,
                    None => {
                        return Err(self.damaged(
                            start,
                            path,
                            &format!("the value {number}, which has no meaning"),
                        ));
                    }
                }
            }
            (FieldKind::Float, Stored::Bits32(bits)) => match single(bits) {
                Some(value) => value,
                None => return Err(self.damaged(start, path, "a number that is not finite")),
            },
            (
                FieldKind::Int
                | FieldKind::Float
                | FieldKind::Bool
                | FieldKind::Text
                | FieldKind::Enum(_)
                | FieldKind::Message(_)
                | FieldKind::Floats
                | FieldKind::Doubles
                | FieldKind::Unused,
                _,
            ) => return Err(wrong(self)),
        };
        self.store(field, value, into)
    }

    fn store(&mut self, field: &'static Field, value: Value, into: &mut Message) -> Result<()> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(self
                .origin
                .refuse(None, format!("more than {MAX_VALUES} values besides those of blobs"))
                .help("specify a .caffemodel file that Caffe wrote"));
        }
        into.store(field, value, None);
        Ok(())
    }

    fn round(&mut self, bits: [u8; 8]) -> f32 {
        let value = f64::from_le_bytes(bits);
        let single = value as f32;
        self.remarks.rounded |= f64::from(single) != value && value.is_finite();
        single
    }

    fn damaged(&self, position: usize, path: &str, what: &str) -> Error {
        let place = if path.is_empty() { String::new() } else { format!(", `{path}`") };
        self.origin.refuse(None, format!("byte {position}{place}: {what}")).help(
            "the file is cut off, damaged, or not of this format: download or copy it again and compare its size; a \
             .caffemodel file is a NetParameter and a mean image a BlobProto of caffe.proto",
        )
    }
}

/// The meaning of an integer; `None` if it has none.
fn integral(kind: FieldKind, number: u64) -> Option<Value> {
    match kind {
        FieldKind::Int => Some(Value::Int(number as i64)),
        FieldKind::Bool => Some(Value::Bool(number != 0)),
        FieldKind::Enum(names) => {
            let found = names.iter().find(|(_, known)| *known == number as i64);
            found.map(|(name, _)| Value::Enum(name))
        }
        FieldKind::Float
        | FieldKind::Text
        | FieldKind::Message(_)
        | FieldKind::Floats
        | FieldKind::Doubles
        | FieldKind::Unused => None,
    }
}

fn single(bits: [u8; 4]) -> Option<Value> {
    let value = f32::from_le_bytes(bits);
    value.is_finite().then(|| Value::Float(decimal(value)))
}
