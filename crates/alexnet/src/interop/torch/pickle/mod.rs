//! Reads Python's pickles, of protocols 1 to 5, as far as state dicts need them, and executes nothing.
//!
//! A pickle is a program for a stack machine. Its values here are numbers, texts, lists, tuples, dictionaries, and the
//! constructors of `constructor::Constructor`; the name of any other function or class is collected, and stands for nothing. See
//! `pickletools.py` of Python for the operations.
//!
//! | file | contents |
//! |---|---|
//! | `value` | what a pickle consists of |
//! | `constructor` | functions and classes that are known |
//! | `reader` | operands of operations |
//! | `stack` | the stack of values, and those that are remembered |
//! | `literal`, `container`, `call` | operations: numbers and texts; tuples, lists and dictionaries; functions and classes |
//! | `machine` | which operation is which |
//! | `rebuild` | what constructors make of their arguments |

mod call;
mod constructor;
mod container;
mod literal;
mod machine;
mod reader;
mod rebuild;
mod stack;
mod value;

pub(super) use machine::{Pickle, load};
pub(super) use value::{StorageRef, TensorRef, Value, ValueId};

#[cfg(test)]
mod tests;
