//! What constructors make of their arguments. Errors are texts, which [`load`](super::load) completes by
//! a position.

use super::constructor::Constructor;
use super::value::{StorageRef, TensorRef, Value, ValueId};

/// What a constructor makes.
pub(super) enum Made<'a> {
    New(Value<'a>),
    /// An argument.
    Old(ValueId),
}

/// The most dimensions of a tensor: locally connected layers have 6.
const MAX_DIMENSIONS: usize = 64;

/// The result of a constructor.
pub(super) fn call<'a>(
    values: &[Value<'a>],
    constructor: Constructor,
    arguments: ValueId,
) -> Result<Made<'a>, String> {
    let items = items(values, arguments).ok_or("the arguments are not a tuple")?;
    match (constructor, items) {
        (Constructor::OrderedDict, []) => Ok(Made::New(Value::Dict(Vec::new()))),
        (Constructor::OrderedDict, [pairs]) => ordered_dict(values, *pairs),
        (Constructor::RebuildTensor | Constructor::RebuildTensorV2, [storage, offset, size, stride, ..]) => {
            tensor(values, *storage, *offset, *size, *stride).map(|tensor| Made::New(Value::Tensor(tensor)))
        }
        (Constructor::RebuildParameter, [tensor, ..]) => match &values[tensor.0] {
            Value::Tensor(_) | Value::Refused => Ok(Made::Old(*tensor)),
            other => Err(format!("a parameter is {}", other.kind())),
        },
        (Constructor::Storage(_), _) => Err("a storage is in the pickle instead of outside of it".into()),
        (
            Constructor::OrderedDict
            | Constructor::RebuildTensor
            | Constructor::RebuildTensorV2
            | Constructor::RebuildParameter,
            _,
        ) => Err("a constructor has the wrong number of arguments".into()),
    }
}

/// The elements of a tuple or a list.
fn items<'v>(values: &'v [Value<'_>], id: ValueId) -> Option<&'v [ValueId]> {
    match &values[id.0] {
        Value::Tuple(items) | Value::List(items) => Some(items),
        _ => None,
    }
}

fn ordered_dict<'a>(values: &[Value<'a>], pairs: ValueId) -> Result<Made<'a>, String> {
    let pair = |id: &ValueId| match items(values, *id) {
        Some(&[key, value]) => Some((key, value)),
        Some(_) | None => None,
    };
    let pairs = items(values, pairs).and_then(|pairs| pairs.iter().map(pair).collect::<Option<Vec<_>>>());
    pairs
        .map(|pairs| Made::New(Value::Dict(pairs)))
        .ok_or_else(|| "an OrderedDict is not made of pairs".into())
}

fn tensor(
    values: &[Value<'_>],
    storage: ValueId,
    offset: ValueId,
    size: ValueId,
    stride: ValueId,
) -> Result<TensorRef, String> {
    if !matches!(&values[storage.0], Value::Storage(_)) {
        return Err(format!("a tensor is made of {}", values[storage.0].kind()));
    }
    let numbers = |id: ValueId| -> Result<Vec<usize>, String> {
        let items = items(values, id).filter(|items| items.len() <= MAX_DIMENSIONS);
        items.ok_or("the size of a tensor is not a tuple")?.iter().map(|&id| whole(values, id)).collect()
    };
    let (shape, strides) = (numbers(size)?, numbers(stride)?);
    if shape.len() != strides.len() {
        return Err("a tensor has not one stride for each dimension".into());
    }
    Ok(TensorRef { storage, offset: whole(values, offset)?, shape, strides })
}

fn whole(values: &[Value<'_>], id: ValueId) -> Result<usize, String> {
    match &values[id.0] {
        Value::Int(value) => {
            usize::try_from(*value).map_err(|_| format!("a tensor has the size, stride or offset {value}"))
        }
        other => Err(format!("{} is where a number is expected", other.kind())),
    }
}

/// What a persistent identifier stands for: the tuple `("storage", type, key, location, elements)`, in old files with a view
/// behind it.
pub(super) fn persistent<'a>(values: &[Value<'a>], id: ValueId) -> Result<Value<'a>, String> {
    let items = items(values, id).ok_or("a reference to data is not a tuple")?;
    let value = |at: usize| items.get(at).map(|id| &values[id.0]);
    match (value(0), value(1), value(2), value(4), value(5)) {
        (Some(Value::Text("module")), ..) => Ok(Value::Refused),
        (Some(Value::Text("storage")), Some(Value::Refused), ..) => Ok(Value::Refused),
        (
            Some(Value::Text("storage")),
            Some(Value::Constructor(Constructor::Storage(element))),
            Some(Value::Text(key)),
            Some(Value::Int(len)),
            None | Some(Value::None),
        ) => {
            let len = usize::try_from(*len).map_err(|_| format!("a storage has {len} elements"))?;
            Ok(Value::Storage(StorageRef { element: *element, key, len }))
        }
        (Some(Value::Text("storage")), .., Some(Value::Tuple(_))) => {
            Err("a storage is a view of another one, as in files of PyTorch before 0.4".into())
        }
        (..) => Err("a reference to data is not that of a storage".into()),
    }
}
