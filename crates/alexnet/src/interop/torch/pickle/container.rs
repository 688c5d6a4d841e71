//! Tuples, lists and dictionaries from values on the stack. Errors are texts, which [`load`](super::load) completes by a
//! position.

use super::stack::Stack;
use super::value::{Value, ValueId};

/// EMPTY_DICT, EMPTY_LIST, EMPTY_SET, TUPLE, TUPLE1, TUPLE2, TUPLE3, LIST, DICT, FROZENSET. Sets are lists here.
pub(super) fn build(operation: u8, stack: &mut Stack<'_>) -> Result<(), String> {
    let value = match operation {
        b'}' => Value::Dict(Vec::new()),
        b']' | 0x8f => Value::List(Vec::new()),
        b't' | 0x91 => Value::Tuple(stack.pop_mark()?),
        b'l' => Value::List(stack.pop_mark()?),
        b'd' => Value::Dict(pairs(&stack.pop_mark()?)?),
        _ => {
            let mut items = Vec::new();
            for _ in 0x84..operation {
                items.insert(0, stack.pop()?);
            }
            Value::Tuple(items)
        }
    };
    stack.push(value)
}

/// APPEND, APPENDS, ADDITEMS, SETITEM, SETITEMS.
pub(super) fn fill(operation: u8, stack: &mut Stack<'_>) -> Result<(), String> {
    let items = match operation {
        b'a' => vec![stack.pop()?],
        b's' => {
            let value = stack.pop()?;
            vec![stack.pop()?, value]
        }
        _ => stack.pop_mark()?,
    };
    let pairs = if matches!(operation, b's' | b'u') { pairs(&items)? } else { Vec::new() };
    let target = stack.top()?;
    match (&mut stack.values[target.0], operation) {
        (Value::Dict(all), b's' | b'u') => all.extend(pairs),
        (Value::List(all), b'a' | b'e' | 0x90) => all.extend(items),
        (Value::Refused, _) => {}
        (other, _) => return Err(format!("items are added to {}", other.kind())),
    }
    Ok(())
}

fn pairs(items: &[ValueId]) -> Result<Vec<(ValueId, ValueId)>, String> {
    match items.as_chunks::<2>() {
        (pairs, []) => Ok(pairs.iter().map(|&[key, value]| (key, value)).collect()),
        (_, _) => Err("a dictionary has a key without value".into()),
    }
}
