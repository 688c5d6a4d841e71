//! Functions and classes, and calls of them: none is executed. Errors are texts, which [`load`](super::load) completes by a
//! position.

use super::constructor::Constructor;
use super::reader::PickleReader;
use super::rebuild::{self, Made};
use super::stack::Stack;
use super::value::Value;

/// GLOBAL, STACK_GLOBAL: a function or class. INST, OBJ: and a call of it. EXT1, EXT2, EXT4: a registered one.
pub(super) fn name<'a>(
    operation: u8,
    reader: &mut PickleReader<'a>,
    stack: &mut Stack<'a>,
) -> Result<(), String> {
    match operation {
        b'c' => {
            let (module, name) = (reader.line()?, reader.line()?);
            push_named(module, name, stack)
        }
        0x93 => {
            let (name, module) = (stack.pop()?, stack.pop()?);
            match (&stack.values[module.0], &stack.values[name.0]) {
                (&Value::Text(module), &Value::Text(name)) => push_named(module, name, stack),
                (_, _) => Err("the name of a class is not a string".into()),
            }
        }
        b'i' => {
            let (module, name) = (reader.line()?, reader.line()?);
            let arguments = Value::Tuple(stack.pop_mark()?);
            push_named(module, name, stack)?;
            stack.push(arguments)?;
            call(b'R', stack)
        }
        b'o' => {
            let mut items = stack.pop_mark()?;
            if items.is_empty() {
                return Err("a class is missing".into());
            }
            stack.push_old(items.remove(0))?;
            stack.push(Value::Tuple(items))?;
            call(b'R', stack)
        }
        _ => {
            let code = reader.length(1 << (operation - 0x82))?;
            stack.push_refused(format!("extension code {code}"))
        }
    }
}

/// Pushes the function or class with this name.
fn push_named(module: &str, name: &str, stack: &mut Stack<'_>) -> Result<(), String> {
    match Constructor::named(module, name) {
        Some(constructor) => stack.push(Value::Constructor(constructor)),
        None => stack.push_refused(format!("{module}.{name}")),
    }
}

/// REDUCE, NEWOBJ, NEWOBJ_EX: what a function or class makes of its arguments.
pub(super) fn call(operation: u8, stack: &mut Stack<'_>) -> Result<(), String> {
    let named = match operation {
        0x92 => Some(stack.pop()?),
        _ => None,
    };
    let (arguments, callee) = (stack.pop()?, stack.pop()?);
    let constructor = match &stack.values[callee.0] {
        Value::Constructor(constructor) => *constructor,
        Value::Refused => return stack.push(Value::Refused),
        other => return Err(format!("{} is called", other.kind())),
    };
    if named.is_some_and(|id| stack.values[id.0] != Value::Dict(Vec::new())) {
        return Err("a constructor has named arguments".into());
    }
    match rebuild::call(&stack.values, constructor, arguments)? {
        Made::New(Value::Dict(pairs)) => stack.push_copy(pairs),
        Made::New(value) => stack.push(value),
        Made::Old(id) => stack.push_old(id),
    }
}

/// BUILD: attributes of an object. Those of an `OrderedDict` are the versions of modules.
pub(super) fn set_state(stack: &mut Stack<'_>) -> Result<(), String> {
    stack.pop()?;
    match &stack.values[stack.top()?.0] {
        Value::Dict(_) | Value::Refused => Ok(()),
        other => Err(format!("{} has attributes", other.kind())),
    }
}
