//! The stack machine that a pickle is a program for.

use std::collections::{BTreeSet, HashMap};

use super::constructor::Constructor;
use super::reader::PickleReader;
use super::rebuild;
use super::value::{StorageRef, Value, ValueId};
use crate::Result;

/// The highest protocol of pickles that is read; Python's default is 5.
const HIGHEST_PROTOCOL: u8 = 5;

/// The most values of a pickle. The weights are outside of it: state dicts have a few hundred, checkpoints with the state of an
/// optimizer a few thousand.
const MAX_VALUES: usize = 1 << 22;

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
pub(in crate::interop::torch) fn load(bytes: &[u8]) -> Result<Pickle<'_>> {
    let mut machine = Machine::new(bytes);
    while let Step::Continue = machine.step()? {}
    let root = machine.pop()?;
    let len = machine.reader.position();
    Ok(Pickle { values: machine.values, root, refused: machine.refused, len })
}

/// Whether the pickle goes on.
enum Step {
    Continue,
    Stop,
}

struct Machine<'a> {
    reader: PickleReader<'a>,
    values: Vec<Value<'a>>,
    stack: Vec<ValueId>,
    /// Positions in the stack, at or above the one before.
    marks: Vec<usize>,
    memo: HashMap<usize, ValueId>,
    refused: BTreeSet<String>,
    /// The number of pairs that dictionaries were copied from lists.
    copied: usize,
}

// Values without content, which are shared.
const NONE: ValueId = ValueId(0);
const FALSE: ValueId = ValueId(1);
const TRUE: ValueId = ValueId(2);
const EMPTY_TUPLE: ValueId = ValueId(3);
const REFUSED: ValueId = ValueId(4);

