//! The memory of the machine: the values of a pickle, a stack of them, and those that are remembered. Errors are texts, which
//! [`load`](super::load) completes by a position.

use std::collections::{BTreeSet, HashMap};

use super::value::{Value, ValueId};

/// The most values of a pickle. The weights are outside of it: state dicts have a few hundred, checkpoints with the state of an
/// optimizer a few thousand.
const MAX_VALUES: usize = 1 << 22;

// Values without content, which are shared.
const NONE: ValueId = ValueId(0);
const FALSE: ValueId = ValueId(1);
const TRUE: ValueId = ValueId(2);
const EMPTY_TUPLE: ValueId = ValueId(3);
const REFUSED: ValueId = ValueId(4);

pub(super) struct Stack<'a> {
    /// All values, of which some are no longer on the stack.
    pub(super) values: Vec<Value<'a>>,
    /// The names of functions and classes that are not known, each once.
    pub(super) refused: BTreeSet<String>,
    ids: Vec<ValueId>,
    /// Positions in the stack, at or above the one before.
    marks: Vec<usize>,
    memo: HashMap<usize, ValueId>,
    /// The number of pairs that dictionaries were copied from lists.
    copied: usize,
}

impl<'a> Stack<'a> {
    pub(super) fn new() -> Self {
        let values = vec![
            Value::None,
            Value::Bool(false),
            Value::Bool(true),
            Value::Tuple(Vec::new()),
            Value::Refused,
        ];
        Self {
            values,
            refused: BTreeSet::new(),
            ids: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            copied: 0,
        }
    }

    /// Pushes a value.
    pub(super) fn push(&mut self, value: Value<'a>) -> Result<(), String> {
        let id = match &value {
            Value::None => NONE,
            Value::Bool(false) => FALSE,
            Value::Bool(true) => TRUE,
            Value::Tuple(items) if items.is_empty() => EMPTY_TUPLE,
            Value::Refused => REFUSED,
            _ => {
                check_count(self.values.len().max(self.copied) + 1)?;
                self.values.push(value);
                ValueId(self.values.len() - 1)
            }
        };
        self.push_old(id)
    }

    /// Pushes a value that exists.
    pub(super) fn push_old(&mut self, id: ValueId) -> Result<(), String> {
        check_count(self.ids.len() + 1)?;
        self.ids.push(id);
        Ok(())
    }

    /// Pushes a dictionary with a copy of the pairs in a list. A few operations can copy a long list many times.
    pub(super) fn push_copy(&mut self, pairs: Vec<(ValueId, ValueId)>) -> Result<(), String> {
        self.copied += pairs.len();
        self.push(Value::Dict(pairs))
    }

    /// Pushes what stands for a function or class that is not known.
    pub(super) fn push_refused(&mut self, name: String) -> Result<(), String> {
        self.refused.insert(name);
        self.push(Value::Refused)
    }

    /// The value at the top of the stack, which must be above the last mark.
    pub(super) fn top(&self) -> Result<ValueId, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.ids.last() {
            Some(&id) if self.ids.len() > floor => Ok(id),
            Some(_) | None => Err("the stack is empty".into()),
        }
    }

    pub(super) fn pop(&mut self) -> Result<ValueId, String> {
        let top = self.top()?;
        self.ids.pop();
        Ok(top)
    }

    /// Marks the top of the stack.
    pub(super) fn mark(&mut self) -> Result<(), String> {
        check_count(self.marks.len() + 1)?;
        self.marks.push(self.ids.len());
        Ok(())
    }

    /// The values above the last mark.
    pub(super) fn pop_mark(&mut self) -> Result<Vec<ValueId>, String> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.ids.len());
        mark.map(|mark| self.ids.split_off(mark)).ok_or_else(|| "there is no mark".into())
    }

    /// Removes the top of the stack: a value, or a mark if nothing is above it.
    pub(super) fn drop_top(&mut self) -> Result<(), String> {
        match self.marks.last() == Some(&self.ids.len()) {
            true => drop(self.marks.pop()),
            false => drop(self.pop()?),
        }
        Ok(())
    }

    /// The number of values that are remembered.
    pub(super) fn remembered(&self) -> usize {
        self.memo.len()
    }

    /// Remembers the value at the top of the stack.
    pub(super) fn remember(&mut self, key: usize) -> Result<(), String> {
        check_count(self.memo.len() + 1)?;
        self.memo.insert(key, self.top()?);
        Ok(())
    }

    /// Pushes a value that is remembered.
    pub(super) fn recall(&mut self, key: usize) -> Result<(), String> {
        let id = self.memo.get(&key).copied();
        self.push_old(id.ok_or_else(|| format!("nothing is remembered as {key}"))?)
    }
}

fn check_count(count: usize) -> Result<(), String> {
    match count <= MAX_VALUES {
        true => Ok(()),
        false => Err(format!("more than {MAX_VALUES} values, too many for a state dict")),
    }
}
