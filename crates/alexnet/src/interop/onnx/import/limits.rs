//! How much memory a file may take before it is parsed: messages of a few bytes become structures of a hundred.

use crate::{Error, Result};

/// The most fields of messages in a file. A network of a hundred layers has a few thousand.
const MAX_FIELDS: usize = 1 << 19;
/// The deepest nesting of messages: a branch in a branch has a depth of ten.
const MAX_DEPTH: usize = 40;

/// A message whose fields are counted.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Info,
    Type,
    TensorType,
    Shape,
    /// One without messages in it.
    Leaf,
}

impl Message {
    /// The message in a field, if it is one.
    fn field(self, number: u64) -> Option<Self> {
        match (self, number) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Some(Self::Graph),
            (Self::Model, 8 | 14 | 25) | (Self::Tensor, 13) | (Self::Graph, 15) => Some(Self::Leaf),
            (Self::Graph, 1) => Some(Self::Node),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) => Some(Self::Tensor),
            (Self::Graph, 11..=13) => Some(Self::Info),
            (Self::Info, 2) => Some(Self::Type),
            (Self::Type, 1) => Some(Self::TensorType),
            (Self::TensorType, 2) => Some(Self::Shape),
            (Self::Shape, 1) => Some(Self::Leaf),
            (Self::Node, 5) => Some(Self::Attribute),
            _ => None,
        }
    }
}

/// Checks that the fields of a file are complete, and not more than any network needs.
///
/// # Errors
/// Returns an error if the file is truncated, is no protocol buffer, or has too many fields.
pub(super) fn check(bytes: &[u8]) -> Result<()> {
    let mut fields = 0;
    walk(bytes, Message::Model, 0, &mut fields)
}

fn walk(bytes: &[u8], message: Message, depth: usize, fields: &mut usize) -> Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        *fields += 1;
        if *fields > MAX_FIELDS || depth > MAX_DEPTH {
            return Err(Error::model(format!(
                "the file has more than {MAX_FIELDS} fields, or messages nested more than {MAX_DEPTH} deep: more than any chain of layers"
            ))
            .help("export the network alone, for inference"));
        }
        let tag = varint(&mut rest)?;
        let size = match tag & 7 {
            0 => {
                varint(&mut rest)?;
                0
            }
            1 => 8,
            2 => varint(&mut rest)?,
            5 => 4,
            wire => return Err(malformed(&format!("a field has the wire type {wire}"))),
        };
        let size = usize::try_from(size).ok().filter(|&size| size <= rest.len());
        let Some(size) = size else {
            return Err(malformed("it ends in the middle of a field"));
        };
        let (content, after) = rest.split_at(size);
        if let (2, Some(inner)) = (tag & 7, message.field(tag >> 3)) {
            walk(content, inner, depth + 1, fields)?;
        }
        rest = after;
    }
    Ok(())
}

fn varint(rest: &mut &[u8]) -> Result<u64> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let Some((&byte, after)) = rest.split_first() else {
            return Err(malformed("it ends in the middle of a number"));
        };
        *rest = after;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(malformed("a number has more than ten bytes"))
}

/// The error for bytes that are no model.
pub(super) fn malformed(why: &str) -> Error {
    Error::model(format!("not an ONNX file, or truncated: {why}"))
        .help("copy or download the file again; `onnx.checker.check_model` of Python checks it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_messages_pass_and_others_are_explained() {
        check(b"\x08\x07\x3a\x04\x0a\x02\x22\x00").unwrap();
        for (bytes, expected) in [
            (&b"\x08"[..], "middle of a number"),
            (b"\x3a\x05\x0a\x02\x22", "middle of a field"),
            // The field of a node reaches beyond its graph.
            (b"\x3a\x02\x0a\x09\x22\x00", "middle of a field"),
            (b"\x0b", "wire type 3"),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "more than ten bytes"),
            (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "middle of a field"),
        ] {
            let error = check(bytes).unwrap_err();
            assert!(error.message.contains(expected) && error.help.is_some(), "{bytes:?}: {error}");
        }
    }

    #[test]
    fn many_empty_nodes_are_refused_before_they_are_parsed() {
        let nodes = [0x0a, 0x00].repeat(MAX_FIELDS + 1);
        let mut file = vec![0x3a];
        let mut size = nodes.len();
        while size >= 0x80 {
            file.push(size as u8 | 0x80);
            size >>= 7;
        }
        file.push(size as u8);
        file.extend(&nodes);
        assert!(check(&file).unwrap_err().message.contains("more than"));
        // As many bytes in a string are no fields.
        file[0] = 0x12;
        check(&file).unwrap();
    }

    #[test]
    fn nesting_is_bounded() {
        let mut inner = Vec::new();
        for _ in 0..MAX_DEPTH {
            // A graph of a node of an attribute of this graph.
            for tag in [0x32_u8, 0x2a, 0x0a] {
                let mut size = inner.len();
                let mut outer = vec![tag];
                while size >= 0x80 {
                    outer.push(size as u8 | 0x80);
                    size >>= 7;
                }
                outer.push(size as u8);
                outer.append(&mut inner);
                inner = outer;
            }
        }
        let file = [&[0x3a, inner.len() as u8 | 0x80, (inner.len() >> 7) as u8][..], &inner].concat();
        assert!(check(&file).unwrap_err().message.contains("nested"), "{}", inner.len());
    }
}
