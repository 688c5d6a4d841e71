//! Writing messages, in both formats. The same message is always the same bytes.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::message::{Entry, Message, Value};
use super::schema::{Field, FieldKind, Schema};

/// Formats a message in the text format.
pub(super) fn text(message: &Message) -> String {
    let mut out = String::new();
    lines(message, 0, &mut out);
    out
}

fn lines(message: &Message, depth: usize, out: &mut String) {
    for Entry { name, value, .. } in &message.entries {
        let indent = "  ".repeat(depth);
        // Writing to a string cannot fail.
        let _ = match value {
            Value::Int(value) => writeln!(out, "{indent}{name}: {value}"),
            Value::Ints(values) => {
                values.iter().try_for_each(|value| writeln!(out, "{indent}{name}: {value}"))
            }
            Value::Float(value) => writeln!(out, "{indent}{name}: {}", *value as f32),
            Value::Bool(value) => writeln!(out, "{indent}{name}: {value}"),
            Value::Text(value) => writeln!(out, "{indent}{name}: {}", quoted(value)),
            Value::Enum(value) => writeln!(out, "{indent}{name}: {value}"),
            Value::Floats(values) => {
                values.iter().try_for_each(|value| writeln!(out, "{indent}{name}: {value}"))
            }
            Value::Message(inner) => {
                let _ = writeln!(out, "{indent}{name} {{");
                lines(inner, depth + 1, out);
                writeln!(out, "{indent}}}")
            }
        };
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The length of a message in the binary format, in bytes.
pub(super) fn binary_len(message: &Message, schema: &'static Schema) -> usize {
    message.entries.iter().map(|entry| entry_len(entry, field(entry, schema))).sum()
}

/// Writes a message in the binary format.
///
/// # Errors
/// Returns an error if `out` fails.
pub(super) fn binary(message: &Message, schema: &'static Schema, out: &mut dyn Write) -> io::Result<()> {
    message.entries.iter().try_for_each(|entry| write_entry(entry, field(entry, schema), out))
}

fn field(entry: &Entry, schema: &'static Schema) -> &'static Field {
    schema.by_name(entry.name).expect("messages to be written consist of fields of the schema")
}

fn entry_len(entry: &Entry, field: &'static Field) -> usize {
    let key = varint_len(u64::from(field.number) << 3);
    let prefixed = |length: usize| varint_len(length as u64) + length;
    key + match &entry.value {
        Value::Ints(values) => prefixed(packed_len(values)),
        Value::Int(value) => varint_len(*value as u64),
        Value::Float(_) => 4,
        Value::Bool(_) => 1,
        Value::Text(text) => prefixed(text.len()),
        Value::Enum(name) => varint_len(number_of(name, field)),
        Value::Message(inner) => prefixed(binary_len(inner, inner_schema(field))),
        Value::Floats(values) => prefixed(4 * values.len()),
    }
}

fn write_entry(entry: &Entry, field: &'static Field, out: &mut dyn Write) -> io::Result<()> {
    let key = |wire: u64| u64::from(field.number) << 3 | wire;
    match &entry.value {
        Value::Ints(values) => {
            varint(key(2), out)?;
            varint(packed_len(values) as u64, out)?;
            values.iter().try_for_each(|value| varint(*value as u64, out))
        }
        Value::Int(value) => {
            varint(key(0), out)?;
            varint(*value as u64, out)
        }
        Value::Float(value) => {
            varint(key(5), out)?;
            out.write_all(&(*value as f32).to_le_bytes())
        }
        Value::Bool(value) => {
            varint(key(0), out)?;
            varint(u64::from(*value), out)
        }
        Value::Text(text) => {
            varint(key(2), out)?;
            varint(text.len() as u64, out)?;
            out.write_all(text.as_bytes())
        }
        Value::Enum(name) => {
            varint(key(0), out)?;
            varint(number_of(name, field), out)
        }
        Value::Message(inner) => {
            let schema = inner_schema(field);
            varint(key(2), out)?;
            varint(binary_len(inner, schema) as u64, out)?;
            binary(inner, schema, out)
        }
        Value::Floats(values) => {
            varint(key(2), out)?;
            varint(4 * values.len() as u64, out)?;
            values.chunks(4096).try_for_each(|chunk| {
                let bytes: Vec<u8> = chunk.iter().flat_map(|value| value.to_le_bytes()).collect();
                out.write_all(&bytes)
            })
        }
    }
}

fn packed_len(values: &[i64]) -> usize {
    values.iter().map(|value| varint_len(*value as u64)).sum()
}

/// The number of an enumeration's value.
fn number_of(name: &str, field: &'static Field) -> u64 {
    let FieldKind::Enum(names) = field.kind else { unreachable!("a name is a value of an enumeration") };
    let number = names.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    number.expect("messages to be written have names of the schema") as u64
}

fn inner_schema(field: &'static Field) -> &'static Schema {
    let FieldKind::Message(schema) = field.kind else {
        unreachable!("a message is a value of a message field")
    };
    schema
}

/// The number of bytes of [`varint`].
fn varint_len(value: u64) -> usize {
    (64 - value.max(1).leading_zeros() as usize).div_ceil(7)
}

/// Writes a number of seven bits per byte.
fn varint(mut value: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut bytes = [0; 10];
    let mut length = 0;
    loop {
        bytes[length] = value as u8 & 0x7f;
        value >>= 7;
        length += 1;
        if value == 0 {
            break;
        }
        bytes[length - 1] |= 0x80;
    }
    out.write_all(&bytes[..length])
}
