//! The stack machine that a pickle is a program for.

use std::collections::BTreeSet;

use super::reader::PickleReader;
use super::stack::Stack;
use super::value::{StorageRef, Value, ValueId};
use super::{call, container, literal, rebuild};
use crate::Error;

/// The highest protocol of pickles that is read; Python's default is 5.
const HIGHEST_PROTOCOL: u8 = 5;

/// The content of a pickle.
#[derive(Debug)]
pub(in crate::interop::torch) struct Pickle<'a> {
    /// All values.
    values: Vec<Value<'a>>,
    /// The value that was pickled.
    pub(in crate::interop::torch) root: ValueId,
    /// The names of functions and classes that are not known, each once.
    pub(in crate::interop::torch) refused: BTreeSet<String>,
    /// The number of bytes read: several pickles can follow each other.
    pub(in crate::interop::torch) len: usize,
}

impl<'a> Pickle<'a> {
    pub(in crate::interop::torch) fn value(&self, id: ValueId) -> &Value<'a> {
        &self.values[id.0]
    }

    /// The storages that the pickle refers to.
    pub(in crate::interop::torch) fn storages(&self) -> impl Iterator<Item = StorageRef<'a>> {
        self.values.iter().filter_map(|value| match value {
            Value::Storage(storage) => Some(*storage),
            _ => None,
        })
    }
}

/// Reads the pickle that `bytes` start with.
///
/// # Errors
/// Returns an error if it is not a valid pickle, or uses operations that no state dict needs.
pub(in crate::interop::torch) fn load(bytes: &[u8]) -> crate::Result<Pickle<'_>> {
    let (mut reader, mut stack) = (PickleReader::new(bytes), Stack::new());
    let root = run(&mut reader, &mut stack);
    let len = reader.position();
    let root = root.map_err(|what| Error::model(format!("invalid pickle at byte {len}: {what}")))?;
    Ok(Pickle { values: stack.values, root, refused: stack.refused, len })
}

/// Executes operations until the last, and returns the value that is then at the top of the stack.
fn run<'a>(reader: &mut PickleReader<'a>, stack: &mut Stack<'a>) -> Result<ValueId, String> {
    loop {
        match reader.u8()? {
            b'.' => return stack.pop(),
            operation => execute(operation, reader, stack)?,
        }
    }
}

fn execute<'a>(operation: u8, reader: &mut PickleReader<'a>, stack: &mut Stack<'a>) -> Result<(), String> {
    match operation {
        // PROTO, FRAME: frames are read one after the other anyway.
        0x80 => check_protocol(reader.u8()?),
        0x95 => reader.take(8).map(drop),
        // MARK, POP, POP_MARK, DUP.
        b'(' => stack.mark(),
        b'0' => stack.drop_top(),
        b'1' => stack.pop_mark().map(drop),
        b'2' => stack.push_old(stack.top()?),
        b'N' => stack.push(Value::None),
        0x88 => stack.push(Value::Bool(true)),
        0x89 => stack.push(Value::Bool(false)),
        b')' => stack.push(Value::Tuple(Vec::new())),
        b'I' | b'J' | b'K' | b'L' | b'M' | 0x8a | 0x8b | b'F' | b'G' => {
            stack.push(literal::number(operation, reader)?)
        }
        b'S' | b'T' | b'U' | b'V' | b'X' | 0x8c | 0x8d => stack.push(literal::text(operation, reader)?),
        b'B' | b'C' | 0x8e | 0x96 => stack.push(literal::bytes(operation, reader)?),
        b'p' | b'q' | b'r' => stack.remember(memo_key(operation, reader)?),
        // MEMOIZE.
        0x94 => stack.remember(stack.remembered()),
        b'g' | b'h' | b'j' => stack.recall(memo_key(operation, reader)?),
        b'}' | b']' | 0x8f | b't' | 0x85 | 0x86 | 0x87 | b'l' | b'd' | 0x91 => {
            container::build(operation, stack)
        }
        b'a' | b'e' | 0x90 | b's' | b'u' => container::fill(operation, stack),
        b'c' | 0x93 | b'i' | b'o' | 0x82 | 0x83 | 0x84 => call::name(operation, reader, stack),
        b'R' | 0x81 | 0x92 => call::call(operation, stack),
        b'b' => call::set_state(stack),
        b'Q' => {
            let id = stack.pop()?;
            stack.push(rebuild::persistent(&stack.values, id)?)
        }
        b'P' | 0x97 | 0x98 => Err("it refers to data outside of the file".into()),
        other => Err(format!("unknown operation {other:#04x}")),
    }
}

fn check_protocol(protocol: u8) -> Result<(), String> {
    match protocol {
        0..=HIGHEST_PROTOCOL => Ok(()),
        newer => Err(format!(
            "protocol {newer}, expected at most {HIGHEST_PROTOCOL}: save it with `torch.save(..., pickle_protocol=2)`"
        )),
    }
}

/// A key of the memo: PUT and GET as text, BINPUT and BINGET in a byte, LONG_BINPUT and LONG_BINGET in four.
fn memo_key(operation: u8, reader: &mut PickleReader<'_>) -> Result<usize, String> {
    match operation {
        b'q' | b'h' => reader.u8().map(usize::from),
        b'r' | b'j' => reader.u32().map(|key| key as usize),
        _ => reader.line()?.parse().map_err(|_| "a number is expected".into()),
    }
}
