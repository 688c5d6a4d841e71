//! The outermost fields of a protocol buffer, by which messages are told apart before they are parsed.

use std::collections::BTreeSet;

/// How a field is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WireType {
    /// A number of up to ten bytes.
    Varint,
    /// Eight bytes.
    Bits64,
    /// A length and as many bytes.
    Sized,
    /// Four bytes.
    Bits32,
}

/// The most fields that are looked at.
const FIELDS: usize = 1 << 16;

/// The numbers and types of the outermost fields, up to the end or the first that is cut off, which is included. `None` if the
/// bytes are no protocol buffer.
pub(super) fn fields(bytes: &[u8]) -> Option<BTreeSet<(u64, WireType)>> {
    let mut found = BTreeSet::new();
    let mut rest = bytes;
    for _ in 0..FIELDS {
        if rest.is_empty() {
            break;
        }
        let tag = varint(&mut rest)?;
        let wire = match tag & 7 {
            0 => WireType::Varint,
            1 => WireType::Bits64,
            2 => WireType::Sized,
            5 => WireType::Bits32,
            _ => return None,
        };
        let number = tag >> 3;
        if !(1..1 << 29).contains(&number) {
            return None;
        }
        found.insert((number, wire));
        let len = match wire {
            WireType::Varint => {
                varint(&mut rest)?;
                0
            }
            WireType::Bits64 => 8,
            WireType::Bits32 => 4,
            WireType::Sized => varint(&mut rest)?,
        };
        match usize::try_from(len).ok().and_then(|len| rest.get(len..)) {
            Some(after) => rest = after,
            None => break,
        }
    }
    (!found.is_empty()).then_some(found)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outermost_fields_are_listed() {
        let found = fields(b"\x08\x07\x3a\x02ab\x3a\x01c").unwrap();
        assert_eq!(found, BTreeSet::from([(1, WireType::Varint), (7, WireType::Sized)]));
        // Field 100, cut off.
        assert_eq!(fields(b"\xa2\x06\xff\x01ab").unwrap(), BTreeSet::from([(100, WireType::Sized)]));
        assert_eq!(fields(b"\x0d\0\0\0\0\x09\0\0\0\0\0\0\0\0").unwrap().len(), 2);
        // A group, field 0, an endless number, nothing.
        for bytes in [&b"\x0b"[..], b"\x02\x00", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b""] {
            assert_eq!(fields(bytes), None, "{bytes:?}");
        }
    }
}