impl<'a> Machine<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let values = vec![
            Value::None,
            Value::Bool(false),
            Value::Bool(true),
            Value::Tuple(Vec::new()),
            Value::Refused,
        ];
        Self {
            reader: PickleReader::new(bytes),
            values,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            refused: BTreeSet::new(),
            copied: 0,
        }
    }

    /// Executes one operation.
    fn step(&mut self) -> Result<Step> {
        let operation = self.reader.u8()?;
        if self.stack.len() > MAX_VALUES {
            return Err(self
                .reader
                .error(format!("more than {MAX_VALUES} values, too many for a state dict")));
        }
        match operation {
            b'.' => return Ok(Step::Stop),
            // PROTO, FRAME: frames are read one after the other anyway.
            0x80 => self.protocol()?,
            0x95 => drop(self.reader.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' | b'1' | b'2' => self.rearrange(operation)?,
            b'N' => self.stack.push(NONE),
            0x88 => self.stack.push(TRUE),
            0x89 => self.stack.push(FALSE),
            b')' => self.stack.push(EMPTY_TUPLE),
            b'I' | b'J' | b'K' | b'L' | b'M' | 0x8a | 0x8b | b'F' | b'G' => self.number(operation)?,
            b'S' | b'T' | b'U' | b'V' | b'X' | 0x8c | 0x8d => self.text(operation)?,
            b'B' | b'C' | 0x8e | 0x96 => self.bytes(operation)?,
            b'p' | b'q' | b'r' | 0x94 => self.put(operation)?,
            b'g' | b'h' | b'j' => self.get(operation)?,
            b'}' | b']' | 0x8f | b't' | 0x85 | 0x86 | 0x87 | b'l' | b'd' | 0x91 => {
                self.build_container(operation)?
            }
            b'a' | b'e' | 0x90 | b's' | b'u' => self.fill(operation)?,
            b'c' | 0x93 | b'i' | b'o' | 0x82 | 0x83 | 0x84 => self.name(operation)?,
            b'R' | 0x81 | 0x92 => self.call(operation)?,
            b'b' => self.set_state()?,
            b'Q' => {
                let id = self.pop()?;
                let value = rebuild::persistent(&self.values, id).map_err(|what| self.reader.error(what))?;
                self.push(value)?;
            }
            b'P' | 0x97 | 0x98 => return Err(self.reader.error("it refers to data outside of the file")),
            other => return Err(self.reader.error(format!("unknown operation {other:#04x}"))),
        }
        Ok(Step::Continue)
    }

    fn protocol(&mut self) -> Result<()> {
        match self.reader.u8()? {
            0..=HIGHEST_PROTOCOL => Ok(()),
            newer => Err(self.reader.error(format!(
                "protocol {newer}, expected at most {HIGHEST_PROTOCOL}: save it with `torch.save(..., pickle_protocol=2)`"
            ))),
        }
    }

    fn push(&mut self, value: Value<'a>) -> Result<()> {
        if self.values.len().max(self.copied) >= MAX_VALUES {
            return Err(self
                .reader
                .error(format!("more than {MAX_VALUES} values, too many for a state dict")));
        }
        self.stack.push(ValueId(self.values.len()));
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<ValueId> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// The top of the stack, which must be above the last mark.
    fn top(&self) -> Result<ValueId> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(&id) if self.stack.len() > floor => Ok(id),
            Some(_) | None => Err(self.reader.error("the stack is empty")),
        }
    }

    /// The values above the last mark.
    fn pop_mark(&mut self) -> Result<Vec<ValueId>> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len());
        mark.map(|mark| self.stack.split_off(mark)).ok_or_else(|| self.reader.error("there is no mark"))
    }

    /// POP, POP_MARK, DUP.
    fn rearrange(&mut self, operation: u8) -> Result<()> {
        match operation {
            b'0' if self.marks.last() == Some(&self.stack.len()) => drop(self.marks.pop()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            _ => self.stack.push(self.top()?),
        }
        Ok(())
    }

    /// INT, BININT, BININT1, LONG, BININT2, LONG1, LONG4, FLOAT, BINFLOAT.
    fn number(&mut self, operation: u8) -> Result<()> {
        let value = match operation {
            b'J' => Value::Int(self.reader.i32()?.into()),
            b'K' => Value::Int(self.reader.u8()?.into()),
            b'M' => Value::Int(self.reader.u16()?.into()),
            b'G' => Value::Float(self.reader.f64_big_endian()?),
            0x8a => integer(self.reader.sized(1)?),
            0x8b => integer(self.reader.sized(4)?),
            _ => return self.number_in_text(operation),
        };
        self.push(value)
    }

    fn number_in_text(&mut self, operation: u8) -> Result<()> {
        let line = self.reader.line()?;
        let value = match (operation, line) {
            (b'I', "00") => {
                self.stack.push(FALSE);
                return Ok(());
            }
            (b'I', "01") => {
                self.stack.push(TRUE);
                return Ok(());
            }
            (b'F', _) => line.parse().ok().map(Value::Float),
            _ => line.trim_end_matches('L').parse().ok().map(Value::Int),
        };
        let value = value.ok_or_else(|| self.reader.error("a number is expected"))?;
        self.push(value)
    }

    /// STRING, BINSTRING, SHORT_BINSTRING, UNICODE, BINUNICODE, SHORT_BINUNICODE, BINUNICODE8.
    fn text(&mut self, operation: u8) -> Result<()> {
        let bytes = match operation {
            b'S' => self.reader.line()?.trim_matches(['\'', '"']).as_bytes(),
            b'V' => self.reader.line()?.as_bytes(),
            b'U' | 0x8c => self.reader.sized(1)?,
            b'T' | b'X' => self.reader.sized(4)?,
            _ => self.reader.sized(8)?,
        };
        // Names of tensors need no escapes.
        let is_escaped = matches!(operation, b'S' | b'V') && bytes.contains(&b'\\');
        let value = match std::str::from_utf8(bytes) {
            Ok(text) if !is_escaped => Value::Text(text),
            Ok(_) | Err(_) => Value::Bytes(bytes),
        };
        self.push(value)
    }

    /// BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8.
    fn bytes(&mut self, operation: u8) -> Result<()> {
        let bytes = match operation {
            b'C' => self.reader.sized(1)?,
            b'B' => self.reader.sized(4)?,
            _ => self.reader.sized(8)?,
        };
        self.push(Value::Bytes(bytes))
    }

    /// A key of the memo: PUT and GET as text, BINPUT and BINGET in a byte, LONG_BINPUT and LONG_BINGET in four.
    fn memo_key(&mut self, operation: u8) -> Result<usize> {
        match operation {
            b'q' | b'h' => self.reader.u8().map(usize::from),
            b'r' | b'j' => self.reader.u32().map(|key| key as usize),
            0x94 => Ok(self.memo.len()),
            _ => {
                let line = self.reader.line()?;
                line.parse().map_err(|_| self.reader.error("a number is expected"))
            }
        }
    }

    fn put(&mut self, operation: u8) -> Result<()> {
        let key = self.memo_key(operation)?;
        self.memo.insert(key, self.top()?);
        Ok(())
    }

    fn get(&mut self, operation: u8) -> Result<()> {
        let key = self.memo_key(operation)?;
        let id = self.memo.get(&key).copied();
        self.stack.push(id.ok_or_else(|| self.reader.error(format!("nothing is remembered as {key}")))?);
        Ok(())
    }

    /// EMPTY_DICT, EMPTY_LIST, EMPTY_SET, TUPLE, TUPLE1, TUPLE2, TUPLE3, LIST, DICT, FROZENSET. Sets are lists here.
    fn build_container(&mut self, operation: u8) -> Result<()> {
        let value = match operation {
            b'}' => Value::Dict(Vec::new()),
            b']' | 0x8f => Value::List(Vec::new()),
            b't' | 0x91 => Value::Tuple(self.pop_mark()?),
            b'l' => Value::List(self.pop_mark()?),
            b'd' => {
                let items = self.pop_mark()?;
                Value::Dict(self.pairs(&items)?)
            }
            _ => {
                let mut items = Vec::new();
                for _ in 0x84..operation {
                    items.insert(0, self.pop()?);
                }
                Value::Tuple(items)
            }
        };
        self.push(value)
    }

    fn pairs(&self, items: &[ValueId]) -> Result<Vec<(ValueId, ValueId)>> {
        match items.as_chunks::<2>() {
            (pairs, []) => Ok(pairs.iter().map(|&[key, value]| (key, value)).collect()),
            (_, _) => Err(self.reader.error("a dictionary has a key without value")),
        }
    }

    /// APPEND, APPENDS, ADDITEMS, SETITEM, SETITEMS.
    fn fill(&mut self, operation: u8) -> Result<()> {
        let items = match operation {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_mark()?,
        };
        let pairs = if matches!(operation, b's' | b'u') { self.pairs(&items)? } else { Vec::new() };
        let target = self.top()?;
        match (&mut self.values[target.0], operation) {
            (Value::Dict(all), b's' | b'u') => all.extend(pairs),
            (Value::List(all), b'a' | b'e' | 0x90) => all.extend(items),
            (Value::Refused, _) => {}
            (other, _) => {
                let kind = other.kind();
                return Err(self.reader.error(format!("items are added to {kind}")));
            }
        }
        Ok(())
    }

    /// GLOBAL, STACK_GLOBAL: a function or class. INST, OBJ: and a call of it. EXT1, EXT2, EXT4: a registered one.
    fn name(&mut self, operation: u8) -> Result<()> {
        match operation {
            b'c' => {
                let (module, name) = (self.reader.line()?, self.reader.line()?);
                self.constructor(module, name)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (&self.values[module.0], &self.values[name.0]) {
                    (&Value::Text(module), &Value::Text(name)) => self.constructor(module, name),
                    (_, _) => Err(self.reader.error("the name of a class is not a string")),
                }
            }
            b'i' => {
                let (module, name) = (self.reader.line()?, self.reader.line()?);
                let arguments = Value::Tuple(self.pop_mark()?);
                self.constructor(module, name)?;
                self.push(arguments)?;
                self.call(b'R')
            }
            b'o' => {
                let mut items = self.pop_mark()?;
                if items.is_empty() {
                    return Err(self.reader.error("a class is missing"));
                }
                self.stack.push(items.remove(0));
                self.push(Value::Tuple(items))?;
                self.call(b'R')
            }
            _ => {
                let code = self.reader.length(1 << (operation - 0x82))?;
                self.refused.insert(format!("extension code {code}"));
                self.stack.push(REFUSED);
                Ok(())
            }
        }
    }

    fn constructor(&mut self, module: &str, name: &str) -> Result<()> {
        match Constructor::named(module, name) {
            Some(constructor) => self.push(Value::Constructor(constructor)),
            None => {
                self.refused.insert(format!("{module}.{name}"));
                self.stack.push(REFUSED);
                Ok(())
            }
        }
    }

    /// REDUCE, NEWOBJ, NEWOBJ_EX: what a function or class makes of its arguments.
    fn call(&mut self, operation: u8) -> Result<()> {
        let named = match operation {
            0x92 => Some(self.pop()?),
            _ => None,
        };
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let constructor = match &self.values[callee.0] {
            Value::Constructor(constructor) => *constructor,
            Value::Refused => {
                self.stack.push(REFUSED);
                return Ok(());
            }
            other => return Err(self.reader.error(format!("{} is called", other.kind()))),
        };
        if named.is_some_and(|id| self.values[id.0] != Value::Dict(Vec::new())) {
            return Err(self.reader.error("a constructor has named arguments"));
        }
        match rebuild::call(&self.values, constructor, arguments) {
            Ok(rebuild::Made::New(value)) => {
                if let Value::Dict(pairs) = &value {
                    self.copied += pairs.len();
                }
                self.push(value)
            }
            Ok(rebuild::Made::Old(id)) => {
                self.stack.push(id);
                Ok(())
            }
            Err(what) => Err(self.reader.error(what)),
        }
    }

    /// BUILD: attributes of an object. Those of an `OrderedDict` are the versions of modules.
    fn set_state(&mut self) -> Result<()> {
        self.pop()?;
        match &self.values[self.top()?.0] {
            Value::Dict(_) | Value::Refused => Ok(()),
            other => Err(self.reader.error(format!("{} has attributes", other.kind()))),
        }
    }
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
